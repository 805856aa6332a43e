//! Logs on stderr, chosen by environment variables.
//!
//! `ASSAY_LOG` is a filter such as `info`, `assay_node=debug` or `warn,assay_chain=trace`;
//! `ASSAY_LOG_FORMAT` is `text` (default) or `json`. Standard output stays free for results.

use std::{
    cell::Cell,
    io::IsTerminal,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `ASSAY_LOG` is not a filter.
    #[error(
        "ASSAY_LOG={value:?} is not a log filter: write a level (error, warn, info, debug, trace) or target=level, separated by commas"
    )]
    Filter {
        /// The value found.
        value: String,
        /// Where it is wrong.
        #[source]
        source: ParseError,
    },
    /// A part of `ASSAY_LOG` is neither a level nor a target with one.
    #[error(
        "ASSAY_LOG={value:?} is not a log filter: {word:?} is no level (error, warn, info, debug, trace, off); a target is written as {word}=LEVEL"
    )]
    Level {
        /// The value found.
        value: String,
        /// The part.
        word: String,
    },
    /// A variable is not UTF-8.
    #[error("{0} is not UTF-8")]
    Encoding(&'static str),
    /// `ASSAY_LOG_FORMAT` is neither `text` nor `json`.
    #[error("ASSAY_LOG_FORMAT={0:?} is unknown: use text or json")]
    Format(String),
}

/// Starts logging; `default` is the filter used when `ASSAY_LOG` is unset or empty. Does
/// nothing when logging runs already.
///
/// # Errors
/// [`LogError`] when a variable has a value that means nothing.
pub fn install(default: &str) -> Result<(), LogError> {
    let value = variable("ASSAY_LOG")?;
    let filter = parse_filter(&value, default)?;
    let json = match variable("ASSAY_LOG_FORMAT")?.as_str() {
        "" | "text" => false,
        "json" => true,
        other => return Err(LogError::Format(other.to_owned())),
    };
    // A log that cannot be written, as when the terminal is closed, must not end the process.
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    std::panic::set_hook(Box::new(tell_of_panic));
    let _already_running = if json {
        builder.json().try_init()
    } else {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
    Ok(())
}

/// What a variable says; nothing where it is not set.
fn variable(name: &'static str) -> Result<String, LogError> {
    let value = std::env::var_os(name).unwrap_or_default();
    value.into_string().map_err(|_| LogError::Encoding(name))
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Calls a library that panics on input it was not made for; the caller says what that means, so
/// the log does not.
///
/// # Errors
/// What it said when it panicked.
pub(crate) fn expecting_panics<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = EXPECTED.replace(true);
    let returned = catch_unwind(AssertUnwindSafe(call));
    EXPECTED.set(before);
    returned
}

/// Puts a panic into the log, in one line. Where it ends a part of a node, the node says what
/// that means; `ASSAY_LOG=debug` adds the trace, and what was expected.
fn tell_of_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let reason = panic.payload_as_str().unwrap_or("it gave no reason");
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if EXPECTED.get() {
        tracing::debug!(thread, place, "panicked, as may be: {reason}");
    } else {
        tracing::error!(thread, place, "panicked: {reason}");
    }
    tracing::debug!("{}", std::backtrace::Backtrace::force_capture());
}

fn parse_filter(value: &str, default: &str) -> Result<EnvFilter, LogError> {
    let text = if value.trim().is_empty() {
        default
    } else {
        value
    };
    // A bare word that is no level would be taken for the name of a target, and silence all others.
    let misspelt = text.split(',').map(str::trim).find(|word| {
        !word.starts_with("assay")
            && word.chars().all(|c| c.is_ascii_alphanumeric())
            && word.parse::<tracing::level_filters::LevelFilter>().is_err()
    });
    if let Some(word) = misspelt.filter(|word| !word.is_empty()) {
        return Err(LogError::Level {
            value: text.to_owned(),
            word: word.to_owned(),
        });
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    EnvFilter::builder()
        .parse(compact)
        .map_err(|source| LogError::Filter {
            value: text.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_does_not_silence_the_log() {
        for bad in ["warning", "verbose", "info,tokio", "err"] {
            let error = parse_filter(bad, "warn").unwrap_err().to_string();
            assert!(error.contains("is no level"), "{error}");
        }
        for good in [
            "WARN",
            "off",
            "assay_node",
            "info,tokio=off",
            "0",
            "warn, assay_chain=trace",
        ] {
            parse_filter(good, "warn").unwrap();
        }
    }

    #[test]
    fn a_bad_filter_is_refused_with_the_forms_that_work() {
        let error = parse_filter("assay=loud", "warn").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("error, warn, info, debug, trace"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_filter_means_the_default() {
        assert_eq!(parse_filter(" ", "warn").unwrap().to_string(), "warn");
    }
}
