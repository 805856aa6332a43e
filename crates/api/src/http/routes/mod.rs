//! The handlers, one file per subject.

pub(super) mod chain;
pub(super) mod records;
pub(super) mod transactions;

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use super::error::ApiError;

/// The part of a path that names something. What is wrong with it is said as everything else is.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::<String>::from_request_parts(parts, state).await;
        let Path(segment) =
            read.map_err(|error| ApiError::invalid(error, "write the path in UTF-8"))?;
        Ok(Self(segment))
    }
}

/// Reads a name from a path or query.
fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(
            format!("{what} {text:?} is malformed"),
            format!("write {what} as 64 lower-case hexadecimal digits"),
        )
    })
}
