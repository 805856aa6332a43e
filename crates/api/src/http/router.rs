//! Which path leads to which answer.

use axum::{Router, routing::get};

use super::{api::Api, openapi, origin, routes, server};

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
