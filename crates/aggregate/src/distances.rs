//! Squared distances between all pairs of updates.
//!
//! `|x - y|^2 = |x|^2 + |y|^2 - 2 x y`, all of it exact: the products of all pairs are one matrix product
//! of the updates with themselves, in blocks of [`GRAM_DEPTH`] coordinates. Values of up to 16 bits
//! are multiplied as they are. Wider ones are `v = 4096 h + l` with `-2048 <= l < 2048`, and with
//! `s = h + l` three products make one (Karatsuba and Ofman, 1962):
//! `v v' = (2^24 - 2^12) h h' + 2^12 s s' + (1 - 2^12) l l'`.

use assay_kernel::{GRAM_DEPTH, Kernel};

use crate::error::AggregateError;
use crate::pass::{self, each};
use crate::updates::Updates;

/// Blocks whose products fit in 64 bits: 65,536 coordinates.
const FLUSH: usize = 128;

/// Coordinates of a block.
type Line = [i16; GRAM_DEPTH];

/// Squared distances, exact integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distances {
    count: usize,
    /// For every `i` those to `i`, `i + 1` and so on.
    packed: Vec<i128>,
}

impl Distances {
    /// How many updates they are between.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The squared distance between two updates.
    pub fn between(&self, one: usize, other: usize) -> u128 {
        let at = place(self.count, one.min(other), one.max(other));
        self.packed
            .get(at)
            .map_or(0, |distance| distance.unsigned_abs())
    }

    /// The same, times a power of two.
    pub(crate) fn shifted(mut self, power: u32) -> Distances {
        for distance in &mut self.packed {
            *distance <<= power;
        }
        self
    }

    /// The exact distances between all updates.
    ///
    /// # Errors
    /// When an update cannot be read, or a value is outside of the range.
    pub fn exact(kernel: &Kernel, updates: &dyn Updates) -> Result<Distances, AggregateError> {
        let shape = updates.shape();
        let count = shape.updates();
        let wide = shape.bits() > 16;
        let mut planes: Vec<Vec<Line>> =
            vec![vec![[0; GRAM_DEPTH]; count]; if wide { 3 } else { 1 }];
        let mut sums = vec![0i64; count * count];
        let mut packed = vec![0i128; count * (count + 1) / 2];
        for (block, first) in (0..shape.coordinates()).step_by(GRAM_DEPTH).enumerate() {
            let width = GRAM_DEPTH.min(shape.coordinates() - first);
            if let [high, low, both] = &mut planes[..] {
                let lines = high.iter_mut().zip(&mut *low).zip(&mut *both).enumerate();
                each(kernel, lines.collect(), |(update, ((high, low), both))| {
                    let mut values = [0; GRAM_DEPTH];
                    pass::read(updates, update, first, &mut values[..width])?;
                    cut(&values, high, low, both);
                    Ok(())
                })?;
                kernel.add_gram(high, (1 << 24) - (1 << 12), &mut sums);
                kernel.add_gram(both, 1 << 12, &mut sums);
                kernel.add_gram(low, 1 - (1 << 12), &mut sums);
            } else if let [lines] = &mut planes[..] {
                each(
                    kernel,
                    lines.iter_mut().enumerate().collect(),
                    |(update, line)| {
                        let mut values = [0; GRAM_DEPTH];
                        pass::read(updates, update, first, &mut values[..width])?;
                        // The range was checked: no value has more than 16 bits.
                        kernel.narrow_integers(&values, line);
                        Ok(())
                    },
                )?;
                kernel.add_gram(lines, 1, &mut sums);
            }
            if block % FLUSH == FLUSH - 1 {
                flush(count, &mut sums, &mut packed);
            }
        }
        flush(count, &mut sums, &mut packed);
        drop(sums);
        let norms: Vec<i128> = (0..count).map(|i| packed[place(count, i, i)]).collect();
        for (i, one) in norms.iter().enumerate() {
            for (j, other) in norms.iter().enumerate().skip(i) {
                let product = &mut packed[place(count, i, j)];
                *product = one + other - 2 * *product;
            }
        }
        Ok(Distances { count, packed })
    }
}

/// Where the pair lies, `low <= high`.
fn place(count: usize, low: usize, high: usize) -> usize {
    low * (2 * count - low + 1) / 2 + high - low
}

/// Moves sums of products to where they have room.
fn flush(count: usize, sums: &mut [i64], packed: &mut [i128]) {
    for i in 0..count {
        for j in i..count {
            let sum = &mut sums[i * count + j];
            packed[place(count, i, j)] += i128::from(std::mem::take(sum));
        }
    }
}

/// Cuts values of 24 bits into halves and their sums.
fn cut(values: &[i32; GRAM_DEPTH], high: &mut Line, low: &mut Line, both: &mut Line) {
    let lines = high.iter_mut().zip(low).zip(both);
    for (value, ((high, low), both)) in values.iter().zip(lines) {
        let upper = value.wrapping_add(2048) >> 12;
        let lower = value.wrapping_sub(upper << 12);
        *high = upper as i16;
        *low = lower as i16;
        *both = upper.wrapping_add(lower) as i16;
    }
}
