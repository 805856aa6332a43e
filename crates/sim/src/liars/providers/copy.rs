//! A provider that hands back what it was given.

use std::collections::BTreeSet;

use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::lazy::{Share, segment_of};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs whose result is the state that the job began with: the base model's untrained
/// adapter. The run before the faked share is honest, as cover.
pub struct CopyPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// How many of the last segments show the first state again.
    pub share: Share,
}

impl<P: Programs> Programs for CopyPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Copy {
            honest: self.honest.build(task)?,
            copied: self.share.last_segments(task),
            task: task.clone(),
        }))
    }
}

struct Copy {
    honest: Box<dyn Program>,
    copied: BTreeSet<u32>,
    task: Task,
}

impl Program for Copy {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if !self.copied.contains(&segment_of(&self.task, step.0)) {
            return self.honest.advance(step);
        }
        self.honest.restart()?;
        Ok(StepReport {
            step,
            loss_micro: None,
            units: 0,
            taken: Taken::Valid,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
