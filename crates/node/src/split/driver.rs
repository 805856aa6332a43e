//! Steps over sessions that may break.

use std::time::{Duration, Instant};

use assay_job::Course;
use assay_ledger::StepIndex;
use assay_model::InvalidStep;
use assay_proof::{ProgramError, StepReport};

use super::error::SplitError;
use super::run::{Counted, Progress};
use super::session::{Plan, Session, Way};

/// Shortest and longest wait before a broken session is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Takes steps over sessions that it opens whenever there is none.
pub(super) struct Driver {
    plan: Plan,
    way: Way,
    session: Option<Session>,
    /// Bytes of whole steps, for each provider.
    pub(super) counted: Vec<Counted>,
    /// Whole steps.
    pub(super) exchanged: u64,
    /// Bytes of attempts that came to nothing.
    pub(super) wasted: Counted,
}

impl Driver {
    pub(super) fn new(plan: Plan, way: Way, providers: usize) -> Self {
        Self {
            plan,
            way,
            session: None,
            counted: vec![Counted::default(); providers],
            exchanged: 0,
            wasted: Counted::default(),
        }
    }

    /// Tells the providers that all is done.
    pub(super) fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close();
        }
    }

    /// Takes a step, in as many sessions as it needs.
    pub(super) fn persist(
        &mut self,
        course: &mut Course,
        step: u64,
        left: u64,
        patience: Duration,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<StepReport, SplitError> {
        if course.has_stopped() {
            return course.advance(StepIndex(step), |_, _, _| Ok(None));
        }
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
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.plan.open(course, &self.way, left)?,
        };
        let beta1 = course.settings().optimizer.beta1;
        let report = course.advance(StepIndex(step), |state, batch, rate| {
            let before = state.clone();
            let output: Result<_, SplitError> = session.step(state, batch, rate);
            if matches!(output, Ok(Some(_))) && !state.has_learned_since(&before, beta1) {
                // The providers have taken the step already.
                let text = format!("{}; train it with `assay train`", InvalidStep::NoGradient);
                return Err(ProgramError::Refused(text).into());
            }
            if matches!(output, Ok(Some(_))) {
                self.exchanged += 1;
                for (sum, step) in self.counted.iter_mut().zip(session.take_counted()) {
                    sum.add(step);
                }
            }
            output
        });
        self.session = Some(session);
        report
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
