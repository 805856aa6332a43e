//! How much an old update still counts.

use crate::Age;

/// One, in 1,048,576ths.
const ONE: i64 = 1 << 20;

impl Age {
    /// What an update counts that is so many rounds old, in 1,048,576ths; `None` where it is too old, or
    /// nothing is left. Each round takes the same share of what the one before left, rounded to the nearest, ties
    /// to even.
    pub fn factor(&self, rounds: u64) -> Option<u32> {
        if rounds > u64::from(self.most) {
            return None;
        }
        let decay = i64::from(self.decay).min(ONE);
        let left = (0..rounds).fold(ONE, |left, _| scaled(left, decay));
        u32::try_from(left).ok().filter(|left| *left > 0)
    }
}

/// `value * factor / 2^20`, rounded to the nearest, ties to even. `factor` is at most one and `value` below
/// `2^40`.
fn scaled(value: i64, factor: i64) -> i64 {
    let product = value * factor;
    let (whole, rest) = (product.div_euclid(ONE), product.rem_euclid(ONE));
    let up = rest > ONE / 2 || (rest == ONE / 2 && whole % 2 != 0);
    whole + i64::from(up)
}

/// What an update's values count with that factor.
pub(crate) fn aged(values: &mut [i32], factor: u32) {
    let factor = i64::from(factor);
    if factor < ONE {
        for value in values {
            // At most as large as it was.
            *value = scaled(i64::from(*value), factor) as i32;
        }
    }
}
