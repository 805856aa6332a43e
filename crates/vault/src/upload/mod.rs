//! Storing a file: every copy acknowledged, or no ledger record.
//!
//! The rules:
//!
//! - The first `copies` nodes of [`placement::order`] hold the file; the
//!   others are spares.
//! - Slices are asked of the source in order and sent to every holder, at most `window` at a time:
//!   memory is `window` slices, whatever the file. A holder that joins late gets the earlier slices
//!   too, for which the source is asked again.
//! - A holder that fails for good, or too often in a row, is replaced by the next spare.
//! - When every holder has every slice, each gets the manifest and then the commit. When each has
//!   committed, and only then, the record goes to the ledger.
//! - The journal is enough to go on after a crash, with the same key and the same bytes: holders
//!   are asked what they have and get the rest. An upload that is never resumed leaves no record,
//!   and storage nodes collect its pieces.

mod holder;
mod journal;
mod send;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, FileId};

pub use journal::{Leftover, ResumeError, leftover};

use crate::fault::{Fault, Unreachable};
use crate::manifest::key_commitment;
use crate::piece::Piece;
use crate::placement::{self, Candidate};
use crate::seal::{SealedFile, SealedSlice};
use crate::time::{Millis, Tag, Tags};
use crate::wire::{Request, Response};
use holder::Holder;
use journal::Entry;

/// How an upload behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// Nodes that will hold the file.
    pub copies: u8,
    /// Slices in memory, and requests out per node.
    pub window: usize,
    /// How long a node may take for one request, in milliseconds.
    pub timeout_ms: u64,
    /// Failures in a row after which a node is replaced.
    pub attempts: u32,
    /// Pause after the first failure, in milliseconds; doubles with each further one.
    pub retry_ms: u64,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            copies: 2,
            window: 4,
            timeout_ms: 30_000,
            attempts: 4,
            retry_ms: 500,
        }
    }
}

/// What an upload reacts to.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed; the first one starts the upload.
    Tick,
    /// The slice asked for with [`Need::Slice`].
    Slice(SealedSlice),
    /// The manifest asked for with [`Need::Manifest`].
    Manifest(Box<SealedFile>),
    /// The source failed, in its own words.
    SourceFailed(String),
    /// A storage node answered, or could not be reached.
    Reply {
        /// The request's tag.
        tag: Tag,
        /// The answer.
        reply: Result<Response, Unreachable>,
    },
    /// The ledger took the record (also: it already had it), or refused it with a reason.
    Recorded(Result<(), String>),
}

/// What an upload wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Seal this and give it back.
    Need(Need),
    /// Make this entry durable before any later output takes effect.
    Journal(Vec<u8>),
    /// Send to a storage node and bring back [`Input::Reply`].
    Send {
        /// Comes back with the reply.
        tag: Tag,
        /// The node.
        to: AccountId,
        /// The request.
        request: Request,
    },
    /// Tick at this time; replaces the time asked for before.
    WakeAt(Millis),
    /// A node failed.
    Report {
        /// Which.
        node: AccountId,
        /// How.
        fault: Fault,
    },
    /// Every copy is acknowledged: put the record on the ledger.
    Record {
        /// The file.
        file: FileId,
        /// The nodes that hold it.
        placement: Vec<AccountId>,
    },
    /// Done; nothing follows.
    Finished(Result<FileId, UploadError>),
}

/// What an upload needs from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Slice of this index. New ones are asked for in order; older ones may be asked for again.
    Slice(u32),
    /// The manifest.
    Manifest,
}

/// An upload that ended without a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// Not enough working nodes with room.
    #[error(
        "only {working} of the {copies} storage nodes needed have room and work{}; \
         add storage nodes or ask for fewer copies", told(.failed)
    )]
    NotEnoughNodes {
        /// Copies wanted.
        copies: u8,
        /// Holders that still work.
        working: usize,
        /// Nodes given up, and why.
        failed: Vec<(AccountId, Fault)>,
    },
    /// The source gave other bytes than the first time.
    #[error(
        "the file changed after a part of it had been stored (slice {index}): store it anew when \
         nothing writes to it"
    )]
    SourceChanged {
        /// The first slice that differs.
        index: u32,
    },
    /// The source failed.
    #[error("the file could not be read: {0}")]
    Source(String),
    /// The ledger refused the record.
    #[error("the ledger refused the file record: {0}")]
    NotRecorded(String),
}

/// The machine. Drive it with a [`Sealer`](crate::Sealer) for its needs.
#[derive(Debug)]
pub struct Upload {
    config: UploadConfig,
    key: Digest,
    started: bool,
    holders: Vec<Holder>,
    spares: VecDeque<AccountId>,
    failed: Vec<(AccountId, Fault)>,
    /// Digests of the slices sealed so far, and whether these are all.
    digests: Vec<Digest>,
    complete: bool,
    /// The manifest's digest, from the journal or the source.
    expected_file: Option<FileId>,
    hand: BTreeMap<u32, Piece>,
    needed: BTreeSet<u32>,
    manifest: Option<Piece>,
    manifest_needed: bool,
    flights: BTreeMap<Tag, Flight>,
    tags: Tags,
    recording: bool,
    finished: bool,
}

/// A request that is out.
#[derive(Debug)]
struct Flight {
    node: AccountId,
    what: What,
    deadline: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Has { from: u32, until: u32 },
    Slice(u32),
    Manifest,
    Commit,
}

