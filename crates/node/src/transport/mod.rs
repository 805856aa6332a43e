//! Requests and answers between nodes that know each other by public key.
//!
//! - **Identity.** A node's transport key is its ledger account key, so whoever answers has
//!   proved which account it is, and nothing on the path reads or alters a byte (QUIC, TLS 1.3
//!   with raw public keys).
//! - **Reach.** Addresses come from the [`AddressBook`] alone. No public service is contacted:
//!   no relay, no address publishing, and no name is looked up but those of the configuration.
//! - **Requests.** Each stream carries one request and one answer in length-prefixed
//!   [frames](frame). What can be asked is no matter of this room: a [`Question`] names its protocol,
//!   and a node answers those that it has registered in its [`Protocols`]. Every request may be
//!   repeated without harm, which is why a request on a connection that turns out dead is simply
//!   sent again.
//! - **Conversations.** Where a [`Host`] answers, the stream stays open behind the answer as a
//!   [`Channel`].
//! - **Bounds.** Frame sizes, connections, open requests, bytes and times are limited by [`Limits`],
//!   in all and for each peer. Peers without a bond get a small share of everything.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use assay_node::{client::protocol::Request, transport::*};
//! # use assay_crypto::{PublicKey, SecretKey};
//! # async fn example(key: SecretKey, chain: Arc<dyn Handler<Request>>, peer: PublicKey)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let everyone_reads = Arc::new(|_: &PublicKey| Standing::Stranger);
//! let listen = "127.0.0.1:7000".parse()?;
//! let answers = Protocols::default().answering(chain);
//! let transport =
//!     Transport::bind(&key, listen, Limits::default(), everyone_reads, answers).await?;
//! transport.book().set(peer, ["127.0.0.1:7001".parse()?]);
//! let answer = transport.request(peer, &Request::Head).await?;
//! # Ok(()) }
//! ```

mod book;
mod channel;
mod dial;
mod endpoint;
mod error;
pub mod frame;
mod identity;
mod limits;
mod question;
mod server;
mod shares;
#[cfg(test)]
mod tests;

pub use futures::future::BoxFuture;

pub use self::{
    book::AddressBook,
    channel::{Channel, ChannelError, Conversation, Receiver, Sender},
    endpoint::Transport,
    error::{BindError, Cause, RequestError},
    identity::ALPN,
    limits::Limits,
    question::{
        Handler, Host, Malformed, Manner, Protocols, Question, Refusal, Refused, read_answer,
        request_bytes,
    },
    server::{Access, Standing},
};
