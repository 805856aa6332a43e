//! Rows and columns of integers: products, sums, distances and orders. Integers have no rounding, so
//! every path and every number of threads gives the same; only speed differs.

use rayon::prelude::*;

use super::expect_len;
use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::fast::gram;
use crate::kernel::Kernel;

/// Values of a row of [`Kernel::add_gram`].
pub const GRAM_DEPTH: usize = gram::DEPTH;

/// Columns that [`Kernel::sort_columns`] sorts side by side.
pub const SORT_WIDTH: usize = 32;

/// Rows of a band of [`Kernel::add_gram`], which stay near while the others pass over them.
const BAND: usize = 4 * gram::SIDE;

#[inline(always)]
fn sort<F: Arith>(rows: &mut [[i32; SORT_WIDTH]], network: &[(u32, u32)]) {
    for (low, high) in network {
        if let Ok([low, high]) = rows.get_disjoint_mut([*low as usize, *high as usize]) {
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = ((*low).min(*high), (*low).max(*high));
            }
        }
    }
}

#[inline(always)]
fn sum_columns<F: Arith>(rows: &[[i32; SORT_WIDTH]]) -> [i64; SORT_WIDTH] {
    let mut sums = [0i64; SORT_WIDTH];
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(i64::from(*value));
        }
    }
    sums
}

#[inline(always)]
fn narrow<F: Arith>(values: &[i32], out: &mut [i16]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = *value as i16;
    }
}

#[inline(always)]
fn multiply_add<F: Arith>(row: &[i32], factor: i32, sums: &mut [i64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(i64::from(*value).wrapping_mul(i64::from(factor)));
    }
}

#[inline(always)]
fn add<F: Arith>(row: &[i32], sums: &mut [i32]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(*value);
    }
}

#[inline(always)]
fn subtract<F: Arith>(row: &[i32], sums: &mut [i32]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_sub(*value);
    }
}

#[inline(always)]
fn distance<F: Arith>(row: &[i32], centre: &[i32]) -> i64 {
    let square = |(a, b): (&i32, &i32)| {
        let difference = i64::from(a.wrapping_sub(*b));
        difference.wrapping_mul(difference)
    };
    let squares = row.iter().zip(centre).map(square);
    squares.fold(0, i64::wrapping_add)
}

#[inline(always)]
fn outside<F: Arith>(row: &[i32], low: &[i32], high: &[i32]) -> u32 {
    let bounds = low.iter().zip(high);
    let count =
        |(value, (low, high)): (&i32, (&i32, &i32))| u32::from((value < low) | (value > high));
    row.iter().zip(bounds).map(count).fold(0, u32::wrapping_add)
}

impl Kernel {
    /// Adds `factor` times the product of rows `i` and `j` to `sums[i * n + j]`, for every `j >= i`
    /// of `n` rows. Sums are modulo 2^64; rows whose squares add up to less than `2^31` in 64 values take
    /// half the time.
    ///
    /// # Panics
    /// If `sums` has another size.
    pub fn add_gram(&self, rows: &[[i16; GRAM_DEPTH]], factor: i64, sums: &mut [i64]) {
        let count = rows.len();
        expect_len("sums", sums.len(), count * count);
        if count == 0 {
            return;
        }
        type Lines = [[i16; GRAM_DEPTH]];
        let mut upper = Vec::new();
        let narrow = dispatch!(self.path, gram::is_narrow(rows: &Lines) -> bool);
        if !narrow {
            upper.resize(count, [0; GRAM_DEPTH]);
            let upper = &mut upper[..];
            dispatch!(self.path, gram::upper_bytes(rows: &Lines, upper: &mut Lines));
        }
        let rows = gram::Rows {
            values: rows,
            upper: (!narrow).then_some(&upper),
        };
        let band = |(at, sums): (usize, &mut [i64])| self.gram_band(rows, at * BAND, factor, sums);
        let bands = sums.chunks_mut(BAND * count).enumerate();
        if self.useful_threads(count * count * GRAM_DEPTH / 8) == 1 || self.pool.is_none() {
            bands.for_each(band);
        } else {
            let bands: Vec<_> = bands.collect();
            self.run(|| bands.into_par_iter().for_each(band));
        }
    }

    /// The sums of the rows from `first` on, as many as `sums` has lines.
    fn gram_band(&self, rows: gram::Rows<'_>, first: usize, factor: i64, sums: &mut [i64]) {
        let count = rows.values.len();
        let end = (first + BAND).min(count);
        for right in (first..count).step_by(gram::SIDE) {
            for left in (first..end.min(right + gram::SIDE)).step_by(gram::SIDE) {
                let products = gram::products(self.path, rows, left, right);
                for (i, products) in (left..end).zip(products) {
                    for (j, product) in (right..count).zip(products) {
                        if j >= i {
                            let sum = &mut sums[(i - first) * count + j];
                            *sum = sum.wrapping_add(product.wrapping_mul(factor));
                        }
                    }
                }
            }
        }
    }

    /// Sorts every column, smallest value first, by a network: pairs of rows of which the first gets
    /// the smaller value and the second the larger, in this order. Pairs outside of the rows, or of a
    /// row with itself, are left out.
    pub fn sort_columns(&self, rows: &mut [[i32; SORT_WIDTH]], network: &[(u32, u32)]) {
        dispatch!(self.path, sort(rows: &mut [[i32; SORT_WIDTH]], network: &[(u32, u32)]));
    }

    /// The sum of every column.
    pub fn sum_columns(&self, rows: &[[i32; SORT_WIDTH]]) -> [i64; SORT_WIDTH] {
        dispatch!(self.path, sum_columns(rows: &[[i32; SORT_WIDTH]]) -> [i64; SORT_WIDTH])
    }

    /// The lower 16 bits of every value.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn narrow_integers(&self, values: &[i32], out: &mut [i16]) {
        expect_len("out", out.len(), values.len());
        dispatch!(self.path, narrow(values: &[i32], out: &mut [i16]));
    }

    /// `sums += row * factor`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn multiply_add_integers(&self, row: &[i32], factor: i32, sums: &mut [i64]) {
        expect_len("sums", sums.len(), row.len());
        dispatch!(self.path, multiply_add(row: &[i32], factor: i32, sums: &mut [i64]));
    }

    /// `sums += row`, element by element, modulo 2^32.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_integers(&self, row: &[i32], sums: &mut [i32]) {
        expect_len("sums", sums.len(), row.len());
        dispatch!(self.path, add(row: &[i32], sums: &mut [i32]));
    }

    /// `sums -= row`, element by element, modulo 2^32.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn subtract_integers(&self, row: &[i32], sums: &mut [i32]) {
        expect_len("sums", sums.len(), row.len());
        dispatch!(self.path, subtract(row: &[i32], sums: &mut [i32]));
    }

    /// The sum of the squared differences, modulo 2^64: exact while differences stay below 2^31 and
    /// the sum below 2^63.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn squared_distance(&self, row: &[i32], centre: &[i32]) -> i64 {
        expect_len("centre", centre.len(), row.len());
        dispatch!(self.path, distance(row: &[i32], centre: &[i32]) -> i64)
    }

    /// How many values lie below `low` or above `high`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn count_outside(&self, row: &[i32], low: &[i32], high: &[i32]) -> u32 {
        expect_len("low", low.len(), row.len());
        expect_len("high", high.len(), row.len());
        dispatch!(self.path, outside(row: &[i32], low: &[i32], high: &[i32]) -> u32)
    }
}

#[cfg(test)]
#[path = "integers_tests.rs"]
mod tests;
