//! An auditor that claims to have been granted nothing it can use.

use assay_crypto::tiles::Writer;
use assay_ledger::StepIndex;
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

/// Programs that take no checkpoint. An honest [`Auditor`](assay_proof::parties::Auditor) on top of
/// them says of every segment that it could not begin, whatever it was granted.
pub struct BlindPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Whether not even the first state can be made, as if the inputs did not open.
    pub from_the_start: bool,
}

impl<P: Programs> Programs for BlindPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Blind {
            honest: self.honest.build(task)?,
            from_the_start: self.from_the_start,
        }))
    }
}

struct Blind {
    honest: Box<dyn Program>,
    from_the_start: bool,
}

impl Program for Blind {
    fn restart(&mut self) -> Result<(), ProgramError> {
        match self.from_the_start {
            true => Err(ProgramError::Refused("will not look".to_owned())),
            false => self.honest.restart(),
        }
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), ProgramError> {
        Err(ProgramError::Refused("will not look".to_owned()))
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.honest.advance(step)
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
