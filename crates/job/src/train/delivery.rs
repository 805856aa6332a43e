//! What a requester gets: the parameters, what they are of, and how good they are.

use assay_estimator::{Labels, Samples, Scores, Specification, State, TrainError, export, score};
use assay_kernel::Kernel;
use assay_ledger::Counts;
use assay_proof::Handle;

use super::{DATA, HELDOUT, rows};
use crate::build_error::BuildError;
use crate::delivery::Delivery;
use crate::inputs::{Inputs, input};

/// The file of the parameters.
const TENSORS: &str = "model.safetensors";
/// The file of what they do not say.
const DESCRIPTION: &str = "model.json";

pub(super) fn deliver(
    specification: &Specification,
    inputs: &Inputs,
    private: &Inputs,
    (counts, state): (&Counts, &[u8]),
) -> Result<Delivery, BuildError> {
    let state = State::from_bytes(state, &specification.model);
    let state = state.map_err(|error| BuildError::input("result", error))?;
    if state.steps() == 0 {
        let steps = counts.invalid;
        return Err(BuildError::NothingLearned { steps });
    }
    let mut delivery = of_model(&state, private)?;
    count(&mut delivery, "invalid_steps", counts.invalid);
    if counts.invalid > 0 {
        delivery.warnings.push(format!(
            "{} of {} steps gave a NaN or infinity and changed nothing; lower training.learning_rate, or \
             set training.max_grad_norm",
            counts.invalid,
            counts.worked()
        ));
    }
    let train = rows::shard(specification, DATA, input(inputs, DATA)?)?;
    delivery.notes = rows::notes(train.samples());
    if !private.contains_key(HELDOUT) {
        return Ok(delivery);
    }
    let held = rows::shard(specification, HELDOUT, input(private, HELDOUT)?)?;
    let held = held.samples();
    score_on(&mut delivery, &state, held, train.samples().labels())?;
    let shared = held.shared_with(train.samples());
    if shared > 0 {
        delivery.warnings.push(format!(
            "{shared} of {} held-out rows are among the rows that were trained on: they say nothing about \
             what was learned",
            held.rows()
        ));
    }
    Ok(delivery)
}

/// How good the parameters of a final state are on a test set, in millionths.
pub(super) fn millionths(
    specification: &Specification,
    state: &[u8],
    test: &Handle,
) -> Result<u64, BuildError> {
    let test = rows::shard(specification, TEST, test)?;
    let Ok(state) = State::from_bytes(state, &specification.model) else {
        return Ok(0);
    };
    match score(&Kernel::detect()?, &state, test.samples()) {
        Ok(scores) => Ok(scores.millionths()),
        Err(TrainError::Outputs(_)) => Ok(0),
        Err(source) => Err(BuildError::NoScore {
            name: TEST,
            source: Box::new(source),
        }),
    }
}

/// What a contest's test set is called.
const TEST: &str = "test";

/// Adds a figure that counts something.
pub(crate) fn count(delivery: &mut Delivery, name: &str, found: u64) {
    (delivery.figures).insert(name.to_owned(), found as f64);
}

/// The files of a model, with what the requester alone knows of its columns.
pub(crate) fn of_model(state: &State, private: &Inputs) -> Result<Delivery, BuildError> {
    let columns = rows::columns(private)?;
    let description = export::Description {
        features: columns.features,
        classes: columns.classes,
        scaling: columns.scaling,
        ..export::Description::of(state)
    };
    let tensors = export::to_safetensors(state);
    let tensors = tensors.map_err(|error| BuildError::input("result", error))?;
    Ok(Delivery {
        files: vec![
            (TENSORS.to_owned(), tensors),
            (DESCRIPTION.to_owned(), description.to_json().into_bytes()),
        ],
        ..Delivery::default()
    })
}

/// Adds the figures of a model on rows that were held out; `known` are labels from which the commonest class
/// is told.
pub(crate) fn score_on(
    delivery: &mut Delivery,
    state: &State,
    held: &Samples,
    known: &Labels,
) -> Result<(), BuildError> {
    let kernel = Kernel::detect()?;
    let scores: Scores = score(&kernel, state, held).map_err(|source| BuildError::NoScore {
        name: HELDOUT,
        source: Box::new(source),
    })?;
    let figures = [
        ("heldout_rows", Some(scores.rows as f64)),
        ("heldout_loss", Some(scores.loss())),
        ("accuracy", scores.accuracy()),
        (
            "accuracy_of_the_commonest_class",
            commonest(known, held.labels()),
        ),
        ("auc", scores.auc.as_ref().map(|auc| auc.value())),
        ("rmse", scores.rmse()),
        ("r2", scores.r2()),
    ];
    let there = figures
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    delivery.figures.extend(there);
    Ok(())
}

/// The share of rows that are of the class which most rows of training are of: what a model has to beat.
fn commonest(train: &Labels, held: &Labels) -> Option<f64> {
    let (Labels::Classes { count, of }, Labels::Classes { of: held, .. }) = (train, held) else {
        return None;
    };
    let mut rows = vec![0_u64; *count as usize];
    of.iter().for_each(|class| rows[*class as usize] += 1);
    // Of equally many the lowest class.
    let most = (0..*count)
        .rev()
        .max_by_key(|class| rows[*class as usize])?;
    let right = held.iter().filter(|class| **class == most).count();
    Some(right as f64 / held.len() as f64)
}
