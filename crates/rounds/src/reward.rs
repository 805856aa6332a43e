//! Who is paid what for a round.

use assay_estimator::{Samples, State, TrainError, score};
use assay_kernel::Kernel;

use crate::RoundSpec;
use crate::age::aged;
use crate::merge::moved;
use crate::update::Update;

/// What a trainer did for a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Steps of its run that stand.
    pub steps: u64,
    /// What its update does for rows that nobody trains on: see [`improvement`].
    pub improvement: i64,
}

/// By how much the mean loss on held-out rows falls if the model moves by one update alone, in 2^-20 nats,
/// rounded down; below zero where it rises. Where the model with it gives no usable outputs, it is the
/// least number there is. An update that is so many rounds old is measured as it counts, and is worth nothing
/// where it does not.
///
/// # Errors
/// When the rows are not such as the model takes, or already the model itself gives no usable outputs on them.
pub fn improvement(
    kernel: &Kernel,
    spec: &RoundSpec,
    model: &State,
    (update, rounds_old): (&Update<'_>, u64),
    heldout: &Samples,
) -> Result<i64, TrainError> {
    let before = score(kernel, model, heldout)?.loss();
    let Some(factor) = spec.age.factor(rounds_old) else {
        return Ok(0);
    };
    let mut values = update.to_vec();
    aged(&mut values, factor);
    let next = moved(kernel, spec, model.parameters(), &values);
    let Ok(next) = model.at_rest(next, model.steps()) else {
        return Ok(i64::MIN);
    };
    match score(kernel, &next, heldout) {
        // The cast cuts what lies outside of 64 bits, and makes zero of a NaN.
        Ok(scores) => Ok(((before - scores.loss()) * (1 << 20) as f64).floor() as i64),
        Err(TrainError::Outputs(_)) => Ok(i64::MIN),
        Err(error) => Err(error),
    }
}

/// What each gets of `pool`: in proportion to its steps times its improvement, from zero up to `most`,
/// rounded down. Nobody gets anything where nobody improved it; what is not shared out goes back to
/// who gave it.
pub fn shares(pool: u64, most: i64, parts: &[Part]) -> Vec<u64> {
    let most = most.max(0);
    // At most 2^63 * 2^40 each: steps are bounded by the specification.
    let weight = |part: &Part| {
        let improved = part.improvement.clamp(0, most).unsigned_abs();
        u128::from(part.steps.min(1 << 40)) * u128::from(improved)
    };
    let all: u128 = parts.iter().map(weight).sum();
    let share = |part: &Part| portion(pool, weight(part), all);
    parts.iter().map(share).collect()
}

/// `pool * weight / all`, rounded down; zero of nothing.
fn portion(pool: u64, weight: u128, all: u128) -> u64 {
    if all == 0 {
        return 0;
    }
    // Shifted so that the product fits 128 bits; both alike, so that the quotient stays within one unit in
    // 2^63 and is never more than the exact one.
    let excess = (128 - all.leading_zeros()).saturating_sub(63);
    let (weight, all) = (weight >> excess, (all >> excess) + u128::from(excess > 0));
    (u128::from(pool) * weight / all) as u64
}
