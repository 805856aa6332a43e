//! Show the chain over HTTP, and believe only what is proved.
//!
//! In reader's order:
//!
//! - [`ChainView`] is the chain as whoever looks at it sees it; [`NodeView`] is what a node says of
//!   itself. A node has one of each and hands both to the server.
//! - [`Api`] is the server's routes, [`HttpServer`] serves them. [`views`] are the bodies of its
//!   answers, which both sides share; `docs/api.md` describes them.
//! - [`HttpNode`] asks a node and takes its word; [`LightNode`] takes nothing that is not proved
//!   ([`ValueProof`], [`ReceiptProof`]) from the genesis.
//!
//! Whoever only asks links no transport, no storage and no programs of jobs: those are a node's
//! (`docs/decisions/0299-the-api-lies-below-the-node.md`).

mod advice;
mod client;
mod clock;
mod http;
mod light;
mod proof;
#[cfg(feature = "harness")]
pub mod test_chain;
mod view;
pub mod views;

pub use advice::{advice, told};
pub use client::{HttpNode, HttpNodeError};
pub use clock::now_ms;
pub use http::{Api, ApiError, HttpServer, MAX_BODY, NodeView, ServeError, document};
pub use light::{LightError, LightNode};
pub use proof::{BadProof, ReceiptProof, ValueProof};
pub use view::{
    BlockInfo, BoxFuture, ChainError, ChainView, Head, Included, MAX_STRETCH, MAX_STRETCH_BYTES,
    Said, Snapshot, Stretch, SubmitError,
};
