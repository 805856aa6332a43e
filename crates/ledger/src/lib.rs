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
//! - There are three subjects, each a folder with its calls, events, refusals, keys and rules:
//!   `accounts` (money, bonds, roles), `files` (records, grants) and `orders`.
//! - [`Order`] is a job under way: [`Phase`] says whose move it is and until when. How the phases
//!   follow each other is a procedure's, a folder in `orders`: its table of phases ([`Row`]), and
//!   what its moves, deadlines, draws and verdicts bring about. `docs/ledger.md` shows the tables.
//! - `begin` is what happens without a call: due timers ring, the beacon draws.
//! - [`rules`] lists the kinds of jobs an order may ask for.
//! - [`query`] reads a state; [`root`] proves what a state holds, or does not hold.
//!
//! A network of one validator, and one transfer:
//!
//! ```
//! use assay_crypto::{Digest, SecretKey};
//! use assay_ledger::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
//! let address = BoundedString::new("localhost:7000")?;
//! let genesis = Genesis {
//!     chain_name: BoundedString::new("example")?,
//!     timestamp_ms: 0,
//!     accounts: BoundedVec::new([GenesisAccount {
//!         account: alice.public(),
//!         balance: "25.5".parse()?,
//!     }])?,
//!     registrations: BoundedVec::new([GenesisRegistration {
//!         account: bob.public(),
//!         role: Role::Validator,
//!         bond: Amount::tokens(100),
//!         encryption_key: bob.encryption().public(),
//!         address: address.clone(),
//!         offer: None,
//!     }])?,
//!     parameters: Parameters::default(),
//!     owners: BoundedVec::default(),
//!     beacon_key: BoundedBytes::default(),
//!     validators: BoundedVec::new([ValidatorInfo { account: bob.public(), address }])?,
//! };
//! let mut store = MemoryStore::new(genesis.state()?);
//!
//! let call = AccountCall::Transfer { to: bob.public(), amount: Amount::tokens(20) };
//! let tx = Transaction::sign(&alice, genesis.chain_id(), 0, "0.01".parse()?, call);
//! let beacon = Digest::of("example beacon", &[]);
//! let context = BlockContext { height: Height(1), timestamp_ms: 1_000, beacon, view: None };
//! let executed = execute_block(&store, &context, &[tx])?;
//! assert_eq!(executed.receipts.receipts[0].status, Status::Applied);
//! store.apply(&executed.writes);
//!
//! assert_eq!(query::account(&store, &alice.public())?.balance.to_string(), "5.49");
//! assert_eq!(query::account(&store, &bob.public())?.balance, Amount::tokens(20));
//! assert_eq!(query::supply(&store)?.treasury.to_string(), "0.01");
//! # Ok(())
//! # }
//! ```

mod accounts;
mod begin;
mod bounded;
mod call;
mod event;
mod execute;
mod files;
mod genesis;
mod held;
mod ids;
mod keys;
mod orders;
mod parameters;
pub mod query;
mod receipt;
mod refusal;
pub mod root;
mod state;
mod store;
mod sweep;
mod time;
mod timers;
mod totals;
mod transaction;

pub use accounts::{
    Account, AccountCall, AccountEvent, AccountRefusal, CONSENT_DOMAIN, Offer, Registration, Role,
    UnknownRole, Unmet, consent, eligible_share,
};
pub use bounded::{BoundedBytes, BoundedString, BoundedVec, OutOfBounds};
pub use call::Call;
pub use event::Event;
pub use execute::{
    Admission, AdmitError, BlockContext, ExecuteError, Executed, Invalid, InvalidBlock,
    check_block, execute_block, execute_verified_block,
};
pub use files::{
    Acceptance, AskGrant, FileCall, FileContract, FileEvent, FileGrant, FileProblem, FileRecord,
    FileRefusal, GrantState, Keeping, Share,
};
pub use genesis::{
    Genesis, GenesisAccount, GenesisError, GenesisOwner, GenesisRegistration, ValidatorInfo,
};
pub use ids::{
    AccountId, Amount, ChainId, FileId, Height, LedgerTime, OrderId, ParseAmountError, Ppm,
    RunIndex, SegmentIndex, StepIndex, TxId,
};
pub use orders::{
    Answered, Asked, Attestation, AuditOf, AuditResults, Ballot, Bits, Claim, ClaimEntry,
    ClaimStage, Contest, ContestShares, ContestTerms, Contradiction, Counts, Custody,
    CustodyPoints, CustodyTerms, Deadlines, DeclineReason, Dispute, Examined, Failure,
    FailureReason, Finding, FindingCommitment, Grant, Head, Hearing, Holds, InSlice, Input,
    Invited, JobKind, JobMethod, KeyCustody, Late, Leaf, Merge, Model, Move, Mover,
    NoContradiction, NodePlace, NotAStateFile, NotTheSlices, Occasion, Opening, Order, OrderCall,
    OrderEvent, OrderRefusal, Outcome, Phase, Piece, Place, ProcedureName, Promised, Question,
    Reached, Round, RoundTerms, Rounds, Row, Run, ScoreChallenge, ScoreSheet, Scores, SealedKeys,
    SealedShare, Seat, Sent, ShownRun, SlashReason, SliceRange, Span, StateFile, StopRule, Taken,
    Terms, Trace, Trainer, Turn, ValidatorCustody, Verdict, examine, rules, sealed_digest,
};
pub use parameters::{MAX_DEADLINE_MS, MAX_FILE_BYTES, Parameters};
pub use receipt::{BlockReceipts, Receipt, Status};
pub use refusal::Refusal;
pub use store::{MemoryStore, Pairs, ReadError, Store};
pub use time::{Lasting, MAX_BLOCK_MS, Moment};
pub use transaction::{DecodeError, MAX_TX_BYTES, Transaction};
