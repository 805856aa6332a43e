//! A provider that begins somewhere else.

use assay_crypto::tiles::Writer;
use assay_ledger::StepIndex;
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that call a state of their own making state 0 and go on honestly from there: every
/// later step stands up to replay, only the beginning does not follow from the specification.
pub struct CraftedPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Steps taken before the state that is called the first.
    pub ahead: u64,
}

impl<P: Programs> Programs for CraftedPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Crafted {
            honest: self.honest.build(task)?,
            ahead: self.ahead,
        }))
    }
}

struct Crafted {
    honest: Box<dyn Program>,
    ahead: u64,
}

impl Program for Crafted {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()?;
        (1..=self.ahead).try_for_each(|step| self.honest.advance(StepIndex(step)).map(|_| ()))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.honest.advance(step)
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
