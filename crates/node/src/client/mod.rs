//! What a role, a server or a command sees of the chain.
//!
//! Everything that reads the ledger or sends to it goes through [`ChainView`], so that the same
//! driver works next to a validator, on a machine that follows the chain from afar, and in a
//! test. A view answers only what it has verified itself; how is said where it is made.
//! [`Sender`] puts one account's calls on the chain; [`HttpNode`] is for commands.

mod follow;
mod http;
mod light;
mod local;
mod proof;
pub mod protocol;
mod replica;
mod sender;
#[cfg(test)]
pub(crate) mod test_chain;
mod view;

pub use self::{
    follow::{Follower, Following},
    http::{HttpNode, HttpNodeError},
    light::{LightError, LightNode},
    local::LocalChain,
    proof::{BadProof, ReceiptProof, ValueProof},
    sender::{CallError, Said, Sender},
    view::{
        BlockInfo, ChainError, ChainView, Head, Included, MAX_STRETCH, MAX_STRETCH_BYTES, Snapshot,
        Stretch, SubmitError,
    },
};
