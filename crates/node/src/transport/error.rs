//! What can go wrong between two nodes, in words for the person who has to fix it.

use std::{fmt, net::SocketAddr, time::Duration};

use assay_crypto::PublicKey;

use super::{
    frame::FrameError,
    question::{Malformed, Refusal},
};
use crate::needs;

/// Why the endpoint could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The account key is not usable as a node key.
    #[error("the node key was refused by the transport")]
    Key(#[source] Cause),
    /// The socket could not be opened.
    #[error("cannot listen on udp {address}: {}", .source.advice(*address))]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: Cause,
    },
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nothing is known about where the peer listens.
    #[error(
        "no address known for node {peer}: add it under [[peers]] in node.toml, or wait until it has registered on the ledger"
    )]
    NoAddress {
        /// The peer.
        peer: PublicKey,
    },
    /// The peer did not answer at any of its addresses.
    #[error("node {peer} is unreachable at {} (tried for {timeout:?}): check that it runs, that udp is open, and that the address and the key belong together", Addresses(.addresses))]
    Unreachable {
        /// The peer.
        peer: PublicKey,
        /// Where it was looked for.
        addresses: Vec<SocketAddr>,
        /// Time spent.
        timeout: Duration,
        /// What the transport said, where it said anything.
        #[source]
        source: Option<Cause>,
    },
    /// The connection broke while the request was open.
    #[error("the connection to node {peer} was lost; the request may be sent again")]
    Lost {
        /// The peer.
        peer: PublicKey,
        /// What the transport said.
        #[source]
        source: Cause,
    },
    /// The peer took too long.
    #[error("node {peer} did not answer `{request}` within {timeout:?}; try another node")]
    Timeout {
        /// The peer.
        peer: PublicKey,
        /// Name of the request.
        request: &'static str,
        /// Time given.
        timeout: Duration,
    },
    /// A frame was refused on the way out or in.
    #[error("exchanging `{request}` with node {peer} failed")]
    Frame {
        /// The peer.
        peer: PublicKey,
        /// Name of the request.
        request: &'static str,
        /// Why.
        #[source]
        source: FrameError,
    },
    /// The answer is not a message, or not one that fits the request.
    #[error("node {peer} answered `{request}` with something else; leave it out and report it")]
    Malformed {
        /// The peer.
        peer: PublicKey,
        /// Name of the request.
        request: &'static str,
        /// Why the bytes did not decode.
        #[source]
        source: Malformed,
    },
    /// The peer turned the request down.
    #[error("node {peer} refused `{request}`: {reason}")]
    Refused {
        /// The peer.
        peer: PublicKey,
        /// Name of the request.
        request: &'static str,
        /// Kind of refusal.
        refusal: Refusal,
        /// Its explanation.
        reason: String,
    },
}

impl RequestError {
    /// Whether the same request to the same peer may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Timeout { .. } => true,
            Self::NoAddress { .. } => true,
            Self::Frame { source, .. } => !matches!(source, FrameError::TooLarge { .. }),
            Self::Malformed { .. } => false,
            Self::Refused { refusal, .. } => {
                matches!(refusal, Refusal::Busy | Refusal::Failed)
            }
        }
    }
}

/// An error of the transport library, kept out of our signatures.
#[derive(Debug)]
pub struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(super) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    /// What to do about an address that cannot be listened on.
    fn advice(&self, address: SocketAddr) -> String {
        let mut below: Option<&(dyn std::error::Error + 'static)> = Some(&*self.0);
        while let Some(error) = below {
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                return needs::advice(address, error);
            }
            below = error.source();
        }
        "choose another address".to_owned()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

struct Addresses<'a>(&'a [SocketAddr]);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "udp {address}")?;
        }
        Ok(())
    }
}
