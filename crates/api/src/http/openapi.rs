//! The API described for programs.

use axum::Json;
use utoipa::OpenApi;

use super::routes;
use crate::views::{self, ErrorBody, ProgressReport};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Assay node",
        description = "Read the chain, send transactions, watch jobs. Errors are \
                       {\"error\", \"hint\"}. Amounts are micro-tokens; names are lower-case \
                       hexadecimal.",
    ),
    paths(
        routes::chain::status,
        routes::chain::network,
        routes::chain::genesis,
        routes::chain::block,
        routes::chain::metrics,
        routes::transactions::submit,
        routes::transactions::receipt,
        routes::transactions::receipt_proof,
        routes::transactions::prove,
        routes::records::account,
        routes::records::orders,
        routes::records::order,
        routes::records::progress,
        routes::records::files,
        routes::records::file,
        routes::records::grants,
    ),
    components(schemas(ErrorBody, ProgressReport, views::Submission))
)]
struct Document;

/// The OpenAPI document of this version's API.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
