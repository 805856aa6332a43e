//! Rules that look at each coordinate alone: median, trimmed mean, and the second half of Bulyan.
//!
//! Columns are sorted by a network, the same comparisons for all, so that a vector instruction sorts
//! several side by side and no branch depends on a value.

use std::ops::Range;

use assay_kernel::{Kernel, SORT_WIDTH};

use crate::arith::mean;
use crate::error::AggregateError;
use crate::pass::{Block, pass};
use crate::updates::Updates;

/// What becomes of a sorted column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// The middle value, or of two their mean rounded to the nearest, ties to even.
    Median,
    /// The mean of what is left without so many of the smallest and of the largest.
    Trimmed(usize),
    /// The mean of so many values nearest to the median; of two as near, the smaller.
    Nearest(usize),
}

/// Sorted columns of some of the updates.
pub(crate) struct Columns<'a> {
    kernel: &'a Kernel,
    among: Vec<usize>,
    network: Vec<(u32, u32)>,
    column: Column,
}

/// Where a thread sorts, and what it knows of the bounds of each column.
struct Sorting {
    rows: Vec<[i32; SORT_WIDTH]>,
    low: Vec<i32>,
    high: Vec<i32>,
}

impl<'a> Columns<'a> {
    /// A rule for the columns of these updates.
    pub(crate) fn new(kernel: &'a Kernel, among: Vec<usize>, column: Column) -> Columns<'a> {
        let network = network(among.len());
        Columns {
            kernel,
            among,
            network,
            column,
        }
    }

    /// Applies the rule to every coordinate. The numbers are those of [`Columns::apply`].
    pub(crate) fn run(
        &self,
        updates: &dyn Updates,
    ) -> Result<(Vec<i32>, Vec<i128>), AggregateError> {
        let mut out = vec![0; updates.shape().coordinates()];
        let counts = pass(self.kernel, updates, &mut out, |block, out, counts| {
            self.apply(block, out, Some(counts));
        })?;
        Ok((out, counts))
    }

    /// Applies the rule to a block; counts for each update how many of its values a trimmed mean leaves
    /// out for certain: those beyond the outermost kept ones.
    pub(crate) fn apply(&self, block: &Block<'_>, out: &mut [i32], counts: Option<&mut [i64]>) {
        let width = out.len();
        let mut sorting = Sorting {
            rows: vec![[0; SORT_WIDTH]; self.among.len()],
            low: vec![0; width],
            high: vec![0; width],
        };
        for first in (0..width).step_by(SORT_WIDTH) {
            let part = first..(first + SORT_WIDTH).min(width);
            for (sorted, update) in sorting.rows.iter_mut().zip(&self.among) {
                if let (Some(to), Some(from)) = (
                    sorted.get_mut(..part.len()),
                    block.row(*update).get(part.clone()),
                ) {
                    to.copy_from_slice(from);
                }
            }
            self.kernel.sort_columns(&mut sorting.rows, &self.network);
            self.reduce(&mut sorting, part, out);
        }
        if let (Column::Trimmed(_), Some(counts)) = (self.column, counts) {
            for (update, count) in self.among.iter().zip(counts) {
                let beyond =
                    self.kernel
                        .count_outside(block.row(*update), &sorting.low, &sorting.high);
                *count += i64::from(beyond);
            }
        }
    }

    fn reduce(&self, sorting: &mut Sorting, part: Range<usize>, out: &mut [i32]) {
        let rows = &sorting.rows;
        let count = rows.len();
        let row = |rank: usize| rows.get(rank).copied().unwrap_or([0; SORT_WIDTH]);
        let (lower, upper) = (row(count.saturating_sub(1) / 2), row(count / 2));
        let values: [i32; SORT_WIDTH] = match self.column {
            Column::Median => {
                std::array::from_fn(|c| mean(i64::from(lower[c]) + i64::from(upper[c]), 2))
            }
            Column::Trimmed(cut) => {
                let kept = rows.get(cut..count.saturating_sub(cut)).unwrap_or_default();
                let sums = self.kernel.sum_columns(kept);
                let (low, high) = (row(cut), row(count.saturating_sub(cut + 1)));
                sorting.low[part.clone()].copy_from_slice(&low[..part.len()]);
                sorting.high[part.clone()].copy_from_slice(&high[..part.len()]);
                sums.map(|sum| mean(sum, kept.len().max(1) as i64))
            }
            Column::Nearest(keep) => std::array::from_fn(|c| {
                let twice = i64::from(lower[c]) + i64::from(upper[c]);
                nearest(rows, c, twice, keep)
            }),
        };
        if let Some(out) = out.get_mut(part.clone()) {
            out.copy_from_slice(&values[..part.len()]);
        }
    }
}

/// The mean of the `keep` values of a sorted column nearest to the median, of which `twice` is told.
/// Those nearest are neighbours in the column, so the farther of its ends is left out again and again.
fn nearest(rows: &[[i32; SORT_WIDTH]], column: usize, twice: i64, keep: usize) -> i32 {
    let value = |row: &[i32; SORT_WIDTH]| i64::from(row[column]);
    let mut kept = rows;
    while let ([low, .., high], true) = (kept, kept.len() > keep.max(1)) {
        let below = twice - 2 * value(low);
        let above = 2 * value(high) - twice;
        kept = if below > above {
            &kept[1..]
        } else {
            &kept[..kept.len() - 1]
        };
    }
    mean(kept.iter().map(value).sum(), kept.len().max(1) as i64)
}

/// Batcher's merge exchange for `count` values: Knuth, The Art of Computer Programming, volume 3, section
/// 5.2.2, algorithm M.
pub(crate) fn network(count: usize) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    let top = count.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            let lows = (0..count.saturating_sub(d)).filter(|i| i & p == r);
            pairs.extend(lows.map(|i| (i as u32, (i + d) as u32)));
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network sorts everything if it sorts zeros and ones (Knuth, theorem Z).
    #[test]
    fn networks_of_up_to_sixteen_sort_all_zeros_and_ones() {
        for count in 0..=16usize {
            let network = network(count);
            for bits in 0..1u32 << count {
                let mut values: Vec<u32> = (0..count).map(|i| (bits >> i) & 1).collect();
                for (low, high) in &network {
                    let (low, high) = (*low as usize, *high as usize);
                    assert!(low < high && high < count);
                    if values[low] > values[high] {
                        values.swap(low, high);
                    }
                }
                assert!(values.is_sorted(), "{count} {bits:b}");
            }
        }
    }

    #[test]
    fn larger_networks_sort_too() {
        for count in [17usize, 31, 33, 64, 100, 257, 1000] {
            let mut values: Vec<u64> = (0..count as u64)
                .map(|i| i * 2_654_435_761 % 1009)
                .collect();
            for (low, high) in network(count) {
                if values[low as usize] > values[high as usize] {
                    values.swap(low as usize, high as usize);
                }
            }
            assert!(values.is_sorted(), "{count}");
        }
    }

    #[test]
    fn the_nearest_are_taken_around_the_median_and_of_two_the_smaller() {
        let rows = [1, 4, 5, 6, 20].map(|value| [value; SORT_WIDTH]);
        assert_eq!(nearest(&rows, 0, 10, 1), 5);
        // 4 and 6 are as near: 4 stays.
        assert_eq!(nearest(&rows, 0, 10, 2), 4);
        assert_eq!(nearest(&rows, 0, 10, 3), 5);
        assert_eq!(nearest(&rows, 0, 10, 4), 4);
    }
}
