//! Orders: the envelope that every job comes in, and the procedures that work on it.
//!
//! An order lies in the state as several records, so that a move rewrites little: its [`Head`],
//! one record for each [`Run`] and each [`Dispute`], and one for each [`Grant`] of keys.

mod apply;
mod asked;
mod asking;
mod audited;
mod audits;
mod binding;
mod call;
mod carried;
mod complaint;
mod contest;
mod contradiction;
mod counts;
mod demand;
mod dispute;
mod disputes;
pub(crate) mod draw;
mod escrow;
mod event;
mod grants;
mod judging;
pub(crate) mod keys;
mod life;
mod lives;
mod order;
mod passage;
mod phase;
mod place;
mod procedure;
mod queue;
mod record;
mod redundant;
mod refusal;
mod registry;
mod reimburse;
mod round;
mod rounds;
pub mod rules;
mod runs;
mod sealed;
mod state_file;
pub(crate) mod stored;
mod terms;
pub(crate) mod traced;
pub(crate) mod turn;
mod waiting;

pub(crate) use apply::{apply, late};
pub use asked::{Answered, Asked, Invited};
pub use call::OrderCall;
pub use carried::{AuditResults, DeclineReason, Opening};
pub use contest::{
    Ballot, Claim, ClaimEntry, ClaimStage, Contest, ContestShares, ContestTerms, Custody,
    CustodyPoints, CustodyTerms, KeyCustody, ScoreChallenge, ScoreSheet, Scores, SealedShare,
    ShownRun, ValidatorCustody,
};
pub use contradiction::{
    Contradiction, Examined, NoContradiction, NotTheSlices, Promised, SliceRange, examine,
    sealed_digest,
};
pub use counts::{Counts, Reached, StopRule, Taken};
pub use dispute::{Attestation, Dispute, Finding, FindingCommitment, Piece, Question, Verdict};
pub use event::{OrderEvent, SlashReason};
pub(crate) use grants::forget_keys;
pub use life::{Late, Move, Mover, Row, Span};
pub use lives::ProcedureName;
pub use order::Order;
pub use phase::{Outcome, Phase};
pub use place::{Occasion, Place};
pub(crate) use queue::draw_waiting;
pub use record::{Failure, FailureReason, Grant, Head, Run, SealedKeys, Trace};
pub use refusal::OrderRefusal;
pub use round::{Leaf, Round, Seat};
pub use rounds::{AuditOf, Bits, Holds, Merge, Model, RoundTerms, Rounds, Sent, Trainer};
pub use sealed::Hearing;
pub use state_file::{InSlice, NodePlace, NotAStateFile, StateFile};
pub use terms::{Deadlines, Input, JobKind, JobMethod, Terms};
pub use turn::Turn;
