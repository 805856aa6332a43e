//! A requester's end of a session, for code that is not asynchronous.

use std::time::Duration;

use assay_crypto::PublicKey;
use assay_split::MessageError;
use tokio::{runtime::Handle, sync::mpsc};

use super::closing::{Closing, Why};
use super::error::SplitError;
use super::run::Counted;
use super::terms::Terms;
use crate::transport::{Receiver, Sender, Transport};

/// Time for the last word to arrive.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to the providers.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) transport: Transport,
    pub(super) handle: Handle,
    /// How long a provider may take for an answer.
    pub(super) patience: Duration,
}

/// Messages to and from one provider, counted.
pub(super) struct Wire {
    peer: PublicKey,
    handle: Handle,
    receiver: Receiver,
    /// A task of its own sends: both sides might otherwise wait for the other one to read.
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    limit: usize,
    patience: Duration,
    counted: Counted,
}

impl Wire {
    /// Opens a session.
    pub(super) fn open(link: &Link, peer: PublicKey, terms: &Terms) -> Result<Self, SplitError> {
        let opened = link.handle.block_on(link.transport.open(peer, terms));
        let (agreed, channel) = opened.map_err(|source| SplitError::Open { peer, source })?;
        if agreed != terms.digest() {
            return Err(SplitError::NotAgreed { peer });
        }
        let limit = (terms.longest_message as usize).max(Closing::MAX);
        let (outgoing, queue) = mpsc::unbounded_channel();
        let sending = send_all(channel.sender, queue, limit, link.patience);
        link.handle.spawn(sending);
        Ok(Self {
            peer,
            handle: link.handle.clone(),
            receiver: channel.receiver,
            outgoing,
            limit,
            patience: link.patience,
            counted: Counted::default(),
        })
    }

    /// Sends a message; that it does not arrive shows when the answer is awaited.
    pub(super) fn send(&mut self, message: Vec<u8>) {
        self.counted.sent += message.len() as u64;
        let _ = self.outgoing.send(message);
    }

    /// Waits for the next message.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>, SplitError> {
        let peer = self.peer;
        let next = self.receiver.receive(self.limit, self.patience);
        let bytes = self.handle.block_on(next)?;
        if Closing::is(&bytes) {
            let closing = Closing::decode(&bytes);
            let closing = closing.map_err(|source| SplitError::Malformed { peer, source })?;
            return Err(SplitError::Closed { peer, closing });
        }
        self.counted.received += bytes.len() as u64;
        Ok(bytes)
    }

    /// An error of this provider's making.
    pub(super) fn broken(&self, source: MessageError) -> SplitError {
        SplitError::Broken {
            peer: self.peer,
            source,
        }
    }

    /// Bytes of messages since this was asked last.
    pub(super) fn take_counted(&mut self) -> Counted {
        std::mem::take(&mut self.counted)
    }

    /// Ends the session.
    pub(super) fn close(&mut self, why: Why, text: &str) {
        let _ = self.outgoing.send(Closing::new(why, text).encode());
    }
}

async fn send_all(
    mut sender: Sender,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    limit: usize,
    patience: Duration,
) {
    while let Some(message) = queue.recv().await {
        if sender.send(&message, limit, patience).await.is_err() {
            return;
        }
    }
    sender.finish(FAREWELL).await;
}
