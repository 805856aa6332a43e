//! `kind = "federated"`: a small model by many trainers in rounds, each on rows that it keeps to itself.
//!
//! The order has a specification ([`RoundSpec`]) and no inputs. What one trainer does in one round is a program like
//! that of every other kind, as if it had been ordered alone:
//!
//! | | |
//! | --- | --- |
//! | specification | the order's, then the round (8 bytes) and the trainer's number (4), little-endian: [`run_spec`] |
//! | input `model` | the model that the round begins with, as [`State::to_bytes`] has it, at rest |
//! | input `rows` | the trainer's rows, as [`Shard::to_bytes`](assay_estimator::Shard::to_bytes) has them |
//! | seed | that of the round |
//! | steps | `local_steps + 1` |
//!
//! Its states are parameters, each the bytes of a [`State`], as long as it trains. The last step makes of them the
//! bytes of an [`Update`](assay_rounds::Update), so the last leaf of a trace binds what is merged. Both begin with letters of
//! their own, so nobody has to say which of them a state is. A trainer that can make no update keeps its
//! parameters as its last state, and is left out.
//!
//! Whoever merges has [`first_model`] and [`merge`]; whoever is about to take part asks [`check_terms`] and
//! [`check_rows`]. `docs/rounds.md` says what is computed.

mod aggregation;
mod file;
mod learning;
mod market;
mod merge;
mod merging;
mod program;
mod run;
mod spec;

use std::path::Path;

use assay_aggregate::Rule;
use assay_crypto::Digest;
use assay_estimator::State;
use assay_ledger::Counts;
use assay_model::ModelShape;
use assay_proof::{Program, Task, TaskInput};
use assay_rounds::RoundSpec;

use crate::build_error::BuildError;
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::inputs::{Inputs, MODEL, input};
use crate::kind::{Job, Kind};
use crate::price::{Price, Sizes};
use crate::train::delivery::{count, of_model, score_on};
use crate::train::{HELDOUT, rows};

pub use file::{deal, rows_of};
pub use merge::{LeftOut, Merged, first_model, merge, merging_bytes};
pub use run::{check_rows, check_terms};
pub use spec::{round_of, run_spec};

/// The kind's name in job files and on the ledger.
pub const KIND: &str = "federated";

/// Trains by rounds of many trainers; every step of a program is one batch of one of them, and the last one makes its
/// update.
#[derive(Debug)]
pub(crate) struct Federated;

impl Kind for Federated {
    fn name(&self) -> &'static str {
        KIND
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(file::FederatedFile)
    }

    fn read(&self, text: &str, folder: &Path) -> Result<Job, JobError> {
        file::read(&Federated, (text, folder))
    }

    fn program(&self, task: &Task) -> Result<Box<dyn Program>, BuildError> {
        Ok(match merging::is_merging(&task.spec) {
            true => Box::new(merging::Merging::new(task)?),
            false => Box::new(program::Round::new(task)?),
        })
    }

    fn check(&self, task: &Task, private: &Inputs) -> Result<(), BuildError> {
        self.check_private(&task.spec, &Inputs::new(), private)
    }

    fn check_private(
        &self,
        specification: &[u8],
        _inputs: &Inputs,
        private: &Inputs,
    ) -> Result<(), BuildError> {
        let spec = spec::decode(specification)?;
        if private.contains_key(HELDOUT) {
            rows::shard(&spec.learning, HELDOUT, input(private, HELDOUT)?)?;
        }
        rows::columns(private).map(drop)
    }

    fn rehearsal(&self, task: &Task, private: &Inputs) -> Result<Option<Task>, BuildError> {
        let Some(held) = private.get(HELDOUT) else {
            return Ok(None);
        };
        let model = first_model(&task.spec, &Digest::ZERO)?;
        let rows = TaskInput {
            name: spec::ROWS.to_owned(),
            handle: held.clone(),
        };
        Ok(Some(Task {
            spec: run_spec(&task.spec, 0, 0),
            inputs: vec![TaskInput::in_memory(MODEL, model), rows],
            ..task.clone()
        }))
    }

    fn notes(&self, specification: &[u8], _inputs: &Inputs) -> Result<Vec<String>, BuildError> {
        let settings = spec::decode(specification)?.aggregation;
        let plain = settings.rule == Rule::Mean
            && settings.nearest_neighbours.is_none()
            && settings.norm_bound.is_none();
        let note = "aggregation.rule: one trainer that lies decides a mean; leave [aggregation] out for a rule that \
                    stands three liars of ten";
        Ok(plain.then(|| note.to_owned()).into_iter().collect())
    }

    fn model(&self, _inputs: &Inputs) -> Result<Option<ModelShape>, BuildError> {
        Ok(None)
    }

    fn price(
        &self,
        specification: &[u8],
        _model: Option<&ModelShape>,
        inputs: &Sizes,
    ) -> Result<Price, BuildError> {
        run::price(&spec::either(specification)?, inputs)
    }

    /// Of the model's bytes: what steps came to is known to each trainer's auditors, so `counts` say nothing.
    fn deliver(
        &self,
        specification: &[u8],
        _inputs: &Inputs,
        private: &Inputs,
        (_, model): (&Counts, &[u8]),
    ) -> Result<Delivery, BuildError> {
        deliver(&spec::decode(specification)?, private, model)
    }
}

fn deliver(spec: &RoundSpec, private: &Inputs, model: &[u8]) -> Result<Delivery, BuildError> {
    let state = State::from_bytes(model, &spec.learning.model);
    let state = state.map_err(|error| BuildError::input("result", error))?;
    let mut delivery = of_model(&state, private)?;
    let rounds = state.steps() / spec.local_steps;
    count(&mut delivery, "rounds", rounds);
    if rounds == 0 {
        let text = "no round merged any update: this is the model that the order began with";
        delivery.warnings.push(text.to_owned());
    }
    if private.contains_key(HELDOUT) {
        let held = rows::shard(&spec.learning, HELDOUT, input(private, HELDOUT)?)?;
        let held = held.samples();
        score_on(&mut delivery, &state, held, held.labels())?;
    }
    Ok(delivery)
}
