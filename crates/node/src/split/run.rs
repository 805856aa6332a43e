//! A whole run: steps over sessions that may break, a state that is saved.

use std::time::{Duration, Instant};

use assay_crypto::{Digest, PublicKey};
use assay_job::Course;
use assay_kernel::SPEC_VERSION;
use assay_ledger::StepIndex;
use assay_proof::{StepReport, Task, Trace, leaf};
use tokio::runtime::Handle;

use super::error::SplitError;
use super::saved::{Saved, Store};
use super::session::{Plan, Session, formula};
use super::wire::Link;
use crate::transport::Transport;

/// Shortest and longest wait before a broken session is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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
    fn add(&mut self, other: Self) {
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

/// Which run a saved state belongs to: the job with its inputs, the seed, the arithmetic, the mode.
pub fn run_digest(task: &Task, peers: &Peers) -> Digest {
    let mode = match peers {
        Peers::Plain(_) => 0,
        Peers::Masked(_) => 1,
    };
    let (spec_version, steps) = (SPEC_VERSION.to_le_bytes(), task.steps.to_le_bytes());
    let mut hasher = assay_crypto::Hasher::new("assay/split-run/v1");
    let fields: [&[u8]; 6] = [
        &[mode],
        &spec_version,
        task.kind.as_bytes(),
        &task.spec,
        task.seed.as_bytes(),
        &steps,
    ];
    fields.iter().for_each(|field| hasher.part(field));
    for input in &task.inputs {
        hasher.part(input.name.as_bytes());
        hasher.part(&input.bytes);
    }
    hasher.finish()
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
    let mut leaves = match store.load(&run)? {
        None => vec![leaf(StepIndex(0), course.digest())],
        Some(saved) => {
            course.restore(&saved.state)?;
            let step = saved.leaves.len() as u64 - 1;
            progress(Progress::Resumed { step });
            saved.leaves
        }
    };
    let resumed_at = leaves.len() as u64 - 1;
    let link = Link {
        transport,
        handle,
        patience: options.answer_timeout,
    };
    let providers = match peers {
        Peers::Plain(_) => 1,
        Peers::Masked(_) => 2,
    };
    let mut driver = Driver {
        plan,
        link,
        peers,
        session: None,
        counted: vec![Counted::default(); providers],
        exchanged: 0,
        skipped: 0,
        wasted: Counted::default(),
    };
    for step in resumed_at + 1..=task.steps {
        let left = task.steps - step + 1;
        let report = driver.persist(&mut course, step, left, options.patience, progress)?;
        leaves.push(leaf(StepIndex(step), course.digest()));
        if step.is_multiple_of(options.save_every.max(1)) || step == task.steps {
            store.save(&Saved {
                run,
                leaves: leaves.clone(),
                state: course.encode(),
            })?;
        }
        progress(Progress::Step(&report));
    }
    if let Some(session) = driver.session.take() {
        session.close();
    }
    let formula = formula(&course, peers).times(driver.exchanged);
    Ok(Trained {
        state_digest: course.digest(),
        trace_root: Trace::new(leaves).root(),
        state: course.encode(),
        resumed_at,
        exchanged: driver.exchanged,
        skipped: driver.skipped,
        formula: vec![formula; providers],
        counted: driver.counted,
        wasted: driver.wasted,
    })
}

struct Driver<'a> {
    plan: Plan,
    link: Link,
    peers: &'a Peers,
    session: Option<Session>,
    counted: Vec<Counted>,
    exchanged: u64,
    skipped: u64,
    wasted: Counted,
}

impl Driver<'_> {
    /// Takes a step, in as many sessions as it needs.
    fn persist(
        &mut self,
        course: &mut Course,
        step: u64,
        left: u64,
        patience: Duration,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<StepReport, SplitError> {
        let began = Instant::now();
        let mut wait = BACKOFF.0;
        loop {
            let error = match self.attempt(course, step, left) {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            self.give_up_session();
            if !error.is_transient() || began.elapsed() + wait > patience {
                return Err(error);
            }
            progress(Progress::Broken(&error));
            std::thread::sleep(wait);
            wait = (2 * wait).min(BACKOFF.1);
        }
    }

    fn attempt(
        &mut self,
        course: &mut Course,
        step: u64,
        left: u64,
    ) -> Result<StepReport, SplitError> {
        if self.session.as_ref().is_none_or(Session::is_over) {
            self.give_up_session();
            let session = self.plan.open(course, &self.link, self.peers, left)?;
            self.session = Some(session);
        }
        let session = &mut self.session;
        let mut exchanged = false;
        let report = course.advance(StepIndex(step), |state, batch, rate| match session {
            Some(session) => {
                let output = session.step(state, batch, rate)?;
                exchanged = output.is_some();
                Ok(output)
            }
            None => Err(SplitError::Job("no session is open".to_owned())),
        })?;
        self.skipped += u64::from(!report.valid);
        if exchanged && let Some(session) = &mut self.session {
            self.exchanged += 1;
            for (sum, step) in self.counted.iter_mut().zip(session.take_counted()) {
                sum.add(step);
            }
        }
        Ok(report)
    }

    /// Drops the session; what it carried since the last whole step came to nothing.
    fn give_up_session(&mut self) {
        if let Some(mut session) = self.session.take() {
            for counted in session.take_counted() {
                self.wasted.add(counted);
            }
        }
    }
}
