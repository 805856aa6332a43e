//! Sending transactions, following them, proving values.

use assay_ledger::TxId;
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};

use super::{Segment, parse};
use crate::{
    http::{api::Api, error::ApiError, server::MAX_BODY},
    proof::ReceiptProof,
    view::SubmitError,
    views::{ErrorBody, ProofView, ReceiptProofView, ReceiptView, Submission, Submitted},
};

/// Longest key of the state, in bytes; keys of the ledger are shorter.
const MAX_KEY: usize = 256;

/// Send a signed transaction on its way
///
/// The answer says that it may enter a block, not that it has: ask `/v1/tx/{id}` until it has.
/// Sending the same bytes again does no harm.
#[utoipa::path(
    post, path = "/v1/tx", tag = "transactions",
    request_body = Submission,
    responses(
        (status = 202, body = Submitted),
        (status = 400, body = ErrorBody, description = "malformed, or cannot enter a block"),
        (status = 409, body = ErrorBody, description = "its nonce is used up"),
        (status = 413, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
)]
pub(crate) async fn submit(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Submitted>), ApiError> {
    let body = body.map_err(|error| {
        let hint = format!("a body has at most {MAX_BODY} bytes");
        ApiError::new(error.status(), "the body could not be read", hint)
    })?;
    let submission: Submission = serde_json::from_slice(&body).map_err(|error| {
        ApiError::invalid(
            format!("the body is not a submission: {error}"),
            r#"send {"transaction": "<hexadecimal digits>"}"#,
        )
    })?;
    let bytes = hex::decode(&submission.transaction).map_err(|error| {
        ApiError::invalid(
            format!("`transaction` is not hexadecimal: {error}"),
            "write the encoded transaction as hexadecimal digits",
        )
    })?;
    match api.chain.submit(bytes).await {
        Ok(tx) => Ok((StatusCode::ACCEPTED, Json(Submitted { tx }))),
        Err(error @ SubmitError::Rejected(_)) => Err(ApiError::invalid(
            error,
            "nothing was charged; mend it, sign it and send it again",
        )),
        Err(error @ SubmitError::Spent(_)) => Err(ApiError::new(
            StatusCode::CONFLICT,
            error,
            "GET /v1/tx/{id} says whether it is in a block; if not, sign with a newer nonce",
        )),
        Err(error @ SubmitError::Later(_)) => Err(ApiError::unavailable(error)),
    }
}

/// What became of a transaction
#[utoipa::path(
    get, path = "/v1/tx/{id}", tag = "transactions",
    params(("id" = String, Path, description = "the transaction's name")),
    responses(
        (status = 200, body = ReceiptView),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "in no block yet"),
    ),
)]
pub(crate) async fn receipt(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<ReceiptView>, ApiError> {
    let tx: TxId = parse("a transaction", &id)?;
    match api.chain.receipt(tx).await.map_err(ApiError::unavailable)? {
        Some(included) => Ok(Json(included.into())),
        None => Err(ApiError::not_found(
            format!("transaction {tx} is in no block"),
            "if it was sent a moment ago, ask again; it can be sent again without harm",
        )),
    }
}

/// A transaction and its receipt with proofs
#[utoipa::path(
    get, path = "/v1/tx/{id}/proof", tag = "transactions",
    params(("id" = String, Path, description = "the transaction's name")),
    responses(
        (status = 200, body = ReceiptProofView),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "in no certified block yet"),
    ),
)]
pub(crate) async fn receipt_proof(
    State(api): State<Api>,
    Segment(id): Segment,
) -> Result<Json<ReceiptProofView>, ApiError> {
    let tx: TxId = parse("a transaction", &id)?;
    let proven = api
        .chain
        .prove_transaction(tx)
        .await
        .map_err(ApiError::unavailable)?;
    let proven = proven.ok_or_else(|| {
        ApiError::not_found(
            format!("transaction {tx} is in no certified block"),
            "ask again",
        )
    })?;
    let proof = borsh::to_vec(&ReceiptProof::from(proven)).map_err(ApiError::unavailable)?;
    Ok(Json(ReceiptProofView {
        tx,
        proof: hex::encode(proof),
    }))
}

/// A value of the ledger's state with a proof
#[utoipa::path(
    get, path = "/v1/prove/{key}", tag = "transactions",
    params(("key" = String, Path, description = "key in the ledger's state, hexadecimal")),
    responses(
        (status = 200, body = ProofView),
        (status = 400, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
)]
pub(crate) async fn prove(
    State(api): State<Api>,
    Segment(key): Segment,
) -> Result<Json<ProofView>, ApiError> {
    let bytes = hex::decode(&key)
        .ok()
        .filter(|bytes| bytes.len() <= MAX_KEY)
        .ok_or_else(|| {
            ApiError::invalid(
                "the key is malformed",
                format!("write at most {MAX_KEY} bytes as hexadecimal digits"),
            )
        })?;
    let proven = api
        .chain
        .prove(bytes)
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(ProofView::new(key, proven.into())))
}
