//! The network, its blocks, its metrics.

use assay_ledger::{Genesis, Height, Role, query};
use axum::{Json, extract::State, http::header, response::IntoResponse};

use super::Segment;
use crate::{
    clock::now_ms,
    http::{api::Api, error::ApiError},
    views::{BlockView, ErrorBody, Network, RoleView, Status},
};

/// The node and how far it is
#[utoipa::path(
    get, path = "/v1/status", tag = "chain",
    responses((status = 200, body = Status)),
)]
pub(crate) async fn status(State(api): State<Api>) -> Json<Status> {
    let (head, genesis) = (api.chain.head(), api.chain.genesis());
    let now = now_ms();
    let problems = api.node.problems();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        chain_name: genesis.chain_name.to_string(),
        chain_id: genesis.digest(),
        node: api.account,
        roles: api.roles.clone(),
        age_ms: now.saturating_sub(head.timestamp_ms),
        head: head.into(),
        peers: api.node.peers() as u64,
        ready: api.node.is_ready(),
        healthy: problems.is_empty(),
        problems,
        clock_ms: now,
        clock_offset_ms: api.chain.clock_offset_ms(),
    })
}

/// Who is there and where the money is
#[utoipa::path(
    get, path = "/v1/network", tag = "chain",
    responses((status = 200, body = Network), (status = 503, body = ErrorBody)),
)]
pub(crate) async fn network(State(api): State<Api>) -> Result<Json<Network>, ApiError> {
    let (state, genesis) = (api.chain.state(), api.chain.genesis());
    let mut members = Vec::new();
    for role in Role::ALL {
        let registered = query::registrations(&*state, role)?.into_iter();
        members.extend(registered.map(|(account, of)| RoleView::new(account, role, of)));
    }
    Ok(Json(Network {
        chain_name: genesis.chain_name.to_string(),
        chain_id: genesis.digest(),
        members,
        supply: query::supply(&*state)?,
        parameters: query::parameters(&*state)?.unwrap_or_default(),
    }))
}

/// What the network began with
///
/// A client that trusts this node once can keep it as `genesis.json` and verify everything from
/// then on; compare its `chain_id` with somebody else's first.
#[utoipa::path(
    get, path = "/v1/genesis", tag = "chain",
    responses((status = 200, body = Object)),
)]
pub(crate) async fn genesis(State(api): State<Api>) -> Json<Genesis> {
    Json(api.chain.genesis().clone())
}

/// A final block with what it brought about
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "chain",
    params(("height" = String, Path, description = "a height from 1 on, or `head`")),
    responses(
        (status = 200, body = BlockView),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "not reached yet"),
    ),
)]
pub(crate) async fn block(
    State(api): State<Api>,
    Segment(height): Segment,
) -> Result<Json<BlockView>, ApiError> {
    let head = api.chain.head().height;
    let wanted = match height.as_str() {
        "head" => head,
        text => Height(text.parse().map_err(|_| {
            ApiError::invalid(
                format!("{text:?} is no height"),
                "write a whole number, or `head`",
            )
        })?),
    };
    match api
        .chain
        .block(wanted)
        .await
        .map_err(ApiError::unavailable)?
    {
        Some(block) => Ok(Json(block.into())),
        None => Err(ApiError::not_found(
            format!("there is no block at height {wanted}"),
            format!("blocks have heights 1 to {head} so far; height 0 is GET /v1/genesis"),
        )),
    }
}

/// Counters and gauges in the Prometheus text format
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TEXT)], api.node.metrics().await)
}
