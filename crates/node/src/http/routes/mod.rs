//! The handlers, one file per subject.

pub(super) mod chain;
pub(super) mod records;
pub(super) mod transactions;

use std::str::FromStr;

use super::ApiError;

/// Reads a name from a path or query.
fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(
            format!("{what} {text:?} is malformed"),
            format!("write {what} as 64 lower-case hexadecimal digits"),
        )
    })
}
