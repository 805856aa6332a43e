//! Small models: bits, steps, rows, formats, and peers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

mod bits;
mod export;
mod npz;
mod pytorch;
mod real;
mod rows;
mod scores;
mod specifications;
mod steps;
mod tables;
