//! Commit to a training run, audit it, settle disputes.
//!
//! A job is a chain of deterministic steps, so whoever repeats one gets the same bits. A provider
//! commits to the digest of every state it passed through; auditors repeat a few segments that
//! nobody could foresee; whoever disagrees is led to one step, which the validators repeat.
//! `docs/proof.md` states the protocol with its equations.
//!
//! In reader's order:
//!
//! - [`Program`] is one job as a chain of steps, [`Programs`] the kinds a machine can run, and
//!   [`Worker`] runs a piece of one: [`Work`] in, [`WorkDone`] out.
//! - [`Counted`] counts what a program's steps come to, and stops it when they come to nothing.
//! - [`Handle`] is what an input is passed around as: its length, digest, owner, readers, and a way
//!   to its bytes wherever they lie.
//! - [`Trace`] is what a provider commits to: one leaf for each state under a Merkle root.
//! - [`OrderKeys`] says who can read which file, and when.
//! - [`parties`] holds one state machine for each role of the protocol [`Traced`]. `assay-machine`
//!   states the rules between them and the code that drives them.
//! - [`odds`] tells how likely a cheater is caught and what bond makes cheating a loss.
//!
//! Parties that break the rules are in the simulator, but for [`lazy`].

mod counted;
mod desk;
mod handle;
mod inputs;
mod keys;
pub mod lazy;
pub mod odds;
pub mod parties;
mod party;
mod program;
mod refused;
mod trace;
mod view;
mod work;

pub use counted::Counted;
pub use handle::{Audience, Handle, Source, whole};
pub use inputs::holders;
pub use keys::{GrantUse, InputKeys, OrderKeys, ReaderKeys, RunKeys, model_key, update_key};
pub use party::{
    Answer, Ask, CallTag, Context, FetchFailure, Identity, Input, Outcome, Output, Party, Progress,
    Tag, Traced, What,
};
pub use program::{MAX_STATE_BYTES, Program, ProgramError, Programs, StepReport, Task, TaskInput};
pub use refused::{build, is_refused};
pub use trace::Trace;
pub use view::View;
pub use work::{Start, Work, WorkDone, WorkFailure, Worker, run};
