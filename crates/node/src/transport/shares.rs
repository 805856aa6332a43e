//! What each standing, and within it each peer, may have under way at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use assay_crypto::PublicKey;
use tokio::sync::Semaphore;

use super::{frame, limits::Limits, server::Standing};

/// Bytes are counted in units of this size; a message takes at least one.
const UNIT: usize = 64 << 10;

/// Units that a message of so many bytes takes.
pub(super) fn units(length: usize) -> u32 {
    u32::try_from(length.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

/// What the peers of one standing share.
pub(super) struct Share {
    /// Requests being answered.
    pub(super) slots: Semaphore,
    /// Units of requests being read and of answers being written.
    pub(super) bytes: Semaphore,
}

impl Share {
    /// Room for twice as many of the largest messages as there are slots: one being answered and
    /// one on its way for each.
    fn new(slots: usize, largest: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            bytes: Semaphore::new(2 * slots * units(largest) as usize),
        }
    }
}

/// The shares of all standings.
pub(super) struct Shares {
    members: Share,
    registered: Share,
    strangers: Share,
    /// Requests that wait for a block.
    pub(super) polls: Semaphore,
}

impl Shares {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            members: Share::new(limits.member_requests, frame::MAX_FRAME),
            registered: Share::new(limits.registered_requests, frame::MAX_FRAME),
            // Their requests are short, the blocks they ask for are not.
            strangers: Share::new(limits.stranger_requests, frame::MAX_FRAME),
            polls: Semaphore::new(limits.polls),
        }
    }

    pub(super) fn of(&self, standing: Standing) -> &Share {
        match standing {
            Standing::Member => &self.members,
            Standing::Registered => &self.registered,
            Standing::Stranger => &self.strangers,
        }
    }
}

/// What one peer has under way, over all of its connections.
pub(super) struct Peer {
    key: PublicKey,
    connections: Semaphore,
    /// Requests from their first byte on.
    pub(super) streams: Semaphore,
    /// Units.
    pub(super) bytes: Semaphore,
    /// Requests that wait for a block.
    pub(super) polls: Semaphore,
    table: Weak<Mutex<Table>>,
}

type Table = HashMap<PublicKey, Weak<Peer>>;

/// All peers that are connected.
pub(super) struct Peers {
    limits: Limits,
    table: Arc<Mutex<Table>>,
}

impl Peers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            table: Arc::default(),
        }
    }

    /// A peer's share for one more connection; `None` when it has as many as it may. It counts until
    /// the last clone is dropped.
    pub(super) fn connect(&self, key: PublicKey) -> Option<Arc<Peer>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.get(&key).and_then(Weak::upgrade);
        let peer = known.unwrap_or_else(|| {
            let limits = &self.limits;
            let peer = Arc::new(Peer {
                key,
                connections: Semaphore::new(limits.connections_per_peer),
                streams: Semaphore::new(limits.requests_per_peer),
                bytes: Semaphore::new(limits.messages_per_peer * units(frame::MAX_FRAME) as usize),
                polls: Semaphore::new(limits.polls_per_peer),
                table: Arc::downgrade(&self.table),
            });
            table.insert(key, Arc::downgrade(&peer));
            peer
        });
        drop(table);
        // Given back by `Peer::leave`.
        peer.connections.try_acquire().ok()?.forget();
        Some(peer)
    }
}

impl Peer {
    /// One connection less.
    pub(super) fn leave(&self) {
        self.connections.add_permits(1);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            // Another one may have taken the place meanwhile.
            if table
                .get(&self.key)
                .is_some_and(|peer| peer.strong_count() == 0)
            {
                table.remove(&self.key);
            }
        }
    }
}
