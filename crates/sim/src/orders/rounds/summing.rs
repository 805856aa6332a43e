//! The smallest job in rounds there is: trainers' hash chains, and the sums of what follows from their ends.
//!
//! | | Bytes |
//! | --- | --- |
//! | order's specification | 7 (1), updates without which nothing is merged (2), parameters `n` (4) |
//! | model | rounds that merged something (8), `n` sums (8 each) |
//! | state of a trainer's run | a hash (32) |
//! | update, the state after the last step | 1 (1), round (8), trainer (4), `n` summands (2 each) |
//!
//! All numbers are little-endian. A trainer's first state is a hash over its specification (which says round and
//! number), the round's seed, the model and its rows; each step hashes the state with the step's number, and the
//! last one draws the summands. Merging adds up the updates that name the round and their sender.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::parties::{MERGING, update_name};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::super::counter::{refused, taken_at};

/// The kind of jobs in rounds.
pub(crate) const KIND: &str = "federated";
/// What an update begins with, so that no state of a run is as long as one.
const UPDATE: u8 = 1;
/// Bytes of an update before its summands.
const HEAD: usize = 13;
/// Bytes that a run's specification has after the order's.
const SUFFIX: usize = 12;

/// The specification of an order.
pub(in super::super) fn spec(least: u16, parameters: u32) -> Vec<u8> {
    [&[7][..], &least.to_le_bytes(), &parameters.to_le_bytes()].concat()
}

/// Bytes of every update.
pub(in super::super) fn update_bytes(parameters: u32) -> u32 {
    HEAD as u32 + 2 * parameters
}

/// How many updates an order's specification asks for, and how many parameters there are.
fn read_spec(order: &[u8]) -> Result<(usize, usize), ProgramError> {
    let least = order.get(1..3).and_then(|bytes| bytes.try_into().ok());
    let parameters = order.get(3..7).and_then(|bytes| bytes.try_into().ok());
    let read = least
        .map(u16::from_le_bytes)
        .zip(parameters.map(u32::from_le_bytes));
    let (least, parameters) = read.ok_or_else(|| refused("no specification"))?;
    Ok((least.into(), parameters as usize))
}

/// The program of a task: a trainer's run in a round, or merging.
pub(in super::super) fn build(task: &Task) -> Result<Box<dyn Program>, ProgramError> {
    let split = task.spec.len().checked_sub(SUFFIX);
    let (order, suffix) = task
        .spec
        .split_at(split.ok_or_else(|| refused("no round"))?);
    let (round, trainer) = suffix.split_at(8);
    let round = round.try_into().map_or(0, u64::from_le_bytes);
    let trainer = trainer.try_into().map_or(0, u32::from_le_bytes);
    let (quorum, parameters) = read_spec(order)?;
    if trainer == MERGING {
        let merging = Merging::new(task, (round, quorum), parameters)?;
        return Ok(Box::new(merging));
    }
    let contents = task.inputs.iter().map(|input| input.handle.content().0);
    let contents: Vec<[u8; 32]> = contents.collect();
    let inputs: Vec<&[u8]> = contents.iter().map(|content| &content[..]).collect();
    let inputs = Digest::of("assay/summing/inputs/v1", &inputs);
    let parts: [&[u8]; 3] = [&task.spec, &task.seed.0, &inputs.0];
    let first = Digest::of("assay/summing/first/v1", &parts);
    Ok(Box::new(Round {
        head: head(round, trainer),
        parameters,
        steps: task.steps,
        first,
        now: Reached::State(first),
    }))
}

enum Reached {
    State(Digest),
    Update(Vec<u8>),
}

/// A trainer's run in one round.
struct Round {
    /// What its update begins with.
    head: Vec<u8>,
    parameters: usize,
    steps: u64,
    first: Digest,
    now: Reached,
}

