//! A storage node: keeps pieces for others and forgets those that belong to no recorded file.
//!
//! The rules:
//!
//! - A piece is written only if it hashes to its digest, fits the capacity, and its sender has
//!   not too much here already: of what belongs to no recorded file, and in all. Putting it again
//!   changes nothing.
//! - A piece read back is hashed again; one that does not match is answered as damaged and is no
//!   longer offered, and a later put repairs it.
//! - A commit names all pieces of one file, each once. It is accepted when every one is here, and
//!   kept on disk as a row, so that a node knows after a restart what belongs together. A row counts
//!   like a piece: against the capacity, and against whoever committed it.
//! - Pieces and rows also count by number, since each takes a file on the disk and some memory
//!   however short it is: see [`Charge`].
//! - It signs that it will keep a file only when everything of it is here, and is no more than the
//!   record will say.
//! - Once the ledger records the file under the same root, its pieces stay. Whatever no recorded
//!   file needs is removed when the grace period has passed: an owner who crashed leaves nothing.
//! - Time, requests and disk results come in through [`StorageNode::step`]; writes, reads, removals
//!   and replies go out. For one digest at most one write or removal is out at a time.

mod accept;
mod account;
mod backend;
mod charge;
mod disk;
mod handle;
mod holding;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_ledger::{AccountId, FileId};
use bytes::Bytes;

pub use accept::{ACCEPT_MS, Keeper};
pub use backend::{Backend, BackendError, MemoryBackend, Shelf};
pub use charge::Charge;
pub use service::{OpenError, Service};

use crate::time::{Millis, Tag};
use crate::wire::{Refusal, Request, Response};
use charge::Accounts;
use holding::Holding;

/// Accounts that may claim one unrecorded piece; more are served but not remembered.
const MAX_CLAIMS: usize = 8;

/// What a storage node offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Bytes it keeps at most.
    pub capacity: u64,
    /// How long a piece that belongs to no recorded file is kept, in milliseconds.
    pub grace_ms: u64,
    /// Entries it keeps at most: each piece is one, and each row one more than it has pieces.
    pub entries: u64,
    /// What one account may have here outside recorded files.
    pub pending_per_account: Charge,
    /// What one account may have here in all.
    pub held_per_account: Charge,
    /// Disk operations out at once; more requests are told to come back.
    pub in_flight: usize,
}

impl StorageConfig {
    /// A node of `capacity` bytes: a day of grace, a quarter of the room for one account's
    /// unfinished uploads and three quarters for all it has, 64 disk operations at once (256 MiB of
    /// pieces in memory). An entry for every two kibibytes keeps memory below a tenth of the
    /// capacity, and a file system that gives every file four kibibytes within it.
    pub fn new(capacity: u64) -> Self {
        let entries = (capacity / 2_048).max(4_096);
        let share = |quarters: u64| Charge {
            bytes: capacity / 4 * quarters,
            entries: entries / 4 * quarters,
        };
        Self {
            capacity,
            grace_ms: 24 * 60 * 60 * 1_000,
            entries,
            pending_per_account: share(1),
            held_per_account: share(3),
            in_flight: 64,
        }
    }
}

/// What a storage node reacts to.
#[derive(Clone, Debug)]
pub enum Input {
    /// A request from an account that the transport has authenticated.
    Request {
        /// Who asks.
        from: AccountId,
        /// Comes back with the reply.
        tag: Tag,
        /// What is asked.
        request: Request,
    },
    /// A write ended.
    Written {
        /// Where.
        shelf: Shelf,
        /// What.
        digest: Digest,
        /// How.
        result: Result<(), BackendError>,
    },
    /// A read ended.
    Read {
        /// What.
        digest: Digest,
        /// What was there.
        result: Result<Option<Vec<u8>>, BackendError>,
    },
    /// A removal ended.
    Removed {
        /// Where.
        shelf: Shelf,
        /// What.
        digest: Digest,
        /// How.
        result: Result<(), BackendError>,
    },
    /// The ledger has a record that places this file on this node. Sent for every such record
    /// after a start, and for every new one.
    Recorded(Record),
    /// The ledger no longer has that record.
    Expired(Record),
    /// Collect garbage. Sent from time to time, and only while this node's view of the ledger is
    /// current: a node that cannot see the records must not remove what they protect.
    Collect,
}

/// What a storage node needs to know of a ledger record. Anyone may record any file id, so a
/// record protects exactly the pieces committed under its own root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The file.
    pub file: FileId,
    /// Merkle root over its slices.
    pub root: Digest,
    /// Who recorded it.
    pub owner: AccountId,
}

/// What a storage node wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write and answer with [`Input::Written`].
    Write {
        /// Where.
        shelf: Shelf,
        /// Under which digest.
        digest: Digest,
        /// What.
        bytes: Bytes,
    },
    /// Read from [`Shelf::Pieces`] and answer with [`Input::Read`].
    Read {
        /// What.
        digest: Digest,
    },
    /// Remove and answer with [`Input::Removed`].
    Remove {
        /// Where.
        shelf: Shelf,
        /// What.
        digest: Digest,
    },
    /// Send to whoever sent the request with this tag.
    Reply {
        /// The request's tag.
        tag: Tag,
        /// The answer.
        response: Response,
    },
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes kept, or being written.
    pub used: u64,
    /// Bytes the node would still accept.
    pub free: u64,
    /// Pieces that can be read.
    pub pieces: u64,
    /// Files committed.
    pub files: u64,
}

