//! A whole run: steps over sessions that may break, a state that is saved.

use std::time::Duration;

use assay_crypto::{Digest, PublicKey};
use assay_job::{Course, Fault, Saved, Store};
use assay_ledger::{Counts, Reached, StateFile, StepIndex, Taken};
use assay_proof::{ProgramError, StepReport, Task, Trace};
use tokio::runtime::Handle;

use super::driver::Driver;
use super::error::SplitError;
use super::session::{Plan, Way, formula};
use crate::transport::Transport;

/// Who computes.
#[derive(Clone, Debug)]
pub enum Peers {
    /// One provider that runs the frozen decoder.
    Plain(PublicKey),
    /// Two providers that multiply shares and do not collude.
    Masked([PublicKey; 2]),
}

/// Bytes of messages, headers included, frames and transport not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// To the provider.
    pub sent: u64,
    /// From it.
    pub received: u64,
}

impl Counted {
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
    }

    fn times(self, n: u64) -> Self {
        Self {
            sent: self.sent * n,
            received: self.received * n,
        }
    }
}

/// How patient a run is.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions {
    /// Steps between two saved states.
    pub save_every: u64,
    /// How long a provider may be away before the run gives up; the state stays saved.
    pub patience: Duration,
    /// How long a provider may take for one answer.
    pub answer_timeout: Duration,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            save_every: 1,
            patience: Duration::from_secs(600),
            answer_timeout: Duration::from_secs(300),
        }
    }
}

/// What happens on the way.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The run goes on from a saved state.
    Resumed {
        /// Steps that were done.
        step: u64,
    },
    /// A step is done.
    Step(&'a StepReport),
    /// A session broke and will be opened again.
    Broken(&'a SplitError),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Digest of the last state.
    pub state_digest: Digest,
    /// Root over the leaves of all states, as a run on one machine has it.
    pub trace_root: Digest,
    /// The last state, encoded.
    pub state: Vec<u8>,
    /// Steps that were saved before.
    pub resumed_at: u64,
    /// Steps that were exchanged with the providers now.
    pub exchanged: u64,
    /// Steps without a number, which left the state as it was.
    pub skipped: u64,
    /// Bytes of the exchanged steps, for each provider.
    pub counted: Vec<Counted>,
    /// What the formula gives for them, for each provider.
    pub formula: Vec<Counted>,
    /// Bytes of attempts that came to nothing, over all providers.
    pub wasted: Counted,
}

/// Which run a saved state belongs to: the job and how it is split.
pub fn run_digest(task: &Task, peers: &Peers) -> Digest {
    let mode = match peers {
        Peers::Plain(_) => 0,
        Peers::Masked(_) => 1,
    };
    let mut hasher = assay_crypto::Hasher::new("assay/split-run/v3");
    hasher.part(&[mode]);
    assay_job::run_digest(task, hasher)
}

/// What a leaf of the trace is made of.
fn reached(course: &Course, counts: &Counts) -> Reached {
    Reached {
        state: course.tiled(),
        counts: *counts,
    }
}

/// Trains a job with other nodes' help, from the state in `store` if there is one, and saves the
/// state on the way. Blocks; `handle` is a runtime's, on another thread of which `transport` runs.
///
/// # Errors
/// [`SplitError`]; what was saved stays, and another call goes on from it.
pub fn train(
    task: &Task,
    peers: &Peers,
    (transport, handle): (Transport, Handle),
    store: &Store,
    options: &TrainOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Trained, SplitError> {
    let mut course = Course::new(task).map_err(|e| SplitError::Job(crate::told(&e)))?;
    let plan = Plan::new(&course, peers)?;
    let run = run_digest(task, peers);
    let mut fault = None;
    let mut counts = Counts::default();
    let mut leaves = match store.load(&run)? {
        None => vec![reached(&course, &counts).leaf(StepIndex(0))],
        Some(saved) => {
            fault = saved.fault;
            let decoded = StateFile::decode(&saved.state);
            let decoded = decoded.map_err(|e| ProgramError::Refused(e.to_string()));
            let (before, state) = decoded?;
            course.restore(state)?;
            counts = before;
            let step = saved.leaves.len() as u64 - 1;
            progress(Progress::Resumed { step });
            saved.leaves
        }
    };
    let resumed_at = leaves.len() as u64 - 1;
    let way = Way {
        transport,
        handle,
        patience: options.answer_timeout,
    };
    let providers = match peers {
        Peers::Plain(_) => 1,
        Peers::Masked(_) => 2,
    };
    let mut driver = Driver::new(plan, way, providers);
    for step in resumed_at + 1..=task.steps {
        let left = task.steps - step + 1;
        let report = match counts.is_over(&task.stop) {
            true => StepReport::idle(StepIndex(step)),
            false => driver.persist(&mut course, step, left, options.patience, progress)?,
        };
        counts.add(report.taken);
        leaves.push(reached(&course, &counts).leaf(StepIndex(step)));
        if report.taken == Taken::Invalid {
            let reason = "an operator gave a NaN or infinity".to_owned();
            fault.get_or_insert(Fault { step, reason });
        }
        if step.is_multiple_of(options.save_every.max(1)) || step == task.steps {
            store.save(&Saved {
                run,
                leaves: leaves.clone(),
                fault: fault.clone(),
                state: StateFile::encode(&counts, course.encode()),
            })?;
        }
        progress(Progress::Step(&report));
    }
    driver.close();
    let formula = formula(&course, peers).times(driver.exchanged);
    Ok(Trained {
        state_digest: course.tiled().digest(),
        trace_root: Trace::new(leaves).root(),
        state: StateFile::encode(&counts, course.encode()),
        resumed_at,
        exchanged: driver.exchanged,
        skipped: counts.invalid,
        formula: vec![formula; providers],
        counted: driver.counted,
        wasted: driver.wasted,
    })
}
