//! A provider whose states nobody can go on from.

use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that after some steps present one state for all others: one that a careless job kind
/// restores and then refuses to advance.
pub struct DeadEndPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// The last step that is taken honestly.
    pub until: u64,
    /// The state's encoding.
    pub state: Vec<u8>,
}

impl<P: Programs> Programs for DeadEndPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(DeadEnd {
            honest: self.honest.build(task)?,
            until: self.until,
            state: self.state.clone(),
        }))
    }
}

struct DeadEnd {
    honest: Box<dyn Program>,
    until: u64,
    state: Vec<u8>,
}

impl Program for DeadEnd {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if step.0 <= self.until {
            return self.honest.advance(step);
        }
        self.honest.restore(&self.state)?;
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
