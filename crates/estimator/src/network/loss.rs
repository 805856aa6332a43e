//! Losses and their gradients.

use assay_kernel::Kernel;

use crate::data::{Labels, Samples};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// `(z - y)^2`.
    Squared,
    /// The cross-entropy of the sigmoid of z: that of the softmax of (0, z).
    Logistic,
    /// The cross-entropy of the softmax.
    CrossEntropy,
}

/// The labels of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Targets {
    Values(Vec<f32>),
    Classes(Vec<i32>),
}

impl Targets {
    /// Those of some rows.
    pub(crate) fn of(samples: &Samples, rows: impl Iterator<Item = usize>) -> Self {
        match samples.labels() {
            Labels::Values(values) => Self::Values(rows.map(|row| values[row]).collect()),
            Labels::Classes { of, .. } => Self::Classes(rows.map(|row| of[row] as i32).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Classes(classes) => classes.len(),
        }
    }
}

impl Loss {
    /// The loss of each row, and in place of the outputs `z` the gradient of the mean of all.
    ///
    /// # Panics
    /// If the targets are of another kind, which is checked before.
    pub(crate) fn gradient(self, kernel: &Kernel, z: &mut Vec<f32>, targets: &Targets) -> Vec<f32> {
        let rows = targets.len();
        let mut losses = vec![0.0; rows];
        let scale = 1.0 / rows as f32;
        match (self, targets) {
            (Self::CrossEntropy, Targets::Classes(labels)) => {
                let classes = z.len() / rows.max(1);
                kernel.cross_entropy_gradient(z, labels, classes, &mut losses, scale);
            }
            (Self::Logistic, Targets::Classes(labels)) => {
                let mut pairs: Vec<f32> = z.iter().flat_map(|z| [0.0, *z]).collect();
                kernel.cross_entropy_gradient(&mut pairs, labels, 2, &mut losses, scale);
                let (pairs, _) = pairs.as_chunks::<2>();
                z.clear();
                z.extend(pairs.iter().map(|[_, gradient]| *gradient));
            }
            (Self::Squared, Targets::Values(values)) => {
                let mut difference = values.clone();
                kernel.scale(&mut difference, -1.0);
                kernel.add_assign(&mut difference, z);
                kernel.multiply(&difference, &difference, &mut losses);
                kernel.scale(&mut difference, 2.0 * scale);
                *z = difference;
            }
            _ => {
                // A NaN makes the step invalid rather than wrong.
                losses.fill(f32::NAN);
            }
        }
        losses
    }

    /// The loss of each row.
    pub(crate) fn losses(self, kernel: &Kernel, z: &[f32], targets: &Targets) -> Vec<f32> {
        self.gradient(kernel, &mut z.to_vec(), targets)
    }
}

/// The mean of losses: their lane sum, divided by their number.
pub(crate) fn mean(kernel: &Kernel, losses: &[f32]) -> f32 {
    kernel.sum(losses) / losses.len() as f32
}
