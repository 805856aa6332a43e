//! Split sessions with liars on either side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod lab;
mod liars;
mod masked;
mod requesters;