impl Program for Round {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.now = Reached::State(self.first);
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.now = match <[u8; 32]>::try_from(bytes) {
            Ok(state) => Reached::State(Digest(state)),
            Err(_) if bytes.len() == HEAD + 2 * self.parameters => Reached::Update(bytes.to_vec()),
            Err(_) => {
                let length = bytes.len();
                return Err(refused(&format!("no state or update has {length} bytes")));
            }
        };
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let report = |taken| StepReport {
            taken,
            ..StepReport::idle(step)
        };
        let Reached::State(state) = &self.now else {
            return Ok(report(Taken::Invalid));
        };
        if let Some(taken) = taken_at(state)? {
            return Ok(report(taken));
        }
        let parts: [&[u8]; 2] = [&state.0, &step.0.to_le_bytes()];
        let next = Digest::of("assay/summing/step/v1", &parts);
        self.now = match step.0 == self.steps {
            false => Reached::State(next),
            true => {
                let summands = drawn(next, "summands", 2 * self.parameters);
                Reached::Update([&self.head[..], &summands].concat())
            }
        };
        Ok(StepReport {
            loss_micro: Some(1_000_000 / (step.0 as i64 + 1)),
            units: 1,
            ..report(Taken::Valid)
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        match &self.now {
            Reached::State(state) => to.put(&state.0),
            Reached::Update(update) => to.put(update),
        }
    }
}

/// Merging: state 0 is the model that the round begins with, or the first of all; step 1 adds the updates up.
struct Merging {
    model: Vec<u8>,
    /// Updates that count.
    updates: Vec<Vec<u8>>,
    quorum: usize,
    now: Vec<u8>,
}

impl Merging {
    fn new(
        task: &Task,
        (round, quorum): (u64, usize),
        parameters: usize,
    ) -> Result<Self, ProgramError> {
        let whole = |handle: &assay_proof::Handle| {
            let bytes = handle.whole(u64::MAX).map(|bytes| bytes.into_owned());
            bytes.map_err(|error| ProgramError::Local(error.to_string()))
        };
        let mut model = None;
        let mut updates = Vec::new();
        for input in &task.inputs {
            let bytes = whole(&input.handle)?;
            if input.name == "model" {
                model = Some(bytes);
                continue;
            }
            let number = input.name.strip_prefix("update-");
            let number = number.and_then(|number| number.parse::<u16>().ok());
            let Some(number) = number.filter(|number| update_name(*number) == input.name) else {
                continue;
            };
            let own = head(round, number.into());
            let is_one = bytes.len() == HEAD + 2 * parameters && bytes.starts_with(&own);
            updates.extend(is_one.then_some(bytes));
        }
        let first = || {
            let merged = 0_u64.to_le_bytes().to_vec();
            [merged, drawn(task.seed, "model", 8 * parameters)].concat()
        };
        let model = model.unwrap_or_else(first);
        if model.len() != 8 + 8 * parameters {
            return Err(refused("no model"));
        }
        Ok(Self {
            now: model.clone(),
            model,
            updates,
            quorum,
        })
    }
}

impl Program for Merging {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.now.clone_from(&self.model);
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.now = bytes.to_vec();
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let report = |taken| StepReport {
            taken,
            ..StepReport::idle(step)
        };
        if self.updates.len() < self.quorum.max(1) {
            return Ok(report(Taken::Invalid));
        }
        let (merged, sums) = self.now.split_at_checked(8).unwrap_or_default();
        let merged = merged.try_into().map_or(0, u64::from_le_bytes);
        let sums = sums.as_chunks::<8>().0.iter();
        let mut sums: Vec<u64> = sums.map(|sum| u64::from_le_bytes(*sum)).collect();
        for update in &self.updates {
            let summands = update.get(HEAD..).unwrap_or_default();
            for (sum, summand) in sums.iter_mut().zip(summands.as_chunks::<2>().0) {
                *sum = sum.wrapping_add(u16::from_le_bytes(*summand).into());
            }
        }
        self.now = merged.wrapping_add(1).to_le_bytes().to_vec();
        self.now
            .extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
        Ok(report(Taken::Valid))
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.now);
    }
}

/// An update that adds nothing, of the run with that specification.
pub(crate) fn forged_update(spec: &[u8]) -> Vec<u8> {
    let (order, suffix) = spec.split_at(spec.len().saturating_sub(SUFFIX));
    let parameters = read_spec(order).map_or(0, |(_, parameters)| parameters);
    [&[UPDATE], suffix, &vec![0; 2 * parameters]].concat()
}

/// What the update of a trainer's round begins with.
fn head(round: u64, trainer: u32) -> Vec<u8> {
    [&[UPDATE][..], &round.to_le_bytes(), &trainer.to_le_bytes()].concat()
}

fn drawn(from: Digest, what: &str, bytes: usize) -> Vec<u8> {
    let mut drawn = vec![0; bytes];
    Stream::new(from, what, 0).fill(&mut drawn);
    drawn
}
