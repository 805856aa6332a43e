//! Accounts, orders and files.

use assay_crypto::PublicKey;
use assay_ledger::{FileId, Head, Order, OrderId, Phase, Role, query, query::Which};
use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Segment, parse};
use crate::{
    http::{api::Api, error::ApiError},
    views::{
        AccountView, ErrorBody, FileList, GrantList, MAX_LISTED, OrderDetail, OrderList,
        OrderSummary, ProgressReport, RoleView,
    },
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
    let requester = filter.requester.as_deref();
    let requester: Option<PublicKey> =
        requester.map(|text| parse("requester", text)).transpose()?;
    let state = api.chain.state();
    let (mut found, mut more) = (Vec::new(), false);
    for which in filter.indexes(requester) {
        let page = query::list(&*state, which, MAX_READ)?;
        more |= page.more;
        for id in page.entries {
            let head = query::head(&*state, &id)?;
            found.extend(head.filter(|head| filter.fits(head, requester)));
        }
    }
    found.sort_by_key(|head| (std::cmp::Reverse(head.updated), head.id));
    more |= found.len() > MAX_LISTED;
    found.truncate(MAX_LISTED);
    let mut orders = Vec::with_capacity(found.len());
    for head in found {
        let order = query::order(&*state, &head.id)?;
        orders.extend(order.as_ref().map(OrderSummary::from));
    }
    Ok(Json(OrderList { orders, more }))
}

/// Most entries of an index that are read to make a list.
const MAX_READ: usize = 4 * MAX_LISTED;

impl OrderFilter {
    /// The indexes that hold all orders looked for, and as few others as may be.
    fn indexes(&self, requester: Option<PublicKey>) -> Vec<Which> {
        let phases = Phase::ALL.into_iter();
        match (requester, self.phase) {
            (Some(requester), _) => vec![Which::PostedBy(requester)],
            (None, Some(phase)) => vec![Which::In(phase)],
            (None, None) if self.active => phases
                .filter(|phase| !phase.is_final())
                .map(Which::In)
                .collect(),
            (None, None) => vec![Which::Latest],
        }
    }

    fn fits(&self, head: &Head, requester: Option<PublicKey>) -> bool {
        self.phase.is_none_or(|phase| head.phase == phase)
            && requester.is_none_or(|requester| head.requester == requester)
            && !(self.active && head.phase.is_final())
    }
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
    api.node.progress(&record).await.map(Json).ok_or_else(|| {
        ApiError::not_found(
            format!("nobody reports progress on order {}", record.head.id),
            format!(
                "the order is {}; GET /v1/orders/{} says more",
                record.head.phase, record.head.id
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
    let state = api.chain.state();
    let page = match owner {
        Some(owner) => query::files_of(&*state, &owner, MAX_LISTED)?,
        None => query::first_files(&*state, MAX_LISTED)?,
    };
    Ok(Json(FileList {
        records: page.entries,
        more: page.more,
    }))
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
        more: false,
    }))
}

/// Whose grants to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GrantFilter {
    /// Grants of this account's files.
    owner: Option<String>,
    /// Grants to this account.
    grantee: Option<String>,
}

/// Grants of files: asked for, approved and over
#[utoipa::path(
    get, path = "/v1/grants", tag = "records", params(GrantFilter),
    responses((status = 200, body = GrantList), (status = 400, body = ErrorBody)),
)]
pub(crate) async fn grants(
    State(api): State<Api>,
    filter: Result<Query<GrantFilter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<GrantList>, ApiError> {
    const USE: &str =
        "use owner=KEY for grants of an account's files, or grantee=KEY for those to it";
    let Query(filter) = filter.map_err(|error| ApiError::invalid(error.body_text(), USE))?;
    let state = api.chain.state();
    let page = match (filter.owner, filter.grantee) {
        (Some(owner), None) => query::grants_of(&*state, &parse("owner", &owner)?, MAX_LISTED)?,
        (None, Some(to)) => query::grants_to(&*state, &parse("grantee", &to)?, MAX_LISTED)?,
        _ => {
            return Err(ApiError::invalid(
                "name one of owner and grantee".to_owned(),
                USE,
            ));
        }
    };
    Ok(Json(GrantList {
        records: page.entries,
        more: page.more,
    }))
}
