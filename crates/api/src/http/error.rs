//! Errors of the JSON API: a status, what was wrong, what to do.

use assay_ledger::ReadError;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{advice::told, views::ErrorBody};

/// An error with its HTTP status.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", body.error)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// An error with its hint.
    pub fn new(status: StatusCode, error: impl ToString, hint: impl ToString) -> Self {
        Self {
            status,
            body: ErrorBody {
                error: error.to_string(),
                hint: hint.to_string(),
            },
        }
    }

    /// The request is wrong.
    pub fn invalid(error: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// The thing does not exist.
    pub fn not_found(error: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// The node cannot answer now.
    pub fn unavailable(error: impl ToString) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error,
            "ask again in a moment, or ask another node",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub fn body(&self) -> &ErrorBody {
        &self.body
    }
}

/// A state that cannot be read is a failure of this node, never an absence.
impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::unavailable(told(&error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