/// The machine. [`Service`] joins it with a [`Backend`] where asynchrony is not needed.
#[derive(Debug)]
pub struct StorageNode {
    config: StorageConfig,
    now: Millis,
    /// What is kept, or being written.
    used: Charge,
    in_flight: usize,
    slots: BTreeMap<Digest, Slot>,
    holdings: BTreeMap<Digest, Holding>,
    /// Rows that ledger records protect, and whose records these are.
    records: BTreeMap<Digest, BTreeSet<AccountId>>,
    /// What is outside recorded files, by claimant.
    pending: Accounts,
    /// What is in recorded files, by owner of the record.
    recorded: Accounts,
    reads: BTreeMap<Digest, Vec<Tag>>,
    /// In whose name files are accepted.
    keeper: Option<Keeper>,
}

/// One piece.
#[derive(Debug)]
struct Slot {
    bytes: u64,
    state: State,
    /// When it was last put, or lost its last file.
    since: Millis,
    /// Who put it, until a recorded file protects it.
    claims: BTreeSet<AccountId>,
    /// Committed files it is part of.
    holdings: u32,
    /// Those of them that the ledger records.
    protections: u32,
    /// Requests to answer when the disk is done.
    waiting: Vec<Tag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    Held,
    Removing,
    /// Damaged or missing on disk, but part of a committed file.
    Lost,
}

impl StorageNode {
    /// A node with an empty disk.
    pub fn new(config: StorageConfig) -> Self {
        Self {
            config,
            now: Millis::default(),
            used: Charge::NONE,
            in_flight: 0,
            slots: BTreeMap::new(),
            holdings: BTreeMap::new(),
            records: BTreeMap::new(),
            pending: Accounts::default(),
            recorded: Accounts::default(),
            reads: BTreeMap::new(),
            keeper: None,
        }
    }

    /// A node whose disk already holds `pieces` (digest and length) and `rows` of
    /// [`Shelf::Holdings`]. Grace periods start again at `now`.
    ///
    /// Also returns the rows that are damaged: their pieces stay for the grace period, and an
    /// owner who commits again saves them.
    pub fn restore(
        config: StorageConfig,
        now: Millis,
        pieces: impl IntoIterator<Item = (Digest, u64)>,
        rows: impl IntoIterator<Item = (Digest, Vec<u8>)>,
    ) -> (Self, Vec<Digest>) {
        let mut node = Self::new(config);
        node.now = now;
        for (digest, bytes) in pieces {
            node.used += Charge::piece(bytes);
            node.slots
                .insert(digest, Slot::new(bytes, State::Held, now));
        }
        let mut damaged = Vec::new();
        for (key, row) in rows {
            match Holding::from_row(key, &row, now) {
                Some(holding) => node.adopt(key, holding),
                None => damaged.push(key),
            }
        }
        (node, damaged)
    }

    /// Reacts to one input.
    pub fn step(&mut self, now: Millis, input: Input) -> Vec<Output> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        match input {
            Input::Request { from, tag, request } => self.request(from, tag, request, &mut out),
            Input::Written {
                shelf,
                digest,
                result,
            } => self.written(shelf, digest, result, &mut out),
            Input::Read { digest, result } => self.read(digest, result, &mut out),
            Input::Removed {
                shelf,
                digest,
                result,
            } => self.removed(shelf, digest, result, &mut out),
            Input::Recorded(record) => self.recorded(record),
            Input::Expired(record) => self.expired(record),
            Input::Collect => self.collect(&mut out),
        }
        out
    }

    /// How full the node is.
    pub fn usage(&self) -> Usage {
        Usage {
            used: self.used.bytes,
            free: self.free(),
            pieces: self
                .slots
                .values()
                .filter(|s| s.state == State::Held)
                .count() as u64,
            files: self.holdings.len() as u64,
        }
    }

    /// Bytes that could still be kept; none when there is no entry left for them.
    fn free(&self) -> u64 {
        if self.used.entries >= self.config.entries {
            return 0;
        }
        self.config.capacity.saturating_sub(self.used.bytes)
    }

    /// Refuses what does not fit beside everything that is here.
    fn must_fit(&self, charge: Charge) -> Result<(), Refusal> {
        let room = Charge {
            bytes: self.config.capacity,
            entries: self.config.entries,
        };
        if (self.used + charge).fits(room) {
            Ok(())
        } else {
            Err(Refusal::Full { free: self.free() })
        }
    }

    /// Refuses what an account may not have beside what it has here.
    fn must_be_allowed(&self, account: &AccountId, charge: Charge) -> Result<(), Refusal> {
        let pending = self.pending.of(account) + charge;
        let held = pending + self.recorded.of(account);
        if pending.fits(self.config.pending_per_account) && held.fits(self.config.held_per_account)
        {
            Ok(())
        } else {
            Err(Refusal::TooMuchPending)
        }
    }
}

impl Slot {
    fn new(bytes: u64, state: State, since: Millis) -> Self {
        Self {
            bytes,
            state,
            since,
            claims: BTreeSet::new(),
            holdings: 0,
            protections: 0,
            waiting: Vec::new(),
        }
    }
}

fn reply(out: &mut Vec<Output>, tag: Tag, response: Response) {
    out.push(Output::Reply { tag, response });
}
