//! Sealed files, and one storage node. Uploads and downloads meet nodes that fail and lie in the tests
//! of `sim`.
// Helpers outside test functions may unwrap too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod in_place;
mod sealing;
mod storage;
mod support;
