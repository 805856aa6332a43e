//! Networks of four validators over loopback, in one process and in several.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, which fail by panicking"
)]

mod agreement;
mod clocks;
mod formats;
mod kill;
mod light;
mod offline;
mod pool;
mod proposers;
mod submit;
mod support;

/// The pool's own tests run here: the crate's unit tests are not built, see `Cargo.toml`.
#[expect(dead_code, reason = "the engine uses the rest")]
#[path = "../../src/mempool/mod.rs"]
mod mempool;

/// What the pool needs of the crate it is part of.
mod block {
    pub(crate) use assay_chain::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};

    pub(crate) struct Block;

    impl Block {
        pub(crate) const EMPTY_BYTES: usize = 300;

        pub(crate) fn transaction_cost(bytes: usize) -> usize {
            4 + bytes
        }
    }
}
