//! A provider that jumps to a state from which nothing has to be computed any more.

use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that at one step present a state of their own making and go on honestly from there: one
/// that says that the run is over, or one that no step leads out of. Every later step stands up to
/// replay; only the jump does not follow from what was before.
pub struct CollapsePrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// The step that is not taken.
    pub at: u64,
    /// The state's encoding.
    pub state: Vec<u8>,
}

impl<P: Programs> Programs for CollapsePrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Collapse {
            honest: self.honest.build(task)?,
            at: self.at,
            state: self.state.clone(),
        }))
    }
}

struct Collapse {
    honest: Box<dyn Program>,
    at: u64,
    state: Vec<u8>,
}

impl Program for Collapse {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if step.0 != self.at {
            return self.honest.advance(step);
        }
        self.honest.restore(&self.state)?;
        Ok(StepReport {
            taken: Taken::Valid,
            ..StepReport::idle(step)
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