impl Upload {
    /// An upload of about `bytes` bytes under `key`, to nodes drawn by `seed`.
    pub fn new(
        config: UploadConfig,
        key: &FileKey,
        bytes: u64,
        candidates: &[Candidate],
        seed: Digest,
    ) -> Self {
        let mut spares = VecDeque::from(placement::order(candidates, bytes, seed));
        let copies = usize::from(config.copies).min(spares.len());
        let holders = spares.drain(..copies).map(|n| Holder::new(n, 0)).collect();
        Self {
            config,
            key: key_commitment(key),
            started: false,
            holders,
            spares,
            failed: Vec::new(),
            digests: Vec::new(),
            complete: false,
            expected_file: None,
            hand: BTreeMap::new(),
            needed: BTreeSet::new(),
            manifest: None,
            manifest_needed: false,
            flights: BTreeMap::new(),
            tags: Tags::default(),
            recording: false,
            finished: false,
        }
    }

    /// Goes on with an upload from its `journal`: same key, same source, today's `candidates`.
    ///
    /// # Errors
    /// [`ResumeError`] when the journal is damaged or of another key.
    pub fn resume(
        config: UploadConfig,
        key: &FileKey,
        bytes: u64,
        candidates: &[Candidate],
        seed: Digest,
        journal: &[Vec<u8>],
    ) -> Result<Self, ResumeError> {
        let mut upload = Self::new(config, key, bytes, candidates, seed);
        let past = journal::replay(journal, key)?;
        if past.holders.is_empty() {
            return Ok(upload);
        }
        upload.started = true;
        upload.spares = placement::order(candidates, bytes, seed)
            .into_iter()
            .filter(|node| !past.holders.contains(node) && !past.failed.contains(node))
            .collect();
        let known = past.digests.len() as u32;
        let holder = |node| Holder::new(node, known);
        upload.holders = past.holders.into_iter().map(holder).collect();
        upload.digests = past.digests;
        upload.complete = past.complete;
        upload.expected_file = past.file;
        Ok(upload)
    }

    /// Slices that every holder has, and slices sealed so far.
    pub fn progress(&self) -> (u32, u32) {
        let stored = self.holders.iter().map(|h| h.slices.first_missing()).min();
        (stored.unwrap_or(0), self.digests.len() as u32)
    }

    /// Reacts to one input.
    pub fn step(&mut self, now: Millis, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        if self.finished {
            return out;
        }
        match input {
            Input::Tick => self.start(&mut out),
            Input::Slice(slice) => self.take_slice(slice, &mut out),
            Input::Manifest(file) => self.take_manifest(*file, &mut out),
            Input::SourceFailed(why) => self.finish(Err(UploadError::Source(why)), &mut out),
            Input::Reply { tag, reply } => self.take_reply(now, tag, reply, &mut out),
            Input::Recorded(result) => self.take_recorded(result, &mut out),
        }
        self.advance(now, &mut out);
        out
    }

    fn start(&mut self, out: &mut Vec<Output>) {
        if self.started {
            return;
        }
        self.started = true;
        if self.holders.len() < usize::from(self.config.copies) || self.holders.is_empty() {
            self.give_up(out);
            return;
        }
        let begun = Entry::Begun {
            key: self.key,
            holders: self.holders.iter().map(|h| h.node).collect(),
        };
        out.push(Output::Journal(begun.encode()));
    }

    fn take_slice(&mut self, slice: SealedSlice, out: &mut Vec<Output>) {
        let index = slice.index;
        if !self.needed.remove(&index) {
            return;
        }
        let known = self.digests.get(index as usize).copied();
        let is_next = index as usize == self.digests.len() && !self.complete;
        let end_agrees = !self.complete || slice.last == (index as usize + 1 == self.digests.len());
        if known.map_or(!is_next, |digest| digest != slice.digest) || !end_agrees {
            self.finish(Err(UploadError::SourceChanged { index }), out);
            return;
        }
        if known.is_none() {
            let entry = Entry::Slice {
                digest: slice.digest,
                last: slice.last,
            };
            out.push(Output::Journal(entry.encode()));
            self.digests.push(slice.digest);
            self.complete = slice.last;
        }
        self.hand.insert(index, slice.piece);
    }

    fn take_manifest(&mut self, file: SealedFile, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.manifest_needed) {
            return;
        }
        let listed = file.manifest.slices();
        let differs = (0..)
            .zip(&self.digests)
            .find(|(i, digest)| listed.get(*i as usize) != Some(digest))
            .map(|(i, _)| i);
        let other_file = self.expected_file.is_some_and(|id| id != file.id);
        if differs.is_some() || listed.len() != self.digests.len() || other_file {
            let index = differs.unwrap_or(self.digests.len() as u32);
            self.finish(Err(UploadError::SourceChanged { index }), out);
            return;
        }
        if self.expected_file.is_none() {
            out.push(Output::Journal(Entry::Manifest { file: file.id }.encode()));
            self.expected_file = Some(file.id);
        }
        self.manifest = Some(file.piece);
    }

    fn take_recorded(&mut self, result: Result<(), String>, out: &mut Vec<Output>) {
        if let (true, Some(file)) = (self.recording, self.expected_file) {
            let result = result.map(|()| file).map_err(UploadError::NotRecorded);
            self.finish(result, out);
        }
    }

    fn give_up(&mut self, out: &mut Vec<Output>) {
        let error = UploadError::NotEnoughNodes {
            copies: self.config.copies,
            working: self.holders.len(),
            failed: self.failed.clone(),
        };
        self.finish(Err(error), out);
    }

    fn finish(&mut self, result: Result<FileId, UploadError>, out: &mut Vec<Output>) {
        self.finished = true;
        self.hand.clear();
        self.flights.clear();
        out.push(Output::Finished(result));
    }
}

/// The failures of nodes, for an error message.
pub(crate) fn told(failed: &[(AccountId, Fault)]) -> String {
    failed
        .iter()
        .map(|(node, fault)| format!("; node {node}: {fault}"))
        .collect()
}
