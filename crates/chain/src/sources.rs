//! Errors in one line.

/// An error and everything below it in one line; [`Chain::failure`](crate::Chain::failure) is read by people.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text = format!("{text}: {source}");
        below = source.source();
    }
    text
}
