//! The JSON API of a node: read the chain, send transactions, watch jobs.
//!
//! `GET /openapi.json` describes it; `docs/api.md` is the same for people. What the API tells
//! need not be believed: `/v1/prove/{key}` gives proofs against certified headers, and everything
//! in the ledger has a key. Nothing here needs a login, since transactions carry their own
//! authorisation and everything else is public; web pages of other origins are kept out all the
//! same (see `origin`).

#[cfg(test)]
mod attack_tests;
mod connections;
mod error;
mod linger;
mod openapi;
mod origin;
mod routes;
mod server;
#[cfg(test)]
mod tests;
pub mod views;

use std::sync::Arc;

use assay_crypto::PublicKey;
use assay_ledger::Role;
use axum::{Router, routing::get};

pub use self::{
    error::{ApiError, ErrorBody},
    openapi::document,
    server::{HttpServer, MAX_BODY, ServeError},
};
use crate::{client::ChainView, health::Health, progress::ProgressSource, transport::AddressBook};

/// What the API speaks for.
#[derive(Clone)]
pub struct Api {
    /// The chain.
    pub chain: Arc<dyn ChainView>,
    /// The node's account.
    pub account: PublicKey,
    /// What the node does.
    pub roles: Vec<Role>,
    /// How far jobs are.
    pub progress: Arc<dyn ProgressSource>,
    /// Where the peers are.
    pub book: AddressBook,
    /// How the node is.
    pub health: Health,
    /// Host names that are this node's, besides its addresses and `localhost`.
    pub names: Vec<String>,
}

impl Api {
    /// Every route, with its limits.
    pub fn routes(self) -> Router {
        let v1 = Router::new()
            .route("/status", get(routes::chain::status))
            .route("/network", get(routes::chain::network))
            .route("/genesis", get(routes::chain::genesis))
            .route("/blocks/{height}", get(routes::chain::block))
            .route("/tx", axum::routing::post(routes::transactions::submit))
            .route("/tx/{id}", get(routes::transactions::receipt))
            .route("/tx/{id}/proof", get(routes::transactions::receipt_proof))
            .route("/prove/{key}", get(routes::transactions::prove))
            .route("/accounts/{id}", get(routes::records::account))
            .route("/orders", get(routes::records::orders))
            .route("/orders/{id}", get(routes::records::order))
            .route("/orders/{id}/progress", get(routes::records::progress))
            .route("/files", get(routes::records::files))
            .route("/files/{id}", get(routes::records::file))
            .route("/grants", get(routes::records::grants));
        let all = Router::new()
            .nest("/v1", v1)
            .route("/metrics", get(routes::chain::metrics))
            .route("/openapi.json", get(openapi::serve))
            .with_state(self.clone());
        server::guarded(all, origin::Names::new(self.names))
    }
}
