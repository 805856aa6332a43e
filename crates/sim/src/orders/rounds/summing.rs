//! The smallest job in rounds there is: trainers' hash chains, whose ends are added up.
//!
//! | | Bytes |
//! | --- | --- |
//! | model | rounds that merged something (8), four sums (8 each) |
//! | state of a trainer's run | a hash (32) |
//! | update, the state after the last step | round (8), trainer (4), four summands below 2^32 (8 each) |
//!
//! All numbers are little-endian. A trainer's first state is a hash over its specification (which says round and
//! number), the round's seed, the model and its rows; each step hashes the state with the step's number, and the
//! last one makes the update. Merging adds up the updates that name the round and their sender, if there are as many
//! as the specification's second byte says.

use assay_crypto::Digest;
use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::parties::{MERGING, update_name};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::super::counter::{refused, taken_at};

/// The kind of jobs in rounds.
pub(crate) const KIND: &str = "federated";
/// Bytes of every update.
pub(crate) const UPDATE_BYTES: u32 = 44;
/// Bytes of a model.
const MODEL_BYTES: usize = 40;
/// Bytes that a run's specification has after the order's.
const SUFFIX: usize = 12;

/// What a trainer sends, or the sum of what trainers sent.
type Lanes = [u64; 4];

/// The program of a task: a trainer's run in a round, or merging.
pub(in super::super) fn build(task: &Task) -> Result<Box<dyn Program>, ProgramError> {
    let split = task.spec.len().checked_sub(SUFFIX);
    let (order, suffix) = task
        .spec
        .split_at(split.ok_or_else(|| refused("no round"))?);
    let (round, trainer) = suffix.split_at(8);
    let round = round.try_into().map_or(0, u64::from_le_bytes);
    let trainer = trainer.try_into().map_or(0, u32::from_le_bytes);
    if trainer == MERGING {
        let quorum = order.get(1).copied().unwrap_or(1).into();
        return Merging::new(task, round, quorum).map(|of| Box::new(of) as Box<dyn Program>);
    }
    let contents = task.inputs.iter().map(|input| input.handle.content().0);
    let contents: Vec<[u8; 32]> = contents.collect();
    let inputs: Vec<&[u8]> = contents.iter().map(|content| &content[..]).collect();
    let inputs = Digest::of("assay/summing/inputs/v1", &inputs);
    let parts: [&[u8]; 3] = [&task.spec, &task.seed.0, &inputs.0];
    let first = Digest::of("assay/summing/first/v1", &parts);
    Ok(Box::new(Round {
        head: [&round.to_le_bytes()[..], &trainer.to_le_bytes()].concat(),
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
            Err(_) if bytes.len() == UPDATE_BYTES as usize => Reached::Update(bytes.to_vec()),
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
                let lanes = lanes(&next).map(|lane| lane >> 32);
                Reached::Update([&self.head[..], &bytes(&lanes)].concat())
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
    /// What each update that counts adds.
    summands: Vec<Lanes>,
    quorum: usize,
    now: Vec<u8>,
}

impl Merging {
    fn new(task: &Task, round: u64, quorum: usize) -> Result<Self, ProgramError> {
        let whole = |handle: &assay_proof::Handle| {
            let bytes = handle.whole(u64::MAX).map(|bytes| bytes.into_owned());
            bytes.map_err(|error| ProgramError::Local(error.to_string()))
        };
        let mut model = None;
        let mut summands = Vec::new();
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
            summands.extend(summand(&bytes, round, number));
        }
        let first = || {
            let sums = Digest::of("assay/summing/model/v1", &[&task.seed.0]);
            [
                &0_u64.to_le_bytes()[..],
                &bytes(&lanes(&sums).map(|lane| lane >> 32)),
            ]
            .concat()
        };
        let model = model.unwrap_or_else(first);
        if model.len() != MODEL_BYTES {
            return Err(refused("no model"));
        }
        Ok(Self {
            now: model.clone(),
            model,
            summands,
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
        if self.summands.len() < self.quorum.max(1) {
            return Ok(report(Taken::Invalid));
        }
        let (merged, sums) = self.now.split_at_checked(8).unwrap_or_default();
        let merged = merged.try_into().map_or(0, u64::from_le_bytes);
        let mut sums = read(sums).unwrap_or_default();
        for summand in &self.summands {
            for (sum, lane) in sums.iter_mut().zip(summand) {
                *sum = sum.wrapping_add(*lane);
            }
        }
        self.now = [&merged.wrapping_add(1).to_le_bytes()[..], &bytes(&sums)].concat();
        Ok(report(Taken::Valid))
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.now);
    }
}

/// An update that adds nothing, of the run with that specification.
pub(crate) fn forged_update(spec: &[u8]) -> Vec<u8> {
    let from = spec.len().saturating_sub(SUFFIX);
    let head = spec.get(from..).unwrap_or_default();
    [head, &bytes(&Lanes::default())].concat()
}

/// What an update adds, if it is one of this round and this trainer.
fn summand(update: &[u8], round: u64, trainer: u16) -> Option<Lanes> {
    let (head, lanes) = update.split_at_checked(SUFFIX)?;
    let own = [&round.to_le_bytes()[..], &u32::from(trainer).to_le_bytes()].concat();
    let lanes = read(lanes).filter(|_| head == own)?;
    lanes.iter().all(|lane| *lane < 1 << 32).then_some(lanes)
}

fn lanes(of: &Digest) -> Lanes {
    read(&of.0).unwrap_or_default()
}

fn bytes(lanes: &Lanes) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

fn read(bytes: &[u8]) -> Option<Lanes> {
    let (parts, []) = bytes.as_chunks::<8>() else {
        return None;
    };
    let lanes: Vec<u64> = parts.iter().map(|part| u64::from_le_bytes(*part)).collect();
    lanes.try_into().ok()
}
