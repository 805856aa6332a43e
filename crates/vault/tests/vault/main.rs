//! The vault's machines against each other, and against storage nodes that fail and lie.
// Helpers outside test functions may unwrap too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adversaries;
mod in_place;
mod network;
mod sealing;
mod storage;
mod support;
