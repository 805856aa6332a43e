//! Accounts, orders and files.

use assay_crypto::PublicKey;
use assay_ledger::{FileId, Order, OrderId, Phase, Role, query};
use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Segment, parse};
use crate::{
    http::{
        Api, ApiError, ErrorBody,
        views::{
            AccountView, FileList, MAX_LISTED, OrderDetail, OrderList, OrderSummary, RoleView,
        },
    },
    progress::ProgressReport,
};

/// An account with its roles
///
/// An account that was never credited is empty, not missing.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "records",
    params(("id" = String, Path, description = "the account's public key")),
    responses((status = 200, body = AccountView), (status = 400, body = ErrorBody)),
)]
pub(crate) async fn account(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<AccountView>, ApiError> {
    let account: PublicKey = parse("an account", &id)?;
    let state = api.chain.state();
    let mut roles = Vec::new();
    for role in Role::ALL {
        let registered = query::registration(&*state, role, &account)?;
        roles.extend(registered.map(|of| RoleView::new(account, role, of)));
    }
    Ok(Json(AccountView::new(
        account,
        query::account(&*state, &account)?,
        roles,
    )))
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderFilter {
    /// Only orders in this phase.
    #[param(value_type = Option<String>)]
    phase: Option<Phase>,
    /// Only orders of this account.
    requester: Option<String>,
    /// Only orders that are not final.
    #[serde(default)]
    active: bool,
}

/// Orders, latest change first
#[utoipa::path(
    get, path = "/v1/orders", tag = "records", params(OrderFilter),
    responses((status = 200, body = OrderList), (status = 400, body = ErrorBody)),
)]
pub(crate) async fn orders(
    State(api): State<Api>,
    filter: Result<Query<OrderFilter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<OrderList>, ApiError> {
    let Query(filter) = filter.map_err(|error| {
        ApiError::invalid(
            error.body_text(),
            "use phase=NAME, requester=KEY and active=true",
        )
    })?;
    let requester: Option<PublicKey> = filter
        .requester
        .map(|text| parse("requester", &text))
        .transpose()?;
    let state = api.chain.state();
    let mut found = if filter.active {
        query::active_orders(&*state)?
    } else {
        query::orders(&*state)?
    };
    found.retain(|order: &Order| {
        filter
            .phase
            .as_ref()
            .is_none_or(|phase| order.phase == *phase)
            && requester.is_none_or(|requester| order.requester == requester)
    });
    found.sort_by_key(|order| (std::cmp::Reverse(order.updated), order.id));
    let left_out = found.len().saturating_sub(MAX_LISTED) as u64;
    let orders = found
        .iter()
        .take(MAX_LISTED)
        .map(OrderSummary::from)
        .collect();
    Ok(Json(OrderList { orders, left_out }))
}

/// An order with everything public about it
#[utoipa::path(
    get, path = "/v1/orders/{id}", tag = "records",
    params(("id" = String, Path, description = "the order")),
    responses(
        (status = 200, body = OrderDetail),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn order(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<OrderDetail>, ApiError> {
    let record = find(&api, &id)?;
    Ok(Json(OrderDetail {
        summary: (&record).into(),
        record,
    }))
}

/// How far an order's provider is, in its own words
///
/// Good for a progress bar, never for money.
#[utoipa::path(
    get, path = "/v1/orders/{id}/progress", tag = "records",
    params(("id" = String, Path, description = "the order")),
    responses(
        (status = 200, body = ProgressReport),
        (status = 404, body = ErrorBody, description = "no order, or nobody works on it now"),
    ),
)]
pub(crate) async fn progress(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<ProgressReport>, ApiError> {
    let record = find(&api, &id)?;
    api.progress
        .progress(&record)
        .await
        .map(Json)
        .ok_or_else(|| {
            ApiError::not_found(
                format!("nobody reports progress on order {}", record.id),
                format!(
                    "the order is {}; GET /v1/orders/{} says more",
                    record.phase, record.id
                ),
            )
        })
}

fn find(api: &Api, id: &str) -> Result<Order, ApiError> {
    let id: OrderId = parse("an order", id)?;
    query::order(&*api.chain.state(), &id)?.ok_or_else(|| {
        ApiError::not_found(
            format!("there is no order {id}"),
            "GET /v1/orders lists them",
        )
    })
}

/// Which files to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileFilter {
    /// Only files of this account.
    owner: Option<String>,
}

/// Files that the ledger records
#[utoipa::path(
    get, path = "/v1/files", tag = "records", params(FileFilter),
    responses((status = 200, body = FileList), (status = 400, body = ErrorBody)),
)]
pub(crate) async fn files(
    State(api): State<Api>,
    filter: Result<Query<FileFilter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<FileList>, ApiError> {
    let Query(filter) = filter
        .map_err(|error| ApiError::invalid(error.body_text(), "the only filter is owner=KEY"))?;
    let owner: Option<PublicKey> = filter.owner.map(|text| parse("owner", &text)).transpose()?;
    let mut records = query::files(&*api.chain.state())?;
    records.retain(|record| owner.is_none_or(|owner| record.owner == owner));
    let left_out = records.len().saturating_sub(MAX_LISTED) as u64;
    records.truncate(MAX_LISTED);
    Ok(Json(FileList { records, left_out }))
}

/// A file's records, one per owner
#[utoipa::path(
    get, path = "/v1/files/{id}", tag = "records",
    params(("id" = String, Path, description = "the file")),
    responses(
        (status = 200, body = FileList),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
)]
pub(crate) async fn file(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<FileList>, ApiError> {
    let id: FileId = parse("a file", &id)?;
    let records = query::file_records(&*api.chain.state(), &id)?;
    if records.is_empty() {
        return Err(ApiError::not_found(
            format!("nobody has recorded file {id}"),
            "GET /v1/files?owner=KEY lists an account's files",
        ));
    }
    Ok(Json(FileList {
        records,
        left_out: 0,
    }))
}
