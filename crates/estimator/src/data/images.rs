//! Images from arrays.

use super::npz::Array;
use super::samples::{Labels, Samples};
use crate::error::DataFault;

/// How arrays become rows of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Images {
    /// What every value is divided by: 255 for bytes, 1 where nothing is to change.
    pub divide_by: f32,
    /// How many classes there are.
    pub classes: u32,
}

impl Images {
    /// Rows of an array whose first axis counts images, with the classes of another one: one row an image,
    /// its values as they lie in the array. A convolution takes them as channels, height, width.
    ///
    /// # Errors
    /// When the arrays are of different lengths, a class is no whole number below the count, or a value is
    /// not finite.
    pub fn samples(&self, pixels: &Array, labels: &Array) -> Result<Samples, DataFault> {
        if !self.divide_by.is_finite() || self.divide_by <= 0.0 {
            return Err(DataFault::Divisor(self.divide_by));
        }
        let images = pixels.shape.first().copied().unwrap_or_default();
        let width = match images {
            0 => pixels.shape.iter().skip(1).product(),
            images => pixels.values.len() / images,
        };
        let one_each = match labels.shape[..] {
            [_] => true,
            [_, rest] => rest == 1,
            _ => false,
        };
        if !one_each || labels.values.len() != images {
            return Err(DataFault::Lengths {
                values: pixels.values.len(),
                width,
                labels: labels.values.len(),
            });
        }
        let class = |(row, value): (usize, &f32)| match *value {
            value if value >= 0.0 && value < self.classes as f32 && value.fract() == 0.0 => {
                Ok(value as u32)
            }
            _ => Err(DataFault::Class {
                row: row as u64,
                class: *value as u64,
                count: self.classes,
            }),
        };
        let classes = labels.values.iter().enumerate().map(class);
        let labels = Labels::classes(classes.collect::<Result<_, _>>()?, self.classes)?;
        let features = pixels.values.iter().map(|value| value / self.divide_by);
        Samples::new(features.collect(), width, labels)
    }
}
