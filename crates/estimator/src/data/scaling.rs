//! Standardisation by constants that everybody knows.

use assay_kernel::Kernel;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::samples::{MAX_WIDTH, Samples};
use crate::error::DataFault;

/// A mean and a factor for each feature: `x' = (x - mean) * factor`.
///
/// The constants are computed once, from rows that may be known, and stored with the task: whoever
/// trains, audits or uses the model applies the same ones. Computing them anew on every shard would give
/// each trainer another problem.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// What is subtracted.
    pub mean: Vec<f32>,
    /// What the difference is multiplied by.
    pub factor: Vec<f32>,
}

impl Scaling {
    /// Mean and inverse standard deviation (the population's, as scikit-learn's `StandardScaler`) of the
    /// features that are `numeric`; others are left as they are, and so is the width of a feature that
    /// never changes. Two passes in f64, rows ascending, rounded to f32 once.
    ///
    /// # Errors
    /// When there are no rows, or `numeric` says something about another number of features.
    pub fn of(samples: &Samples, numeric: &[bool]) -> Result<Self, DataFault> {
        let width = samples.width();
        if numeric.len() != width {
            return Err(DataFault::ScalingWidth {
                found: numeric.len(),
                wanted: width,
            });
        }
        if samples.rows() == 0 {
            return Err(DataFault::NoRows);
        }
        let rows = samples.rows() as f64;
        let constants = numeric.iter().enumerate().map(|(column, numeric)| {
            if !numeric {
                return (0.0, 1.0);
            }
            let values = || (0..samples.rows()).map(|row| f64::from(samples.row(row)[column]));
            let mean = values().fold(0.0, |sum, x| sum + x) / rows;
            let variance = values().fold(0.0, |sum, x| sum + (x - mean) * (x - mean)) / rows;
            let factor = if variance > 0.0 {
                (1.0 / variance.sqrt()) as f32
            } else {
                1.0
            };
            (mean as f32, factor)
        });
        let (mean, factor) = constants.unzip();
        let scaling = Self { mean, factor };
        scaling.check()?;
        Ok(scaling)
    }

    /// Checks constants from outside.
    ///
    /// # Errors
    /// When there are not as many means as factors, or one is not finite.
    pub fn check(&self) -> Result<(), DataFault> {
        let (found, wanted) = (self.mean.len(), self.factor.len());
        if found != wanted {
            return Err(DataFault::ScalingWidth { found, wanted });
        }
        if found == 0 || found > MAX_WIDTH {
            return Err(DataFault::Width(found));
        }
        let mut all = self.mean.iter().zip(&self.factor);
        match all.position(|(mean, factor)| !mean.is_finite() || !factor.is_finite()) {
            None => Ok(()),
            Some(column) => Err(DataFault::ScalingNotFinite(column as u64)),
        }
    }

    /// The same rows, standardised.
    ///
    /// # Errors
    /// When the constants are about another number of features, or a value leaves the range of f32.
    pub fn apply(&self, kernel: &Kernel, samples: &Samples) -> Result<Samples, DataFault> {
        self.check()?;
        let (found, wanted) = (self.mean.len(), samples.width());
        if found != wanted {
            return Err(DataFault::ScalingWidth { found, wanted });
        }
        let mut shifted = samples.features().to_vec();
        let negated: Vec<f32> = self.mean.iter().map(|mean| -mean).collect();
        kernel.add_bias_rows(&mut shifted, &negated);
        let mut features = vec![0.0; shifted.len()];
        kernel.scale_columns(&shifted, &self.factor, &mut features);
        Samples::new(features, wanted, samples.labels().clone())
    }
}
