//! What the engine asks of the network between validators, whichever carries it.

use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_runtime::Handle;

use crate::scheme::Identity;

/// One channel per kind of traffic, so that none can starve another.
pub struct Channels<S, R> {
    /// Votes of each view.
    pub votes: (S, R),
    /// Certificates, as soon as they are complete.
    pub certificates: (S, R),
    /// Questions for certificates of views that were missed, and their answers.
    pub resolver: (S, R),
    /// Blocks, from whoever proposes them.
    pub blocks: (S, R),
    /// Questions for blocks that were missed, and their answers.
    pub backfill: (S, R),
    /// Transactions that wait for a block.
    pub transactions: (S, R),
    /// Shares of beacons.
    pub beacons: (S, R),
}

/// A network as one validator sees it.
pub struct Network<S, R, P> {
    /// The ends of its channels.
    pub channels: Channels<S, R>,
    /// Who else takes part, and who is not to be spoken with any more.
    pub peers: P,
    /// Called once the engine listens; what it starts has to run as long as the validator.
    pub connect: Box<dyn FnOnce() -> Handle<()> + Send>,
}

/// Ends where a validator speaks.
pub trait Outgoing: Sender<PublicKey = Identity> {}

impl<S: Sender<PublicKey = Identity>> Outgoing for S {}

/// Ends where a validator listens.
pub trait Incoming: Receiver<PublicKey = Identity> {}

impl<R: Receiver<PublicKey = Identity>> Incoming for R {}

/// Who takes part.
pub trait Peers: Provider<PublicKey = Identity> + Blocker<PublicKey = Identity> {}

impl<P: Provider<PublicKey = Identity> + Blocker<PublicKey = Identity>> Peers for P {}
