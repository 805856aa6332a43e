//! How good parameters are on rows that they never saw.
//!
//! What machines must agree on is a whole number, or a sum in f64 over the rows in their order.

mod auc;

use assay_kernel::Kernel;

pub use auc::{Auc, auc};

use crate::data::{Labels, Samples};
use crate::error::{Fault, TrainError};
use crate::network::{Layout, Loss, Tape, Targets};
use crate::spec::ModelSpec;
use crate::train::{State, check_samples};

/// Rows that are computed at a time; no result depends on it.
const ROWS: usize = 256;

/// What rows say about parameters. What a kind of model does not have is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// How many rows there are; at least one.
    pub rows: u64,
    /// The sum of the rows' losses, ascending.
    pub loss_sum: f64,
    /// Rows whose class the model tells, the lowest of those it finds most likely.
    pub correct: Option<u64>,
    /// How well two classes are ranked; none where a class has no row.
    pub auc: Option<Auc>,
    /// The sum of squared errors, ascending.
    pub squared_error: Option<f64>,
    /// The sum of squared differences of the labels from their mean, in two passes, ascending.
    pub variation: Option<f64>,
}

impl Scores {
    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.rows as f64
    }

    /// The share of rows whose class the model tells.
    pub fn accuracy(&self) -> Option<f64> {
        Some(self.correct? as f64 / self.rows as f64)
    }

    /// The root of the mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        Some((self.squared_error? / self.rows as f64).sqrt())
    }

    /// The coefficient of determination; none where the labels are all the same.
    pub fn r2(&self) -> Option<f64> {
        let variation = self.variation.filter(|variation| *variation > 0.0)?;
        Some(1.0 - self.squared_error? / variation)
    }
}

impl Scores {
    /// How good it is in one whole number, in millionths, rounded down and at least 0: of classes the share of rows
    /// that are told right ([`Scores::accuracy`]), of numbers the coefficient of determination ([`Scores::r2`]), 0
    /// where that is negative or none. The same on every machine: rows are counted, and sums are taken in f64, in
    /// the order of the rows.
    pub fn millionths(&self) -> u64 {
        if let Some(correct) = self.correct {
            let rows = u128::from(self.rows.max(1));
            let share = u128::from(correct) * u128::from(MILLION) / rows;
            return u64::try_from(share).unwrap_or(MILLION);
        }
        let r2 = self.r2().unwrap_or(0.0).clamp(0.0, 1.0);
        (r2 * MILLION as f64).floor() as u64
    }
}

/// Parts in which [`Scores::millionths`] tells a score.
const MILLION: u64 = 1_000_000;

/// What the last layer gives for every row: a number, a logit, or one logit for each class.
///
/// # Errors
/// When the rows are not such as the model takes, or an output is not finite.
pub fn outputs(kernel: &Kernel, state: &State, samples: &Samples) -> Result<Vec<f32>, TrainError> {
    let layout = Layout::new(state.model())?;
    check_samples(&layout, samples)?;
    kernel.check_environment()?;
    let mut tape = Tape::new(&layout);
    let mut all = Vec::with_capacity(samples.rows() * layout.outputs());
    for rows in samples.features().chunks(ROWS * samples.width()) {
        tape.input().clear();
        tape.input().extend_from_slice(rows);
        let count = rows.len() / samples.width();
        let found = kernel.run(|| {
            tape.forward(kernel, &layout, state.parameters(), count)
                .cloned()
        });
        let found = found.map_err(|layer| {
            let name = layout.layers[layer].name();
            TrainError::Outputs(Fault::Output(format!("{layer} ({name})")))
        })?;
        all.extend(found);
    }
    Ok(all)
}

/// Scores parameters on rows.
///
/// # Errors
/// As [`outputs`], or when there are no rows.
pub fn score(kernel: &Kernel, state: &State, samples: &Samples) -> Result<Scores, TrainError> {
    let z = outputs(kernel, state, samples)?;
    let rows = samples.rows();
    if rows == 0 {
        return Err(TrainError::NoRows);
    }
    let layout = Layout::new(state.model())?;
    let width = layout.outputs();
    let mut loss_sum = 0.0;
    for first in (0..rows).step_by(ROWS) {
        let some = first..rows.min(first + ROWS);
        let targets = Targets::of(samples, some.clone());
        let z = &z[some.start * width..some.end * width];
        let losses = layout.loss.losses(kernel, z, &targets);
        loss_sum = losses
            .iter()
            .fold(loss_sum, |sum, loss| sum + f64::from(*loss));
    }
    let mut scores = Scores {
        rows: rows as u64,
        loss_sum,
        correct: None,
        auc: None,
        squared_error: None,
        variation: None,
    };
    match samples.labels() {
        Labels::Values(values) => {
            let square = |difference: f64| difference * difference;
            let pairs = values.iter().zip(&z);
            let errors = pairs.map(|(y, z)| square(f64::from(*z) - f64::from(*y)));
            scores.squared_error = Some(errors.fold(0.0, |sum, x| sum + x));
            let wide = || values.iter().map(|y| f64::from(*y));
            let mean = wide().fold(0.0, |sum, y| sum + y) / rows as f64;
            let differences = wide().map(|y| square(y - mean));
            scores.variation = Some(differences.fold(0.0, |sum, x| sum + x));
        }
        Labels::Classes { of, .. } => {
            let told = z.chunks_exact(width).map(|z| told(layout.loss, z));
            let right = told.zip(of).filter(|(told, class)| told == *class);
            scores.correct = Some(right.count() as u64);
            scores.auc = match state.model() {
                ModelSpec::Logistic { .. } => auc(&z, of),
                _ if width == 2 => auc(&margins(&z), of),
                _ => None,
            };
        }
    }
    Ok(scores)
}

/// The class that outputs tell: of equal ones the lowest.
fn told(loss: Loss, z: &[f32]) -> u32 {
    if loss == Loss::Logistic {
        return u32::from(z[0] > 0.0);
    }
    let mut best = 0;
    for (class, value) in z.iter().enumerate() {
        best = if *value > z[best] { class } else { best };
    }
    best as u32
}

/// How much more likely the second of two classes is.
fn margins(z: &[f32]) -> Vec<f32> {
    let (pairs, _) = z.as_chunks::<2>();
    pairs.iter().map(|[first, second]| second - first).collect()
}
