//! What validators compute in a round, as a program: the model that the first round begins with, or the next one.

use assay_crypto::Digest;
use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};
use assay_proof::parties::{MERGING, update_name};
use assay_proof::{Program, ProgramError, StepReport, Task};

use super::merge::{first_model, merge};
use super::program::MAX_MODEL_BYTES;
use super::spec::run_suffix;
use crate::build_error::{BuildError, chain};
use crate::inputs::{MODEL, by_name, input};

/// The longest update that is read, in bytes: 2^24 coordinates of at most 3 bytes, and what stands before them.
const MAX_UPDATE_BYTES: u64 = (3 << 24) + 256;

/// Whether a specification is that of merging.
pub(super) fn is_merging(spec: &[u8]) -> bool {
    spec.ends_with(&MERGING.to_le_bytes())
}

/// Merging on this machine. Its state 0 is the model that the round begins with, or without one the first model
/// of all; step 1 makes the next model of the updates, and is invalid where they make none.
pub(super) struct Merging {
    /// The order's specification.
    spec: Vec<u8>,
    round: u64,
    seed: Digest,
    model: Vec<u8>,
    updates: Vec<(u16, Vec<u8>)>,
    now: Vec<u8>,
    fault: Option<String>,
}

impl Merging {
    /// Reads the model and the updates.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let (spec, round) = run_suffix(&task.spec)?;
        let inputs = by_name(task);
        let model = match inputs.contains_key(MODEL) {
            false => first_model(spec, &task.seed)?,
            true => {
                let model = input(&inputs, MODEL)?.whole(MAX_MODEL_BYTES);
                model
                    .map_err(|error| BuildError::unread(MODEL, error))?
                    .to_vec()
            }
        };
        let mut updates = Vec::new();
        for input in &task.inputs {
            let number = input.name.strip_prefix("update-");
            let number = number.and_then(|number| number.parse::<u16>().ok());
            let Some(number) = number.filter(|number| update_name(*number) == input.name) else {
                continue;
            };
            let bytes = input.handle.whole(MAX_UPDATE_BYTES);
            let bytes = bytes.map_err(|error| BuildError::unread("update", error))?;
            updates.push((number, bytes.to_vec()));
        }
        Ok(Self {
            spec: spec.to_vec(),
            round,
            seed: task.seed,
            now: model.clone(),
            model,
            updates,
            fault: None,
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
        let updates: Vec<(u16, &[u8])> = self.updates.iter().map(|(n, b)| (*n, &b[..])).collect();
        let merged = merge(&self.spec, self.round, &self.seed, &self.now, &updates);
        let merged = merged.map_err(|error| ProgramError::Refused(chain(&error)))?;
        let taken = match merged.model {
            Ok(model) => {
                self.now = model;
                self.fault = None;
                Taken::Valid
            }
            Err(why) => {
                self.fault = Some(chain(&why));
                Taken::Invalid
            }
        };
        Ok(StepReport {
            taken,
            ..StepReport::idle(step)
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.now);
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}
