//! What a job computes, seen from the proof: a chain of steps over one state.

use assay_crypto::Digest;
use assay_crypto::tiles::{Tiled, Tiles, Writer, collected};
use assay_ledger::{StateFile, StepIndex, StopRule, Taken};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::handle::Handle;

/// The longest stored state a party accepts, with what stands beside it in its file, in bytes.
pub const MAX_STATE_BYTES: usize = StateFile::MAX_BYTES as usize;

/// Everything a program is a function of. Two equal tasks give equal traces on every machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    /// The job kind's name, such as `finetune`.
    pub kind: String,
    /// Canonical bytes of the job's specification, as the order on the ledger holds them.
    pub spec: Vec<u8>,
    /// The sizes of its model, as the order on the ledger tells them; empty for a kind that works on
    /// none.
    pub model: Vec<u8>,
    /// Bytes of memory that a run takes at most, as the order on the ledger says: a program that takes
    /// more on a machine that computes on its processors is refused by every machine. The largest number
    /// where nobody has said anything.
    pub memory: u64,
    /// Decrypted inputs in the order's own sequence.
    pub inputs: Vec<TaskInput>,
    /// Public randomness of this attempt: every choice the job makes is drawn from it.
    pub seed: Digest,
    /// Length of the chain: states are numbered `0..=steps`.
    pub steps: u64,
    /// Steps between two checkpoints; the last segment may be shorter.
    pub segment_steps: u32,
    /// When the run is given up because its steps come to nothing.
    pub stop: StopRule,
}

/// One named input, decrypted and checked against the order's content digest.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskInput {
    /// The name the specification calls it by.
    pub name: String,
    /// The plaintext.
    pub handle: Handle,
}

impl TaskInput {
    /// An input whose bytes are in memory.
    pub fn in_memory(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            handle: Handle::in_memory(bytes),
        }
    }
}

/// A chain of deterministic steps `state[i] = step(state[i - 1], i)` and its current state.
///
/// Every job kind is one of these, so providers, auditors and validators need not know what a job
/// does. Rules for implementations:
///
/// - The same task and the same calls give the same bytes on every machine and thread count.
/// - [`advance`](Program::advance) depends on the current state and the index alone. It must not
///   refuse a state because of how it came about: the trace binds the index to the state, and a
///   state that was never reached honestly is found by replay, not by a field inside it.
/// - A step that cannot be taken (a loss that is not finite, or nothing to learn) leaves the state as
///   it was and says so in its report; the chain goes on, so that its length never depends on its
///   content. What `build` and `restore` let through, `advance` never refuses.
/// - A step is [`Taken::Idle`] only where the run is over: from then on the program is not asked
///   again. Whatever takes less work than a step should is idle or invalid, and never valid.
/// - To restore what [`write`](Program::write) writes changes nothing. What it writes is what is stored and
///   what the trace's leaf binds, so no kind can bind something other than it stores.
pub trait Program: Send {
    /// Makes the state that the specification begins with, `state[0]`, the current one.
    fn restart(&mut self) -> Result<(), ProgramError>;

    /// Makes an encoded state the current one. The bytes may come from a liar: bounded and
    /// checked before use.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError>;

    /// Turns `state[step - 1]` into `state[step]`; `step` counts from 1.
    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError>;

    /// Writes the current state's canonical bytes.
    fn write(&self, to: &mut Writer<'_>);

    /// Why the latest step could not be taken, for people; `None` if it could, or if the program
    /// does not know.
    fn fault(&self) -> Option<String> {
        None
    }
}

impl dyn Program + '_ {
    /// The current state's canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        collected(|to| self.write(to))
    }

    /// What these bytes hash to, which the trace's leaf binds to its index.
    pub fn tiled(&self) -> Tiled {
        Tiles::written(|to| self.write(to)).tiled()
    }
}

/// The job kinds that a machine can run.
pub trait Programs: Send {
    /// Builds the program of one task.
    ///
    /// # Errors
    /// [`ProgramError::Refused`] when kind, specification or inputs make no sense: every machine
    /// must refuse alike. [`ProgramError::TooLarge`] or [`ProgramError::Local`] when only this
    /// machine cannot run it.
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError>;
}

impl<P: Programs + ?Sized> Programs for Box<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        (**self).build(task)
    }
}

/// What one step did, for progress displays; integers, since it travels with protocol messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StepReport {
    /// The step that was taken.
    pub step: StepIndex,
    /// The step's loss in millionths of a nat, where the kind has one.
    pub loss_micro: Option<i64>,
    /// Units of work done: tokens for language models.
    pub units: u64,
    /// What it came to.
    pub taken: Taken,
}

impl StepReport {
    /// A step for which nothing was computed.
    pub fn idle(step: StepIndex) -> StepReport {
        StepReport {
            step,
            loss_micro: None,
            units: 0,
            taken: Taken::Idle,
        }
    }
}

/// Why a program could not be built, restored or advanced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The task or a state is wrong in a way that every machine finds alike.
    #[error("the job cannot be run as specified: {0}")]
    Refused(String),
    /// It takes more memory than this machine gives; one with more can do it.
    #[error("the job is too large for this machine: {0}")]
    TooLarge(String),
    /// This machine cannot do it now; another one, or this one later, can.
    #[error("this machine could not run the job: {0}; free memory or disk and try again")]
    Local(String),
}
