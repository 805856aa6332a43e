//! Apply signed transactions to one agreed state.
//!
//! The ledger is a pure function: `(state, block context, transactions) -> (writes, receipts)`.
//! It reads no clock, draws no randomness and holds no floating-point number; time, height and
//! the beacon come in with [`BlockContext`]. Whoever executes the same blocks from the same
//! [`Genesis`] gets the same bytes, which [`root`] condenses into one digest.
//!
//! In reader's order:
//!
//! - [`Transaction`] carries a [`Call`]; [`execute_block`] applies a block of them.
//! - [`Order`] is a job under way: [`Phase`] says whose move it is and until when.
//!   `docs/ledger.md` has the whole table of phases, deadlines and money outcomes.
//! - `apply` holds one file per group of calls, `block` what happens without a call: draws from
//!   the beacon, missed deadlines, bonds that come free.
//! - [`rules`] lists the kinds of jobs an order may ask for.
//! - [`query`] reads a state; [`root`] proves what a state holds, or does not hold.

mod account;
mod apply;
mod block;
mod bounded;
mod call;
mod event;
mod execute;
mod file;
mod genesis;
mod ids;
mod keys;
mod money;
mod order;
mod parameters;
mod progress;
pub mod query;
mod receipt;
mod refusal;
mod resolve;
pub mod root;
pub mod rules;
mod state;
mod store;
mod terms;
mod transaction;

pub use account::{Account, Registration, Role};
pub use bounded::{BoundedBytes, BoundedString, BoundedVec, OutOfBounds};
pub use call::{AuditResults, Call, DeclineReason, Opening};
pub use event::{Event, SlashReason};
pub use execute::{
    Admission, BlockContext, Executed, Invalid, InvalidBlock, check_block, execute_block,
    execute_verified_block,
};
pub use file::FileRecord;
pub use genesis::{Genesis, GenesisAccount, GenesisError, GenesisRegistration, ValidatorInfo};
pub use ids::{
    AccountId, Amount, ChainId, FileId, Height, OrderId, ParseAmountError, Ppm, SegmentIndex,
    StepIndex, TxId,
};
pub use order::{
    Assignment, Attestation, Dispute, Failure, FailureReason, Grant, Leaf, Order, OrderView,
    Outcome, Phase, Question, Round, SealedKeys, Seat, Trace, Verdict,
};
pub use parameters::{MAX_DEADLINE, Parameters};
pub use receipt::{BlockReceipts, Receipt, Status};
pub use refusal::{FileProblem, Refusal};
pub use store::{MemoryStore, Store};
pub use terms::{Deadlines, Input, JobKind, Terms};
pub use transaction::{DecodeError, MAX_TX_BYTES, Transaction};
