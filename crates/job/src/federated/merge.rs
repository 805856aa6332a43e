//! The side of those who merge: the first model, and the next one of the updates that came.

use assay_aggregate::{Fate, Rule, Settings, Shape, peak_bytes};
use assay_crypto::Digest;
use assay_estimator::State;
use assay_kernel::{ConfigError, Kernel};
use assay_rounds::{self as rounds, Event, RoundSpec, Rounds, Submission, Unmerged, UpdateFault};

use super::{run, spec};
use crate::build_error::{BuildError, chain};
use crate::inputs::MODEL;

/// What the updates of a round came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The bytes of the next model; where nothing was merged, the model stays, and this says why.
    pub model: Result<Vec<u8>, Unmerged>,
    /// Updates that counted.
    pub updates: u32,
    /// Trainers whose update did not count, ascending, and why.
    pub left_out: Vec<(u16, LeftOut)>,
    /// What the rule did to updates that counted, by trainer.
    pub fates: Vec<(u16, Fate)>,
}

/// Why what a trainer committed to did not count.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeftOut {
    /// It is still parameters: the run was given up, or they make no update.
    #[error("its trainer could make no update")]
    NoUpdate,
    /// It is no update that counts in this round.
    #[error(transparent)]
    Update(#[from] rounds::LeftOut),
}

/// The bytes of the model that the first round begins with; `seed` is drawn once everybody has joined. They are those of a
/// [`State`], as those of all models are.
///
/// # Errors
/// When the specification is none of this kind.
pub fn first_model(spec: &[u8], seed: &Digest) -> Result<Vec<u8>, BuildError> {
    let rounds = Rounds::new(spec::decode(spec)?, seed);
    let rounds = rounds.map_err(|error| BuildError::Specification(chain(&error)))?;
    Ok(rounds.model().to_bytes())
}

/// Makes the next model of the last states of trainers' runs, each under its trainer's number; of two of one trainer
/// only one counts. Whoever has the same states comes to the same bits, in whatever order they are.
///
/// `spec` is the order's, `round` counts from 0, `model` is what the round began with, and `seed` is drawn once the
/// states are fixed.
///
/// # Errors
/// When specification or model are unusable, or this machine cannot compute: a round that merges nothing is no
/// error.
pub fn merge(
    spec: &[u8],
    round: u64,
    seed: &Digest,
    model: &[u8],
    updates: &[(u16, &[u8])],
) -> Result<Merged, BuildError> {
    let spec = spec::decode(spec)?;
    let resumed = Rounds::resume(spec.clone(), round, model);
    let mut resumed = resumed.map_err(|error| BuildError::input(MODEL, error))?;
    // Of two of one trainer the first counts, so what is first may not hang on who sorts.
    let mut updates = updates.to_vec();
    updates.sort_unstable();
    let submissions: Vec<Submission<'_>> = updates
        .iter()
        .map(|(trainer, bytes)| Submission {
            trainer: (*trainer).into(),
            // All weigh alike.
            rows: 1,
            bytes,
        })
        .collect();
    let merged = resumed.merge(&Kernel::detect()?, seed, &submissions);
    let merged = merged.map_err(ConfigError::from)?;
    let left_out = merged.left_out.into_iter().filter_map(|(place, why)| {
        let (trainer, bytes) = updates.get(place)?;
        Some((*trainer, told(&spec, bytes, why)))
    });
    let left_out: Vec<(u16, LeftOut)> = left_out.collect();
    let fates = merged.fates.into_iter();
    let fates = fates.filter_map(|(trainer, fate)| Some((u16::try_from(trainer).ok()?, fate)));
    Ok(Merged {
        // At most 4,096 count.
        updates: updates.len().saturating_sub(left_out.len()) as u32,
        model: match merged.event {
            Event::Merged { .. } => Ok(resumed.model().to_bytes()),
            Event::Unmerged(why) => Err(why),
        },
        left_out,
        fates: fates.collect(),
    })
}

fn told(spec: &RoundSpec, bytes: &[u8], why: rounds::LeftOut) -> LeftOut {
    let parameters = || State::from_bytes(bytes, &spec.learning.model).is_ok();
    match why {
        rounds::LeftOut::Fault(UpdateFault::NotAnUpdate) if parameters() => LeftOut::NoUpdate,
        why => why.into(),
    }
}

/// Bytes of memory that merging so many updates takes at most on this machine, the updates themselves among them.
///
/// # Errors
/// When the specification is none of this kind, there are none or more than can be merged, or this machine cannot
/// compute.
pub fn merging_bytes(spec: &[u8], updates: u16) -> Result<u64, BuildError> {
    let spec = spec::decode(spec)?;
    let footprint = run::footprint(&spec)?;
    let coordinates = run::coordinates(&footprint);
    let bits = spec.quantiser.bits();
    let shape = Shape::new(updates.into(), coordinates as usize, bits);
    let shape = shape.map_err(|error| BuildError::field("learning.model", error))?;
    let threads = Kernel::detect()?.threads();
    let rule = peak_bytes(&shape, &spec.aggregation, threads);
    let sent = coordinates.saturating_mul(bits.div_ceil(8).into());
    let sent = sent.saturating_mul(updates.into());
    // The model before and after, each as a state and as bytes.
    let models = footprint.state.saturating_mul(4);
    Ok(rule.saturating_add(sent).saturating_add(models))
}

/// Products that are added up, about, when so many updates of so many coordinates are merged.
pub(super) fn work(settings: &Settings, updates: u64, coordinates: u64) -> u128 {
    let rule = matches!(
        settings.rule,
        Rule::Krum { .. } | Rule::MultiKrum { .. } | Rule::Bulyan { .. }
    );
    let pairs = rule || settings.nearest_neighbours.is_some();
    let times = if pairs { updates } else { 1 };
    u128::from(updates) * u128::from(times) * u128::from(coordinates)
}
