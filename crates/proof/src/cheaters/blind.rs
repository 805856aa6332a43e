//! An auditor that claims to have been granted nothing it can use.

use assay_crypto::Digest;
use assay_ledger::StepIndex;

use crate::program::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that take no checkpoint. An honest [`Auditor`](crate::parties::Auditor) on top of
/// them says of every segment that it could not begin, whatever it was granted.
pub struct BlindPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
}

impl<P: Programs> Programs for BlindPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Blind {
            honest: self.honest.build(task)?,
        }))
    }
}

struct Blind {
    honest: Box<dyn Program>,
}

impl Program for Blind {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), ProgramError> {
        Err(ProgramError::Refused("will not look".to_owned()))
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.honest.advance(step)
    }

    fn encode(&self) -> Vec<u8> {
        self.honest.encode()
    }

    fn digest(&self) -> Digest {
        self.honest.digest()
    }
}
