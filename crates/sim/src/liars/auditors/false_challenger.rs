//! An auditor that disputes honest work.

use assay_crypto::tiles::Writer;
use assay_ledger::StepIndex;
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that find a wrong state after so many steps of every replay. An honest
/// [`Auditor`](assay_proof::parties::Auditor) on top of them raises false challenges, and defends them
/// in the bisection.
pub struct FalseChallenge<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Steps of a replay that are told truthfully.
    pub truthful: u64,
}

impl<P: Programs> Programs for FalseChallenge<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Challenging {
            honest: self.honest.build(task)?,
            truthful: self.truthful,
            taken: 0,
        }))
    }
}

struct Challenging {
    honest: Box<dyn Program>,
    truthful: u64,
    taken: u64,
}

impl Program for Challenging {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.taken = 0;
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.taken = 0;
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.taken += 1;
        self.honest.advance(step)
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
        if self.taken > self.truthful {
            to.put(b"and one word more");
        }
    }
}
