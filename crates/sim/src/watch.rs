//! What is seen from outside: every vote on the wire and every block that becomes final.
//!
//! Nothing here is asked of the engine. Forks are found by comparing what honest validators make
//! final, double votes by reading what they send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_chain::FinalizedBlock;
use assay_chain::validator::PayloadDigest;
use assay_crypto::{Digest, PublicKey};
use commonware_consensus::Viewable as _;
use serde::Serialize;

use crate::liars::Channel;
use crate::liars::validators::{Vote, vote};

/// A block, when the first honest validator made it final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its height.
    pub height: u64,
    /// Virtual milliseconds since the beginning.
    pub at_ms: u64,
    /// Transactions in it.
    pub transactions: usize,
    /// Whether it carries a beacon, so that something could be drawn in it.
    pub beacon: bool,
}

/// Who speaks from a port.
pub(crate) struct Seat {
    /// As which validator; two ports may have one.
    pub(crate) validator: usize,
    /// Whether it keeps to the protocol.
    pub(crate) honest: bool,
}

/// What a validator voted in one view.
#[derive(Default)]
struct Voted {
    notarized: Option<PayloadDigest>,
    finalized: Option<PayloadDigest>,
    nullified: bool,
}

#[derive(Default)]
pub(crate) struct Noted {
    seats: Vec<Seat>,
    /// Digest of the one block at each height, as the first honest validator had it.
    pub(crate) agreed: BTreeMap<u64, Digest>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) forks: Vec<String>,
    pub(crate) double_votes: Vec<String>,
    /// Votes with which liars contradicted themselves.
    pub(crate) contradictions: usize,
    /// (who, whom) both honest.
    pub(crate) blocked_honest: Vec<(usize, usize)>,
    /// Liars that somebody honest has blocked.
    pub(crate) blocked_liars: usize,
    votes: BTreeMap<(usize, u64), Voted>,
    /// The highest block of each port.
    pub(crate) heads: BTreeMap<usize, u64>,
    /// The nonce that the client's next transaction must have.
    pub(crate) next_nonce: u64,
    /// View of the newest final block.
    pub(crate) view: u64,
    client: Option<PublicKey>,
}

/// What was seen so far. Clones see the same.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Noted>>);

impl Watch {
    /// Watches ports, and what becomes of `client`'s transactions.
    pub(crate) fn new(seats: Vec<Seat>, client: PublicKey) -> Self {
        Self(Arc::new(Mutex::new(Noted {
            seats,
            client: Some(client),
            ..Noted::default()
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port sends `bytes`.
    pub(crate) fn said(&self, port: usize, channel: Channel, bytes: &[u8]) {
        if channel != Channel::Votes {
            return;
        }
        let mut noted = self.lock();
        if let Some(vote) = vote(bytes) {
            noted.voted(port, &vote);
        }
    }

    /// `port` will not listen to `whom` any more.
    pub(crate) fn blocked(&self, port: usize, whom: Option<usize>) {
        let mut noted = self.lock();
        let Some(whom) = whom.filter(|_| noted.is_honest(port)) else {
            return;
        };
        match noted.is_honest(whom) {
            true => noted.blocked_honest.push((port, whom)),
            false => noted.blocked_liars += 1,
        }
    }

    /// A block became final at `port`.
    pub(crate) fn finalized(&self, port: usize, block: &FinalizedBlock, at_ms: u64) {
        let mut noted = self.lock();
        if !noted.is_honest(port) {
            return;
        }
        let height = block.header.height.0;
        let head = noted.heads.entry(port).or_default();
        *head = height.max(*head);
        let known = noted.agreed.get(&height).copied();
        match known {
            Some(known) if known == block.digest => {}
            Some(known) => {
                let found = block.digest;
                noted.forks.push(format!(
                    "height {height}: {found} at validator {port}, {known} before"
                ));
            }
            None => noted.first(block, at_ms),
        }
    }
}

impl Noted {
    fn is_honest(&self, port: usize) -> bool {
        self.seats.get(port).is_some_and(|seat| seat.honest)
    }

    fn first(&mut self, block: &FinalizedBlock, at_ms: u64) {
        self.agreed.insert(block.header.height.0, block.digest);
        self.view = self.view.max(block.header.view);
        self.seen.push(Seen {
            height: block.header.height.0,
            at_ms,
            transactions: block.transactions.len(),
            beacon: block.header.beacon.is_some(),
        });
        for transaction in &block.transactions {
            if Some(transaction.sender) == self.client {
                self.next_nonce = self.next_nonce.max(transaction.nonce + 1);
            }
        }
    }

    /// Compares a vote with its validator's earlier ones in that view.
    fn voted(&mut self, port: usize, vote: &Vote) {
        let Some(&Seat { validator, honest }) = self.seats.get(port) else {
            return;
        };
        let view = vote.view().get();
        let earlier = self.votes.entry((validator, view)).or_default();
        let contradiction = match vote {
            Vote::Notarize(vote) => {
                let payload = vote.proposal.payload;
                let other = earlier.notarized.replace(payload);
                other.is_some_and(|other| other != payload)
            }
            Vote::Finalize(vote) => {
                let payload = vote.proposal.payload;
                let other = earlier.finalized.replace(payload);
                earlier.nullified || other.is_some_and(|other| other != payload)
            }
            Vote::Nullify(_) => {
                earlier.nullified = true;
                earlier.finalized.is_some()
            }
        };
        match (contradiction, honest) {
            (false, _) => {}
            (true, true) => {
                let found = format!("validator {validator} in view {view}");
                self.double_votes.push(found);
            }
            (true, false) => self.contradictions += 1,
        }
    }
}
