//! Whole orders in one process: honest ones, cheated ones, interrupted ones.

mod honest;

/// How many seeded runs a statistical test makes; `ASSAY_CASES` sets it.
pub(crate) fn cases(default: u64) -> u64 {
    match std::env::var("ASSAY_CASES") {
        Ok(text) => text.parse().expect("ASSAY_CASES is a whole number"),
        Err(_) => default,
    }
}
