//! The JSON API of a node: read the chain, send transactions, watch jobs.
//!
//! `GET /openapi.json` describes it; `docs/api.md` is the same for people. What the API tells
//! need not be believed: `/v1/prove/{key}` gives proofs against certified headers, and everything
//! in the ledger has a key. Nothing here needs a login, since transactions carry their own
//! authorisation and everything else is public; web pages of other origins are kept out all the
//! same (see `origin`).

mod api;
#[cfg(test)]
mod attack_tests;
mod connections;
mod error;
mod linger;
mod openapi;
mod origin;
mod router;
mod routes;
mod server;
#[cfg(test)]
mod tests;

pub use self::{
    api::{Api, NodeView},
    error::ApiError,
    openapi::document,
    server::{HttpServer, MAX_BODY, ServeError},
};
