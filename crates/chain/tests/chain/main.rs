//! Networks of four validators over loopback, in one process and in several.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, which fail by panicking"
)]

mod agreement;
mod clocks;
mod formats;
mod kill;
mod light;
mod offline;
mod submit;
mod support;
