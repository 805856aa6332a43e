//! The smallest job there is: a hash chain over its inputs, in integers only.

use assay_crypto::Digest;
use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};

use super::rounds::summing;

/// Programs of which every kind is a hash chain: `state[i] = H(state[i - 1], i, input[i])`,
/// beginning with `H(specification, seed)`. Jobs in rounds are such chains too: what follows
/// from their ends is added up.
///
/// [`DEAD_END`] is a state that can be restored and not advanced, as a careless kind might have; [`OVER`]
/// says that the run is over, as after an early stop, and from [`STUCK`] every step comes to nothing, as
/// from weights that are too large.
#[derive(Debug, Clone, Copy, Default)]
pub struct CounterPrograms;

/// The state from which no step can be taken.
pub const DEAD_END: [u8; 32] = [255; 32];

/// The state after which nothing is computed.
pub const OVER: [u8; 32] = [254; 32];

/// The state that every step leaves as it is.
pub const STUCK: [u8; 32] = [253; 32];

impl Programs for CounterPrograms {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        if task.spec.first().is_none_or(|byte| *byte == 0) {
            let why = "the specification must begin with a byte other than zero";
            return Err(refused(why));
        }
        if task.kind == summing::KIND {
            return summing::build(task);
        }
        let first = Digest::of("assay/counter/first/v1", &[&task.spec, &task.seed.0]);
        Ok(Box::new(Counter {
            first,
            state: first,
            inputs: task
                .inputs
                .iter()
                .map(|i| Digest::of("assay/counter/input/v1", &[&i.handle.content().0]))
                .collect(),
        }))
    }
}

pub(super) fn refused(why: &str) -> ProgramError {
    ProgramError::Refused(why.to_owned())
}

/// What a step from a state that is none of the chain's comes to; none from every other one.
pub(super) fn taken_at(state: &Digest) -> Result<Option<Taken>, ProgramError> {
    match state.0 {
        DEAD_END => Err(refused("a dead end")),
        OVER => Ok(Some(Taken::Idle)),
        STUCK => Ok(Some(Taken::Invalid)),
        _ => Ok(None),
    }
}

struct Counter {
    first: Digest,
    state: Digest,
    inputs: Vec<Digest>,
}

impl Program for Counter {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = self.first;
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let state = <[u8; 32]>::try_from(bytes).map_err(|_| {
            ProgramError::Refused(format!("a state has 32 bytes, not {}", bytes.len()))
        })?;
        self.state = Digest(state);
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if let Some(taken) = taken_at(&self.state)? {
            return Ok(StepReport {
                taken,
                ..StepReport::idle(step)
            });
        }
        let index = step.0.to_le_bytes();
        let input = match self.inputs.len() as u64 {
            0 => Digest::ZERO,
            count => self.inputs[(step.0 % count) as usize],
        };
        self.state = Digest::of("assay/counter/step/v1", &[&self.state.0, &index, &input.0]);
        Ok(StepReport {
            step,
            loss_micro: Some(1_000_000 / (step.0 as i64 + 1)),
            units: 1,
            taken: Taken::Valid,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.state.0);
    }
}
