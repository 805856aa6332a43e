//! Rules that move a centre towards the updates: geometric median and centred clipping. Both know the
//! length of every update from the centre, in 1/256 of a step, and take a weighted sum of all.

use assay_kernel::Kernel;

use crate::arith::{Divisor, divide, length, mean};
use crate::error::AggregateError;
use crate::norm::ONE;
use crate::pass::{Block, pass};
use crate::updates::Updates;

/// The factor of the nearest update in a geometric median.
pub(crate) const NEAREST: i32 = 1 << 20;

/// Where a centre came to lie.
pub(crate) struct Centred {
    /// The centre.
    pub(crate) centre: Vec<i32>,
    /// The factor that each update had in the last step.
    pub(crate) factors: Vec<i32>,
}

/// The weighted mean, `sum w x / sum w`.
pub(crate) fn weighted_mean(
    kernel: &Kernel,
    updates: &dyn Updates,
    weights: &[i32],
) -> Result<Vec<i32>, AggregateError> {
    let mut out = vec![0; updates.shape().coordinates()];
    pass(kernel, updates, &mut out, |block, out, _| {
        mean_of(kernel, block, weights, out)
    })?;
    Ok(out)
}

fn mean_of(kernel: &Kernel, block: &Block<'_>, weights: &[i32], out: &mut [i32]) {
    let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    if weights.iter().all(|weight| *weight == 1) && total * block.largest() <= Divisor::REACH {
        out.fill(0);
        block.rows().for_each(|row| kernel.add_integers(row, out));
        let divisor = Divisor::new(weights.len());
        out.iter_mut()
            .for_each(|value| *value = divisor.mean(*value));
        return;
    }
    let mut sums = vec![0; out.len()];
    for (row, weight) in block
        .rows()
        .zip(weights)
        .filter(|(_, weight)| **weight != 0)
    {
        kernel.multiply_add_integers(row, *weight, &mut sums);
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = mean(sum, total.max(1));
    }
}

/// Squared distances of a block from a centre.
pub(crate) fn measure(kernel: &Kernel, block: &Block<'_>, centre: &[i32], squares: &mut [i64]) {
    for (square, row) in squares.iter_mut().zip(block.rows()) {
        *square = kernel.squared_distance(row, centre);
    }
}

/// The geometric median by Weiszfeld's steps, smoothed (Pillutla, Kakade and Harchaoui, "Robust aggregation
/// for federated learning", 2022, algorithm 2): from the mean, `iterations` times the mean with weights
/// `1 / max(nu, |x - centre|)`, in units of `2^-20` of the largest, rounded down. `nu` is `sqrt(d)` steps,
/// about what rounding a centre to integers moves it by.
pub(crate) fn geometric_median(
    kernel: &Kernel,
    updates: &dyn Updates,
    iterations: u32,
) -> Result<Centred, AggregateError> {
    let shape = updates.shape();
    let least = length(shape.coordinates() as u128).max(1);
    let mut factors = vec![1; shape.updates()];
    let mut centre = vec![0; shape.coordinates()];
    for _ in 0..iterations {
        let squares = pass(kernel, updates, &mut centre, |block, centre, squares| {
            mean_of(kernel, block, &factors, centre);
            measure(kernel, block, centre, squares);
        })?;
        let lengths = squares
            .into_iter()
            .map(|square| length(square.unsigned_abs()).max(least));
        let lengths: Vec<u128> = lengths.collect();
        let nearest = lengths.iter().min().copied().unwrap_or(1);
        let factor = |length: &u128| (nearest * NEAREST as u128 / length) as i32;
        factors = lengths.iter().map(factor).collect();
    }
    let centre = weighted_mean(kernel, updates, &factors)?;
    Ok(Centred { centre, factors })
}

/// How far from the centre an update counts in full.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// So many steps.
    Steps(u64),
    /// The lower median of all lengths.
    Median,
}

/// Centred clipping (Karimireddy, He and Jaggi, "Learning from history for Byzantine robust optimization",
/// 2021, equation 6): `centre += 1/n sum (x - centre) min(1, reach / |x - centre|)`, with factors in
/// `2^-20`, rounded down, and the sum divided once. `squares` are the squared distances from the centre.
pub(crate) fn clip(
    kernel: &Kernel,
    updates: &dyn Updates,
    (mut centre, mut squares): (Vec<i32>, Vec<i128>),
    reach: Reach,
    iterations: u32,
) -> Result<Centred, AggregateError> {
    let mut factors = Vec::new();
    for _ in 0..iterations {
        let lengths: Vec<u128> = squares
            .iter()
            .map(|square| length(square.unsigned_abs()))
            .collect();
        let reach = match reach {
            Reach::Steps(steps) => u128::from(steps) << crate::arith::LENGTH_BITS,
            Reach::Median => {
                let mut sorted = lengths.clone();
                sorted.sort_unstable();
                sorted.get((sorted.len() - 1) / 2).copied().unwrap_or(0)
            }
        };
        let factor = |length: &u128| match (reach * ONE as u128).checked_div(*length) {
            Some(factor) => factor.min(ONE as u128) as i32,
            None => ONE,
        };
        factors = lengths.iter().map(factor).collect();
        squares = pass(kernel, updates, &mut centre, |block, centre, squares| {
            pull(kernel, block, &factors, centre);
            measure(kernel, block, centre, squares);
        })?;
    }
    Ok(Centred { centre, factors })
}

fn pull(kernel: &Kernel, block: &Block<'_>, factors: &[i32], centre: &mut [i32]) {
    let total: i64 = factors.iter().map(|factor| i64::from(*factor)).sum();
    let mut sums = vec![0; centre.len()];
    for (row, factor) in block.rows().zip(factors) {
        kernel.multiply_add_integers(row, *factor, &mut sums);
    }
    let by = factors.len() as i64 * i64::from(ONE);
    for (centre, sum) in centre.iter_mut().zip(sums) {
        *centre += divide(sum - total * i64::from(*centre), by) as i32;
    }
}
