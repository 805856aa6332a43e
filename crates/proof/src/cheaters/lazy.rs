//! A provider that skips steps.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::StepIndex;

use super::share::{Share, segment_of};
use crate::program::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that take no step in a share of the segments and pass the old state off as the new.
pub struct LazyPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Which segments are skipped.
    pub share: Share,
}

impl<P: Programs> Programs for LazyPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Lazy {
            honest: self.honest.build(task)?,
            skipped: self.share.segments(task),
            task: task.clone(),
        }))
    }
}

struct Lazy {
    honest: Box<dyn Program>,
    skipped: BTreeSet<u32>,
    task: Task,
}

impl Program for Lazy {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if !self.skipped.contains(&segment_of(&self.task, step.0)) {
            return self.honest.advance(step);
        }
        Ok(StepReport {
            step,
            loss_micro: None,
            units: 0,
            valid: true,
        })
    }

    fn encode(&self) -> Vec<u8> {
        self.honest.encode()
    }

    fn digest(&self) -> Digest {
        self.honest.digest()
    }
}
