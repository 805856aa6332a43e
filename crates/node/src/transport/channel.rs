//! A stream that stays open behind its first request and answer, for conversations that are more
//! than one question.

use std::time::Duration;

use assay_crypto::PublicKey;
use futures::future::BoxFuture;
use iroh::endpoint::{RecvStream, SendStream};
use tokio::time::timeout;

use super::{
    error::Cause,
    frame::{self, FrameError},
};

/// Takes over the stream of a request that opened a conversation.
pub type Conversation = Box<dyn FnOnce(Channel) -> BoxFuture<'static, ()> + Send>;

/// Why a channel carries no further message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A message that is longer than agreed, in either direction.
    #[error("a message between us and node {peer} breaks the agreed limit")]
    TooLarge {
        /// The other side.
        peer: PublicKey,
        /// Both lengths.
        #[source]
        source: FrameError,
    },
    /// The stream broke or ended.
    #[error("the connection to node {peer} was lost")]
    Lost {
        /// The other side.
        peer: PublicKey,
        /// What the transport said.
        #[source]
        source: Cause,
    },
    /// Nothing came, or nothing was taken, for too long.
    #[error("node {peer} was silent for {patience:?}")]
    Silent {
        /// The other side.
        peer: PublicKey,
        /// Time given.
        patience: Duration,
    },
}

/// Messages in both directions between two nodes that know each other by key, in [frames](frame).
#[derive(Debug)]
pub struct Channel {
    /// The half that sends.
    pub sender: Sender,
    /// The half that receives.
    pub receiver: Receiver,
}

impl Channel {
    pub(super) fn new(peer: PublicKey, send: SendStream, recv: RecvStream) -> Self {
        Self {
            sender: Sender { peer, stream: send },
            receiver: Receiver { peer, stream: recv },
        }
    }

    /// The other side, whose key the handshake has proved.
    pub fn peer(&self) -> PublicKey {
        self.sender.peer
    }
}

/// The sending half of a [`Channel`].
#[derive(Debug)]
pub struct Sender {
    peer: PublicKey,
    stream: SendStream,
}

impl Sender {
    /// Sends one message of at most `limit` bytes, which the other side must take in time.
    ///
    /// # Errors
    /// [`ChannelError`]; after one the channel is of no more use.
    pub async fn send(
        &mut self,
        body: &[u8],
        limit: usize,
        patience: Duration,
    ) -> Result<(), ChannelError> {
        let peer = self.peer;
        match timeout(patience, frame::write(&mut self.stream, body, limit)).await {
            Ok(sent) => sent.map_err(|source| broken(peer, source)),
            Err(_) => Err(ChannelError::Silent { peer, patience }),
        }
    }

    /// Says that nothing more comes, and waits until the other side has everything.
    pub async fn finish(mut self, patience: Duration) {
        let _ = self.stream.finish();
        // Whether the last words arrived makes no difference to who said them.
        let _ = timeout(patience, self.stream.stopped()).await;
    }
}

/// The receiving half of a [`Channel`].
#[derive(Debug)]
pub struct Receiver {
    peer: PublicKey,
    stream: RecvStream,
}

impl Receiver {
    /// The next message, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ChannelError`]; after one the channel is of no more use.
    pub async fn receive(
        &mut self,
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<u8>, ChannelError> {
        let peer = self.peer;
        match timeout(patience, frame::read(&mut self.stream, limit)).await {
            Ok(read) => read.map_err(|source| broken(peer, source)),
            Err(_) => Err(ChannelError::Silent { peer, patience }),
        }
    }
}

fn broken(peer: PublicKey, source: FrameError) -> ChannelError {
    match source {
        FrameError::TooLarge { .. } => ChannelError::TooLarge { peer, source },
        source => ChannelError::Lost {
            peer,
            source: Cause::new(source),
        },
    }
}
