//! What a role, a server or a command sees of the chain.
//!
//! Everything that reads the ledger or sends to it goes through [`ChainView`](assay_api::ChainView),
//! so that the same driver works next to a validator, on a machine that follows the chain from afar,
//! and in a test. A view answers only what it has verified itself; how is said where it is made.
//! [`Sender`] puts one account's calls on the chain.

mod follow;
mod local;
pub mod protocol;
mod replica;
mod sender;

pub use self::{
    follow::{Follower, Following},
    local::LocalChain,
    sender::{CallError, Sender},
};
