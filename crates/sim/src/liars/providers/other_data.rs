//! A provider that trains on data of its own choice.

use std::collections::BTreeSet;

use assay_crypto::tiles::Writer;
use assay_ledger::StepIndex;
use assay_proof::lazy::{Share, segment_of};
use assay_proof::{Handle, Program, ProgramError, Programs, StepReport, Task};

/// Programs that use other bytes for one input in a share of the segments.
pub struct OtherDataPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Which segments run on the other data.
    pub share: Share,
    /// Name of the input to replace.
    pub input: String,
    /// What it is replaced with.
    pub handle: Handle,
}

impl<P: Programs> Programs for OtherDataPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let mut other = task.clone();
        for input in other.inputs.iter_mut().filter(|i| i.name == self.input) {
            input.handle = self.handle.clone();
        }
        Ok(Box::new(OtherData {
            honest: self.honest.build(task)?,
            other: self.honest.build(&other)?,
            replaced: self.share.segments(task),
            task: task.clone(),
        }))
    }
}

struct OtherData {
    honest: Box<dyn Program>,
    other: Box<dyn Program>,
    replaced: BTreeSet<u32>,
    task: Task,
}

impl Program for OtherData {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if !self.replaced.contains(&segment_of(&self.task, step.0)) {
            return self.honest.advance(step);
        }
        self.other.restore(&self.honest.encode())?;
        let report = self.other.advance(step)?;
        self.honest.restore(&self.other.encode())?;
        Ok(report)
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
