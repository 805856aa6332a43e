//! What the rules promise, against other implementations and against liars. `ASSAY_CASES` sets how many
//! random sets of updates each property is tried with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod common;
mod encoding;
mod fixtures;
mod liars;
mod properties;
mod refusals;
mod sketches;
