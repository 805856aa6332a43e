//! Rounds of many trainers, honest and not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // tests that print what they measure

mod audits;
mod bytes;
mod common;
mod learning;
mod merging;
mod poisoning;
mod resuming;
mod rewards;
