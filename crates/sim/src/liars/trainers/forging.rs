//! A trainer that sends an update for which it has computed nothing.

use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

use crate::orders::forged_update;

/// What is sent in place of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// One that changes nothing, in its own name: who merges takes it for an honest one.
    Nothing,
    /// Bytes of its length that are no update of anybody.
    Garbage,
    /// More bytes than an update has.
    Long,
}

/// Programs that take no step and end with bytes of their own making.
pub struct ForgingPrograms<P> {
    /// The honest programs, which make the first state.
    pub honest: P,
    /// What it ends with.
    pub forged: Forged,
}

impl<P: Programs> Programs for ForgingPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let nothing = forged_update(&task.spec);
        let made = match self.forged {
            Forged::Nothing => nothing,
            Forged::Garbage => nothing.iter().map(|byte| !byte).collect(),
            Forged::Long => [&nothing[..], &[0]].concat(),
        };
        Ok(Box::new(Forging::new(self.honest.build(task)?, task, made)))
    }
}

/// A run whose only work is what stands at its end.
pub(super) struct Forging {
    honest: Box<dyn Program>,
    steps: u64,
    made: Vec<u8>,
    ended: bool,
}

impl Forging {
    /// A run that ends with these bytes.
    pub(super) fn new(honest: Box<dyn Program>, task: &Task, made: Vec<u8>) -> Self {
        let (steps, ended) = (task.steps, false);
        Self {
            honest,
            steps,
            made,
            ended,
        }
    }
}

impl Program for Forging {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.ended = false;
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.ended = bytes == self.made;
        match self.ended {
            true => Ok(()),
            false => self.honest.restore(bytes),
        }
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.ended = step.0 == self.steps;
        Ok(StepReport {
            taken: Taken::Valid,
            ..StepReport::idle(step)
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self.ended {
            true => to.put(&self.made),
            false => self.honest.write(to),
        }
    }
}
