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

use std::sync::Arc;

use assay_crypto::PublicKey;
use assay_ledger::{Order, Role};
use axum::{Router, routing::get};

pub use self::{
    error::ApiError,
    openapi::document,
    server::{HttpServer, MAX_BODY, ServeError},
};
use crate::{
    view::{BoxFuture, ChainView},
    views::ProgressReport,
};

/// What a node says of itself.
pub trait NodeView: Send + Sync + 'static {
    /// Nodes whose address is known.
    fn peers(&self) -> usize;

    /// Whether the node does what it is for.
    fn is_ready(&self) -> bool;

    /// What is in its way, in plain words.
    fn problems(&self) -> Vec<String>;

    /// How far an order's provider is; `None` when nobody knows.
    fn progress(&self, order: &Order) -> BoxFuture<'_, Option<ProgressReport>>;

    /// What is counted and measured, in the Prometheus text format 0.0.4.
    fn metrics(&self) -> BoxFuture<'_, String>;
}

/// What the API speaks for.
#[derive(Clone)]
pub struct Api {
    /// The chain.
    pub chain: Arc<dyn ChainView>,
    /// The node's account.
    pub account: PublicKey,
    /// What the node does.
    pub roles: Vec<Role>,
    /// The node.
    pub node: Arc<dyn NodeView>,
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
