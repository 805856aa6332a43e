//! The norm bound: an update longer than `bound` steps is scaled down to it (Sun et al., "Can you really
//! backdoor federated learning?", 2019, section 4). Coordinates are rounded towards zero, so that
//! none comes out longer than the bound.

use assay_kernel::Kernel;

use crate::arith::{LENGTH_BITS, length};
use crate::error::AggregateError;
use crate::pass::pass;
use crate::shape::Shape;
use crate::updates::Updates;

/// One, as a factor.
pub(crate) const ONE: i32 = 1 << 20;

/// Updates, none longer than a bound.
pub(crate) struct Bounded<'a> {
    inner: &'a dyn Updates,
    factors: Vec<i32>,
}

impl<'a> Bounded<'a> {
    /// Measures every update and finds its factor, `min(1, bound / (|x| + 2^-8))` in `2^-20`, rounded down.
    pub(crate) fn new(
        kernel: &Kernel,
        inner: &'a dyn Updates,
        bound: u64,
    ) -> Result<Bounded<'a>, AggregateError> {
        let mut zeros = vec![0; inner.shape().coordinates()];
        let squares = pass(kernel, inner, &mut zeros, |block, zeros, squares| {
            for (square, row) in squares.iter_mut().zip(block.rows()) {
                *square = kernel.squared_distance(row, zeros);
            }
        })?;
        let bound = u128::from(bound) << LENGTH_BITS;
        let factor = |square: i128| {
            let square = square.unsigned_abs();
            if square << (2 * LENGTH_BITS) <= bound * bound {
                return ONE;
            }
            // A root that was rounded down is less than one too small.
            (bound * ONE as u128 / (length(square) + 1)).min(ONE as u128) as i32
        };
        let factors = squares.into_iter().map(factor).collect();
        Ok(Bounded { inner, factors })
    }

    /// The factor of each update, in `2^-20`.
    pub(crate) fn factors(&self) -> &[i32] {
        &self.factors
    }
}

impl Updates for Bounded<'_> {
    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    fn weight(&self, update: usize) -> u64 {
        self.inner.weight(update)
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        self.inner.read(update, first, out)?;
        let factor = self.factors.get(update).copied().unwrap_or(ONE);
        if factor < ONE {
            for value in out {
                *value = (i64::from(*value) * i64::from(factor) / i64::from(ONE)) as i32;
            }
        }
        Ok(())
    }
}
