//! A trainer that leaves out steps of its rounds.

use std::collections::BTreeSet;

use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::lazy::{Share, segment_of};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that take no step in a share of the segments, pass the old state off as the new, and make an update of it
/// all the same: who left out the last step too would have none to send.
pub struct LazyTrainerPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Which segments are skipped.
    pub share: Share,
}

impl<P: Programs> Programs for LazyTrainerPrograms<P> {
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
        let skips = self.skipped.contains(&segment_of(&self.task, step.0));
        if !skips || step.0 == self.task.steps {
            return self.honest.advance(step);
        }
        Ok(StepReport {
            taken: Taken::Valid,
            ..StepReport::idle(step)
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
