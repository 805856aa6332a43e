//! Where updates come from: read in blocks of coordinates, never copied as a whole.

use crate::error::AggregateError;
use crate::shape::{MAX_WEIGHT, Shape};

/// A set of updates that can be read in parts.
pub trait Updates: Sync {
    /// How many updates of how many coordinates and bits.
    fn shape(&self) -> Shape;

    /// How much an update counts in a weighted mean: the samples it was trained on. Rules that expect
    /// liars do not ask, for a liar says what it likes.
    fn weight(&self, update: usize) -> u64 {
        let _ = update;
        1
    }

    /// Writes the coordinates of one update from `first` on, as many as `out` holds.
    ///
    /// # Errors
    /// When they are not to be had.
    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError>;

    /// Writes `width` coordinates of every update from `first` on, update by update.
    ///
    /// # Errors
    /// When they are not to be had.
    fn read_block(
        &self,
        first: usize,
        width: usize,
        out: &mut [i32],
    ) -> Result<(), AggregateError> {
        for (update, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
            self.read(update, first, out)?;
        }
        Ok(())
    }
}

/// Updates in memory.
#[derive(Clone, Debug)]
pub struct Rows<'a, R> {
    rows: &'a [R],
    weights: Vec<u64>,
    shape: Shape,
}

impl<'a, R: AsRef<[i32]>> Rows<'a, R> {
    /// Updates of `bits` bits a value, each counting once.
    ///
    /// # Errors
    /// When they have different lengths, or are too many or too long.
    pub fn new(rows: &'a [R], bits: u8) -> Result<Self, AggregateError> {
        let coordinates = rows.first().map_or(0, |row| row.as_ref().len());
        let other = |row: &R| row.as_ref().len() != coordinates;
        if let Some(update) = rows.iter().position(other) {
            return Err(AggregateError::Unlike { update });
        }
        let shape = Shape::new(rows.len(), coordinates, bits)?;
        let weights = Vec::new();
        Ok(Rows {
            rows,
            weights,
            shape,
        })
    }

    /// The same with a weight for each.
    ///
    /// # Errors
    /// When there are more or fewer weights than updates, or one is too large or zero.
    pub fn weighted(self, weights: Vec<u64>) -> Result<Self, AggregateError> {
        check_weights(&weights, self.rows.len())?;
        Ok(Rows { weights, ..self })
    }
}

impl<R: AsRef<[i32]> + Sync> Updates for Rows<'_, R> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn weight(&self, update: usize) -> u64 {
        self.weights.get(update).copied().unwrap_or(1)
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        let row = self.rows.get(update).map(AsRef::as_ref);
        let part = row.and_then(|row| row.get(first..first.checked_add(out.len())?));
        let part = part.ok_or(AggregateError::unreadable(update, "it is shorter"))?;
        out.copy_from_slice(part);
        Ok(())
    }
}

/// None at all, or one for each of `updates`, within the bounds.
pub(crate) fn check_weights(weights: &[u64], updates: usize) -> Result<(), AggregateError> {
    if weights.is_empty() {
        return Ok(());
    }
    if weights.len() != updates {
        return Err(AggregateError::Weights(
            "they are more or fewer than the updates",
        ));
    }
    if weights
        .iter()
        .any(|weight| *weight == 0 || i32::try_from(*weight).is_err())
    {
        return Err(AggregateError::Weights("one is zero, or 2^31 or more"));
    }
    if weights.iter().sum::<u64>() > MAX_WEIGHT {
        return Err(AggregateError::Weights("their sum is too large"));
    }
    Ok(())
}
