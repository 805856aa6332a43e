//! The few operations on integers whose result needs a rule.

/// Fractional bits of a length: lengths are told in 1/256 of a step.
pub(crate) const LENGTH_BITS: u32 = 8;

/// `sum / by`, rounded to the nearest integer, ties to the even one. `by` is positive.
#[inline]
pub(crate) fn divide(sum: i64, by: i64) -> i64 {
    let low = sum.div_euclid(by);
    let twice = 2 * (sum - low * by);
    low + i64::from(twice > by || (twice == by && low & 1 == 1))
}

/// [`divide`] of a sum that is no further from zero than `by` times an `i32`.
#[inline]
pub(crate) fn mean(sum: i64, by: i64) -> i32 {
    divide(sum, by) as i32
}

/// [`divide`] by one number, many times, without a division: for sums of magnitude up to [`Divisor::REACH`].
///
/// With `l` the logarithm of `by`, rounded up, and `m = floor(2^(31+l) / by) + 1`, the upper bits of
/// `x m` are `floor(x / by)` for every `0 <= x < 2^31` (Granlund and Montgomery, "Division by invariant
/// integers using multiplication", 1994, theorem 4.2).
#[derive(Clone, Copy)]
pub(crate) struct Divisor {
    by: u32,
    factor: u64,
    shift: u32,
    /// A multiple of `by` that makes every sum positive.
    offset: u32,
    /// The quotient of that.
    back: u32,
}

impl Divisor {
    /// The largest magnitude of a sum.
    pub(crate) const REACH: i64 = 1 << 29;

    /// A divisor of up to 4,096.
    pub(crate) fn new(by: usize) -> Divisor {
        let by = by.clamp(1, 4096) as u32;
        let shift = 31 + by.next_power_of_two().trailing_zeros();
        // An even multiple, so that what is even stays so.
        let offset = (Self::REACH as u32).div_ceil(2 * by) * 2 * by;
        Divisor {
            by,
            factor: (1 << shift) / u64::from(by) + 1,
            shift,
            offset,
            back: offset / by,
        }
    }

    /// The quotient, rounded as by [`divide`].
    #[inline]
    pub(crate) fn mean(self, sum: i32) -> i32 {
        // Nothing wraps within the reach; unchecked, several are divided side by side.
        let sum = self.offset.wrapping_add(sum as u32);
        let low = (u64::from(sum).wrapping_mul(self.factor) >> self.shift) as u32;
        let rest = sum.wrapping_sub(low.wrapping_mul(self.by));
        let up = u32::from((rest << 1).wrapping_add(low & 1) > self.by);
        low.wrapping_add(up).wrapping_sub(self.back) as i32
    }
}

/// The length of which this is the square, in 1/256 of a step, rounded down.
pub(crate) fn length(squared: u128) -> u128 {
    (squared << (2 * LENGTH_BITS)).isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_the_nearest_and_the_even_one_of_two() {
        let cases = [
            (7, 2, 4),
            (5, 2, 2),
            (-5, 2, -2),
            (-7, 2, -4),
            (-3, 2, -2),
            (8, 3, 3),
            (-8, 3, -3),
            (7, 3, 2),
            (0, 9, 0),
        ];
        for (sum, by, wanted) in cases {
            assert_eq!(divide(sum, by), wanted, "{sum} / {by}");
        }
    }

    #[test]
    fn quotients_without_a_division_are_the_same() {
        for by in (1..=4096)
            .step_by(7)
            .chain([2, 3, 4, 70, 90, 100, 1024, 4095, 4096])
        {
            let divisor = Divisor::new(by);
            let ends = [-Divisor::REACH, Divisor::REACH].map(|end| end as i32);
            let near = (-5 * by as i32..5 * by as i32).step_by(by.div_ceil(40));
            for sum in near
                .chain(ends[0]..ends[0] + 50)
                .chain(ends[1] - 50..=ends[1])
            {
                assert_eq!(
                    divisor.mean(sum),
                    mean(i64::from(sum), by as i64),
                    "{sum} / {by}"
                );
            }
        }
    }

    #[test]
    fn lengths_are_roots_rounded_down() {
        assert_eq!(length(0), 0);
        assert_eq!(length(4), 2 << LENGTH_BITS);
        assert_eq!(length(2), 362);
        assert!(length(1 << 80) == 1 << 48);
    }
}
