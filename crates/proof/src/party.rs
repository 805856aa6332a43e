//! The protocol of a traced order: what its parties watch, ask for and are told.
//!
//! A party holds nothing that cannot be had again from the order on the ledger, its journal and
//! its keys. The order may be shown to it as often as the driver likes; what is under way or done
//! already is not asked for again.

use assay_crypto::aead::FileKey;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionSecret};
use assay_ledger::{AccountId, Call, Examined, FileId, Piece, Place, SegmentIndex};
use assay_machine::{Machine, Protocol};

use crate::handle::Handle;
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

/// The protocol of an order whose work leaves a trace.
#[derive(Debug, Clone, Copy)]
pub enum Traced {}

impl Protocol for Traced {
    type View = View;
    type Tag = Tag;
    type Ask = Ask;
    type Answer = Answer;
    type Report = Progress;
    type End = Outcome;
}

/// A party to an order.
pub type Party = dyn Machine<Protocol = Traced>;

/// What a driver tells a party.
pub type Input = assay_machine::Input<Traced>;

/// What a party asks its driver to do.
pub type Output = assay_machine::Output<Traced>;

/// The world at the moment of a party's step.
pub type Context<'a> = assay_machine::Context<'a, Traced>;

/// Names a request, so that its answer finds the right place whenever it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The run of the order, and what of it, that the request belongs to.
    pub place: Place,
    /// What was asked for.
    pub what: What,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// An input file, by its place in the terms, with the place of the key that is tried.
    Input(u32, u32),
    /// A copy of one's own of an input, by its place in the terms.
    Copy(u32),
    /// A state of one's own, by its checkpoint, to show it again.
    Reread(u32),
    /// Something that is shown again to judges.
    Shown(Piece),
    /// A checkpoint by index, with the place of the key that is tried.
    Checkpoint(u32, u32),
    /// What a released result holds, with the place of the key that is tried.
    Result(u32),
    /// The leaf at step 0, and that state, from the specification.
    First,
    /// The run through one segment.
    Segment(u32),
    /// Whether this machine can do the work that the order's public terms ask for.
    Weigh,
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
    /// Whether one takes part, having been asked.
    Answer,
    /// Refusal of an order whose keys or inputs do not open.
    Decline,
    /// The trace's root and the checkpoints.
    CommitTrace,
    /// The digest of a trace that is revealed later.
    CommitRun,
    /// The trace behind it.
    RevealRun,
    /// Leaves at which drawn segments start.
    OpenStarts,
    /// Leaves at which drawn segments end.
    OpenEnds,
    /// An auditor's salted result.
    CommitAudit,
    /// The result behind it.
    RevealAudit,
    /// The key of the states of a run that stands.
    Deliver,
    /// A bisection move between these two steps.
    Bisect(u64, u64),
    /// A validator's salted finding.
    CommitFinding,
    /// The finding behind it.
    Attest,
    /// The requester's objection that a result cannot be had.
    Complain,
    /// The requester's proof that a result is a wrong one.
    Contradict,
    /// The requester's approval.
    Accept,
    /// The updates of a round that a validator holds.
    Hold,
    /// The model that it makes of them.
    AttestModel,
}

/// What came of a party's request.
pub enum Answer {
    /// What a result holds.
    Examined(Result<Examined, FetchFailure>),
    /// The file of a state.
    Fetched(Result<Vec<u8>, FetchFailure>),
    /// A handle on an input, whose content has the digest that was asked for.
    Input(Result<Handle, FetchFailure>),
    /// The name of a file that is in the vault with its record on the ledger, or a sentence saying
    /// why it was not stored; it is tried again.
    Stored(Result<FileId, String>),
    /// Whether this machine can do what the order asks for; else a sentence saying why not.
    Weighed(Result<(), String>),
    /// A piece of work ended.
    Worked(Result<WorkDone, WorkFailure>),
    /// A call was included in a final block, or a sentence saying why the ledger refused it; it is
    /// tried again where it still makes sense.
    Submitted(Result<(), String>),
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
    /// The order takes more than this machine can give; another one may.
    #[error("the order is too large for this machine: {0}")]
    TooLarge(String),
}

/// A party's request.
pub enum Ask {
    /// Sign a call and bring it to the ledger.
    Submit(Box<Call>),
    /// Fetch a state and decrypt it.
    Fetch {
        /// The file.
        file: FileId,
        /// Whose record of it counts.
        owner: AccountId,
        /// Its key.
        key: FileKey,
    },
    /// Fetch the sealed slices of a result, whatever its manifest and their tags say, and compare what they
    /// hold with the state that the last leaf binds.
    Examine {
        /// The file.
        file: FileId,
        /// Whose record of it counts.
        owner: AccountId,
        /// Its key.
        key: FileKey,
        /// What the state hashes to.
        state: Tiled,
    },
    /// Fetch an input, and keep it at hand while somebody has its handle.
    FetchInput {
        /// The file.
        file: FileId,
        /// Whose records of it say where it may lie, in the order in which they count.
        owners: Vec<AccountId>,
        /// Its key.
        key: FileKey,
        /// Digest that the plaintext must have, as the order names it.
        content: Digest,
    },
    /// Bring a file that is here to storage nodes of one's own choice, encrypted as the order names
    /// it, and record it on the ledger. Answered like [`Ask::Store`].
    Keep {
        /// A name for people.
        name: String,
        /// The file that it must turn out to be.
        file: FileId,
        /// Its key.
        key: FileKey,
        /// The plaintext.
        bytes: Handle,
        /// To other nodes than it is recorded at, where there are some: somebody cannot get it there.
        again: bool,
    },
    /// Encrypt a file, place it in the vault and record it on the ledger. Storing the same bytes
    /// under the same key again gives the same file.
    Store {
        /// A name for people.
        name: String,
        /// Its key.
        key: FileKey,
        /// The plaintext.
        bytes: Vec<u8>,
    },
    /// Compare what the public terms of the order say of the work with what this machine can give, before
    /// anything of it is here.
    Weigh,
    /// Compute.
    Work(Box<Work>),
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
