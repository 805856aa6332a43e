//! The ends of links, as an engine holds them.

use std::fmt::{Debug, Formatter, Result as Written};
use std::num::NonZeroUsize;
use std::time::SystemTime;

use assay_chain::validator::Identity;
use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{
    BlockedSubscription, Blocker, CheckedSender, LimitedSender, Message, PeerSetSubscription,
    Provider, Receiver, Recipients, TrackedPeers,
};
use commonware_runtime::{IoBuf, IoBufs};
use commonware_utils::channel::ring;
use tokio::sync::mpsc;

use super::Links;
use crate::liars::{Channel, Said};

/// Messages that a receiver is taken to hold; it holds all.
const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// Where one port speaks on one channel.
#[derive(Clone)]
pub struct Sending {
    links: Links,
    port: usize,
    channel: Channel,
}

impl Sending {
    pub(super) fn new(links: Links, port: usize, channel: Channel) -> Self {
        Self {
            links,
            port,
            channel,
        }
    }
}

impl LimitedSender for Sending {
    type PublicKey = Identity;
    type Checked<'a> = Addressed<'a>;

    fn check(&mut self, recipients: Recipients<Identity>) -> Result<Addressed<'_>, SystemTime> {
        let to = match recipients {
            Recipients::All => self.links.others(self.port),
            Recipients::Some(names) => names,
            Recipients::One(name) => vec![name],
        };
        Ok(Addressed { sending: self, to })
    }
}

/// A message without its text.
pub struct Addressed<'a> {
    sending: &'a Sending,
    to: Vec<Identity>,
}

impl CheckedSender for Addressed<'_> {
    type PublicKey = Identity;

    fn recipients(&self) -> Vec<Identity> {
        self.to.clone()
    }

    fn send(self, message: impl Into<IoBufs> + Send, _priority: bool) -> Unreliable<Feedback> {
        let Sending {
            links,
            port,
            channel,
        } = self.sending;
        let said = Said {
            channel: *channel,
            to: self.to,
            bytes: message.into().coalesce(),
        };
        links.say(*port, said);
        Unreliable::new(Feedback::Ok)
    }
}

/// Where one port listens on one channel.
#[derive(Debug)]
pub struct Receiving(pub(super) mpsc::UnboundedReceiver<(Identity, IoBuf)>);

/// The port was taken down.
#[derive(Debug, thiserror::Error)]
#[error("the port is down")]
pub struct Down;

impl Receiver for Receiving {
    type Error = Down;
    type PublicKey = Identity;

    async fn recv(&mut self) -> Result<Message<Identity>, Down> {
        self.0.recv().await.ok_or(Down)
    }

    fn capacity(&self) -> NonZeroUsize {
        CAPACITY
    }
}

/// Who else takes part, as one port sees it.
#[derive(Clone)]
pub struct Neighbours {
    links: Links,
    port: usize,
}

impl Neighbours {
    pub(super) fn new(links: Links, port: usize) -> Self {
        Self { links, port }
    }
}

impl Debug for Neighbours {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        write!(out, "Neighbours({:?})", self.links.name(self.port))
    }
}

impl Provider for Neighbours {
    type PublicKey = Identity;

    async fn peer_set(&mut self, id: u64) -> Option<TrackedPeers<Identity>> {
        (id == 0).then(|| self.links.everybody())
    }

    async fn subscribe(&mut self) -> PeerSetSubscription<Identity> {
        self.links.subscribe()
    }
}

impl Blocker for Neighbours {
    type PublicKey = Identity;

    fn block(&mut self, peer: Identity) -> Feedback {
        self.links.block(self.port, peer);
        Feedback::Ok
    }

    fn blocked(&mut self) -> BlockedSubscription<Identity> {
        let (sender, receiver) = ring::channel(NonZeroUsize::MIN);
        self.links.watch_blocked(self.port, sender);
        receiver
    }
}
