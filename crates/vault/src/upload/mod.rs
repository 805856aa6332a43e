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
//!   committed, each is asked to agree to keep the file, and when each has agreed, and only then, the
//!   record goes to the ledger with what they signed. One that does not agree is replaced.
//! - The journal is enough to go on after a crash, with the same key and the same bytes: holders
//!   are asked what they have and get the rest. An upload that is never resumed leaves no record,
//!   and storage nodes collect its pieces.

mod error;
mod holder;
mod journal;
mod send;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, FileId};
use assay_machine::{Context, Machine, Protocol};

pub use error::UploadError;
pub(crate) use error::told;
pub use journal::{Leftover, ResumeError, leftover};

use crate::fault::{Fault, Unreachable};
use crate::manifest::key_commitment;
use crate::piece::Piece;
use crate::placement::{self, Candidate};
use crate::seal::{SealedFile, SealedSlice};
use crate::time::{Millis, Tag, Tags};
use crate::wire::{Request, Response};
use holder::Holder;
use journal::{Entry, Past};

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

/// The protocol of an upload.
#[derive(Clone, Copy, Debug)]
pub enum Storing {}

impl Protocol for Storing {
    type View = ();
    type Tag = Tag;
    type Ask = Ask;
    type Answer = Answer;
    type Report = NodeFailed;
    type End = Result<FileId, UploadError>;
}

/// What an upload reacts to.
pub type Input = assay_machine::Input<Storing>;

/// What an upload wants done.
pub type Output = assay_machine::Output<Storing>;

/// An upload's request.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Seal this and give it back.
    Need(Need),
    /// Send to a storage node.
    Send {
        /// The node.
        to: AccountId,
        /// The request.
        request: Request,
    },
    /// Every copy is acknowledged: ask each node to agree, and put the record on the ledger.
    Record {
        /// The file.
        file: FileId,
        /// The nodes that hold it.
        placement: Vec<AccountId>,
    },
}

/// What came of an upload's request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The slice asked for with [`Need::Slice`].
    Slice(SealedSlice),
    /// The manifest asked for with [`Need::Manifest`].
    Manifest(Box<SealedFile>),
    /// The source failed, in its own words.
    SourceFailed(String),
    /// A storage node answered, or could not be reached.
    Reply(Result<Response, Unreachable>),
    /// The ledger took the record (also: it already had it), or refused it with a reason.
    Recorded(Result<(), String>),
    /// These nodes did not agree to keep the file, so nothing was recorded.
    Unaccepted(Vec<NodeFailed>),
}

/// A storage node failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFailed {
    /// Which.
    pub node: AccountId,
    /// How.
    pub fault: Fault,
}

/// What an upload needs from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Slice of this index. New ones are asked for in order; older ones may be asked for again.
    Slice(u32),
    /// The manifest.
    Manifest,
}

/// The machine. Drive it with a [`Sealer`](crate::Sealer) for its needs.
#[derive(Debug)]
pub struct Upload {
    config: UploadConfig,
    key: Digest,
    bytes: u64,
    candidates: Vec<Candidate>,
    /// Chooses among the candidates.
    seed: Digest,
    /// What earlier lives wrote down, until the upload starts.
    past: Vec<Vec<u8>>,
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

impl Machine for Upload {
    type Protocol = Storing;

    fn step(&mut self, at: &Context<'_, Storing>, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        if self.finished {
            return out;
        }
        match input {
            Input::Seed(seed) => self.seed = Digest(seed),
            Input::Journal(entry) => self.past.push(entry),
            Input::News => self.start(&mut out),
            Input::Wake | Input::Message { .. } => {}
            Input::Answer(tag, answer) => self.take(at.now, tag, answer, &mut out),
        }
        self.advance(at.now, &mut out);
        out
    }
}

impl Upload {
    /// An upload of about `bytes` bytes under `key`, to nodes among `candidates`. With the journal of
    /// an earlier life it goes on: same key, same source, today's candidates.
    pub fn new(config: UploadConfig, key: &FileKey, bytes: u64, candidates: &[Candidate]) -> Self {
        Self {
            config,
            key: key_commitment(key),
            bytes,
            candidates: candidates.to_vec(),
            seed: Digest::ZERO,
            past: Vec::new(),
            started: false,
            holders: Vec::new(),
            spares: VecDeque::new(),
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

    /// Slices that every holder has, and slices sealed so far.
    pub fn progress(&self) -> (u32, u32) {
        let stored = self.holders.iter().map(|h| h.slices.first_missing()).min();
        (stored.unwrap_or(0), self.digests.len() as u32)
    }

    fn take(&mut self, now: Millis, tag: Tag, answer: Answer, out: &mut Vec<Output>) {
        match answer {
            Answer::Slice(slice) => self.take_slice(slice, out),
            Answer::Manifest(file) => self.take_manifest(*file, out),
            Answer::SourceFailed(why) => self.finish(Err(UploadError::Source(why)), out),
            Answer::Reply(reply) => self.take_reply(now, tag, reply, out),
            Answer::Recorded(result) => self.take_recorded(result, out),
            Answer::Unaccepted(nodes) => self.take_unaccepted(nodes, out),
        }
    }

    fn start(&mut self, out: &mut Vec<Output>) {
        if self.started {
            return;
        }
        self.started = true;
        let past = match journal::replay(&std::mem::take(&mut self.past), self.key) {
            Ok(past) => past,
            Err(error) => return self.finish(Err(error.into()), out),
        };
        let order = placement::order(&self.candidates, self.bytes, self.seed);
        if !past.holders.is_empty() {
            return self.resume(past, order);
        }
        self.spares = order.into();
        let copies = usize::from(self.config.copies).min(self.spares.len());
        let holders = self.spares.drain(..copies);
        self.holders = holders.map(|node| Holder::new(node, 0)).collect();
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

    /// Goes on where an earlier life was.
    fn resume(&mut self, past: Past, order: Vec<AccountId>) {
        let known = past.digests.len() as u32;
        let left = |node: &AccountId| !past.holders.contains(node) && !past.failed.contains(node);
        self.spares = order.into_iter().filter(left).collect();
        let holders = past.holders.into_iter();
        self.holders = holders.map(|node| Holder::new(node, known)).collect();
        self.digests = past.digests;
        self.complete = past.complete;
        self.expected_file = past.file;
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
        out.push(Output::End(result));
    }
}
