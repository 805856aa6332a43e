//! What goes into a party and what comes out of it.
//!
//! A party is a state machine without clock, randomness, file or socket: `step(context, input)`
//! gives a list of outputs. Its driver performs them in the order given, makes every
//! [`Output::Journal`] durable before the outputs after it, and answers each [`Output::Fetch`],
//! [`Output::Store`], [`Output::Work`] and [`Output::Submit`] exactly once, under the same tag.
//!
//! A party holds nothing that cannot be had again from the order on the ledger, its journal and
//! its keys, so it may be dropped at any moment and built anew: feed it the journal's entries in
//! order, then the order's view. [`Input::Order`] may come as often as the driver likes; what is
//! under way or done already is not asked for again.

use assay_crypto::aead::FileKey;
use assay_crypto::{Digest, EncryptionSecret};
use assay_ledger::{AccountId, Call, FileId, Height, SegmentIndex};

use crate::view::View;
use crate::work::{Work, WorkDone, WorkFailure};

/// Who a party is.
#[derive(Clone)]
pub struct Identity {
    /// Its account on the ledger.
    pub account: AccountId,
    /// Opens what is sealed to the account's registered encryption key.
    pub encryption: EncryptionSecret,
}

/// The world at the moment of a step.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Height of the last final block.
    pub now: Height,
    /// Fresh randomness, different at every call and known to this party alone.
    pub random: [u8; 32],
}

/// Names a request, so that its answer finds the right place whenever it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The attempt of the order that the request belongs to.
    pub attempt: u8,
    /// Which audit round, or which dispute, of that attempt; 0 where there is only one.
    pub occasion: u8,
    /// What was asked for.
    pub what: What,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// An input file, by its place in the terms, with the place of the key that is tried.
    Input(u32, u32),
    /// A checkpoint by index, with the place of the key that is tried.
    Checkpoint(u32, u32),
    /// The leaf at step 0, and that state, from the specification.
    First,
    /// The run through one segment.
    Segment(u32),
    /// A judge's replay, with the place of the key that opened its beginning.
    Replay(u32),
    /// A call of this kind to the ledger.
    Call(CallTag),
}

/// A call to the ledger, as far as one party of one attempt makes it more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallTag {
    /// Keys for one account.
    Grant(AccountId),
    /// Refusal of an order whose keys or inputs do not open.
    Decline,
    /// The trace's root and the checkpoints.
    CommitTrace,
    /// Leaves at which drawn segments start.
    OpenStarts,
    /// Leaves at which drawn segments end.
    OpenEnds,
    /// An auditor's salted result.
    CommitAudit,
    /// The result behind it.
    RevealAudit,
    /// A bisection move between these two steps.
    Bisect(u64, u64),
    /// A validator's finding.
    Attest,
    /// The requester's objection.
    Complain,
    /// The requester's approval.
    Accept,
}

/// What a driver tells a party.
pub enum Input {
    /// The order as the last final block left it: on every change, and once per block while it
    /// is active.
    Order(Box<View>),
    /// A file's plaintext; for inputs, checked against the content digest that was asked for.
    Fetched {
        /// The request's tag.
        tag: Tag,
        /// The bytes, or why there are none.
        result: Result<Vec<u8>, FetchFailure>,
    },
    /// A file is in the vault and its record on the ledger.
    Stored {
        /// The request's tag.
        tag: Tag,
        /// The file's name, or a sentence saying why it was not stored; it is tried again.
        result: Result<FileId, String>,
    },
    /// A piece of work ended.
    Worked {
        /// The request's tag.
        tag: Tag,
        /// Its result.
        result: Result<WorkDone, WorkFailure>,
    },
    /// A call was included in a final block, or will not be.
    Submitted {
        /// The request's tag.
        tag: Tag,
        /// A sentence saying why the ledger refused it; it is tried again where it still makes
        /// sense.
        result: Result<(), String>,
    },
    /// A journal entry from before a restart.
    Journal(Vec<u8>),
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// No replica answered; asked for again at the next block.
    #[error("no storage node answers for the file: {0}")]
    Unavailable(String),
    /// The bytes on record do not decrypt under this key, or not to the content asked for; no
    /// replica can mend that.
    #[error("the file does not open to what the order names: {0}")]
    Corrupt(String),
    /// The order's files are more than this machine can hold; another one may.
    #[error("the order's inputs are too large for this machine: {0}")]
    TooLarge(String),
}

/// What a party asks its driver to do.
pub enum Output {
    /// Sign a call and bring it to the ledger.
    Submit {
        /// Comes back with the answer.
        tag: Tag,
        /// The call.
        call: Box<Call>,
    },
    /// Fetch a file and decrypt it.
    Fetch {
        /// Comes back with the answer.
        tag: Tag,
        /// The file.
        file: FileId,
        /// Whose record of it counts.
        owner: AccountId,
        /// Its key.
        key: FileKey,
        /// Digest that the plaintext must have, where the order names one.
        content: Option<Digest>,
    },
    /// Encrypt a file, place it in the vault and record it on the ledger. Storing the same bytes
    /// under the same key again gives the same file.
    Store {
        /// Comes back with the answer.
        tag: Tag,
        /// A name for people.
        name: String,
        /// Its key.
        key: FileKey,
        /// The plaintext.
        bytes: Vec<u8>,
    },
    /// Compute.
    Work {
        /// Comes back with the answer.
        tag: Tag,
        /// What to compute.
        work: Box<Work>,
    },
    /// Keep this entry for [`Input::Journal`]; durable before the outputs that follow.
    Journal(Vec<u8>),
    /// Something to show.
    Progress(Progress),
    /// This party's part in the order is over; drop it.
    Finished(Outcome),
}

/// What a party is at, for displays and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Keys open and inputs are here.
    Ready,
    /// A run was taken up again at a checkpoint.
    Resumed(SegmentIndex),
    /// A segment was run or replayed; of how many.
    Segment(SegmentIndex, u32),
    /// Something is in the way; the party goes on or tries again.
    Trouble(String),
}

/// How an order ended for a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The order was settled: result accepted, everyone paid.
    Settled,
    /// The order ended without a result and the requester was refunded; why.
    Refunded(assay_ledger::Outcome),
    /// The order was cancelled before anyone worked.
    Cancelled,
    /// The order goes on without this party.
    Dismissed,
}

/// A party to an order: see the module's text for the rules between it and its driver.
pub trait Party: Send {
    /// Takes one input; the outputs are to be performed in their order.
    fn step(&mut self, context: &Context, input: Input) -> Vec<Output>;
}
