//! Products of all pairs of short rows of 16-bit integers, out of register tiles. Sums of integers
//! have no order, so every path gives the same.
//!
//! A vector instruction multiplies 16-bit integers, adds neighbours and leaves sums of 32 bits in eight
//! lanes, each of which sees the same 64 values of every row. Where no lane's squares add up to `2^31`, no
//! lane's products do (Cauchy and Schwarz), and sums modulo 2^32 are the sums. Where one does, a second
//! product over the upper bytes says which multiple of 2^32 is missing: with `v = 256 h + l`,
//! `-128 <= l < 128`, the sum over a lane is `2^16` times that of `h h'`, and a rest of at most
//! `64 (2^8 (2^14 + 2^14) + 2^14) < 2^30` in magnitude, which 32 bits tell.

use crate::arith::Arith;
use crate::dispatch::Path;

/// Values of a row.
pub(crate) const DEPTH: usize = 512;

/// Rows on each side of a tile.
pub(crate) const SIDE: usize = 3;

/// Partial sums of a product of two rows.
const LANES: usize = 8;

/// A row.
pub(crate) type Row = [i16; DEPTH];

/// The products of up to [`SIDE`] rows with up to [`SIDE`] others.
pub(crate) type Products = [[i64; SIDE]; SIDE];

/// Rows, and the upper bytes of all where they are needed.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [Row],
    pub(crate) upper: Option<&'a [Row]>,
}

/// Whether no lane of any row has squares that add up to `2^31`. Sums are of sixty-fourths, rounded up.
#[inline(always)]
pub(crate) fn is_narrow<F: Arith>(rows: &[Row]) -> bool {
    let mut most = 0;
    for row in rows {
        let mut sums = [0u32; LANES];
        for values in row.as_chunks::<{ 2 * LANES }>().0 {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let [a, b] = [values[2 * lane], values[2 * lane + 1]].map(i32::from);
                let square = |value: i32| value.wrapping_mul(value) as u32;
                *sum = sum.wrapping_add((square(a).wrapping_add(square(b)) >> 6) + 1);
            }
        }
        most = sums.into_iter().fold(most, u32::max);
    }
    most < 1 << 25
}

/// The upper bytes of rows, rounded to the nearest.
#[inline(always)]
pub(crate) fn upper_bytes<F: Arith>(rows: &[Row], upper: &mut [Row]) {
    for (row, upper) in rows.iter().zip(upper) {
        for (value, upper) in row.iter().zip(upper) {
            *upper = (value >> 8).wrapping_add((value >> 7) & 1);
        }
    }
}

/// The products of the rows from `left` on with the rows from `right` on, at most [`SIDE`] each.
pub(crate) fn products(path: Path, rows: Rows<'_>, left: usize, right: usize) -> Products {
    #[cfg(target_arch = "x86_64")]
    if matches!(path, Path::Avx2 | Path::Avx512)
        && let (Some(a), Some(b)) = (full(rows.values, left), full(rows.values, right))
    {
        let upper = rows
            .upper
            .and_then(|upper| full(upper, left).zip(full(upper, right)));
        // SAFETY: `Kernel` holds a path only after its instructions were detected, and that of
        // AVX-512 asks for AVX2 too.
        return unsafe { x86::products(a, b, upper) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = path;
    let mut out = [[0; SIDE]; SIDE];
    for (line, a) in out.iter_mut().zip(side(rows.values, left)) {
        for (value, b) in line.iter_mut().zip(side(rows.values, right)) {
            *value = if rows.upper.is_some() {
                wide(a, b)
            } else {
                narrow(a, b)
            };
        }
    }
    out
}

/// The rows of a tile's side.
fn side(rows: &[Row], at: usize) -> &[Row] {
    let rows = rows.get(at..).unwrap_or_default();
    rows.get(..SIDE).unwrap_or(rows)
}

/// The rows of a whole side.
#[cfg(target_arch = "x86_64")]
fn full(rows: &[Row], at: usize) -> Option<&[Row; SIDE]> {
    side(rows, at).first_chunk()
}

fn wide(a: &Row, b: &Row) -> i64 {
    let products = a
        .iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a).wrapping_mul(i32::from(*b)));
    products.map(i64::from).sum()
}

/// The product of two rows of which [`is_narrow`] holds.
fn narrow(a: &Row, b: &Row) -> i64 {
    let mut sums = [0i32; LANES];
    let (a, b) = (
        a.as_chunks::<{ 2 * LANES }>().0,
        b.as_chunks::<{ 2 * LANES }>().0,
    );
    for (a, b) in a.iter().zip(b) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let product = |at: usize| i32::from(a[at]).wrapping_mul(i32::from(b[at]));
            *sum = sum.wrapping_add(product(2 * lane).wrapping_add(product(2 * lane + 1)));
        }
    }
    sums.into_iter().map(i64::from).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{DEPTH, Products, Row, SIDE};

    /// Partial sums of nine products, in eight lanes each.
    type Sums = [[__m256i; SIDE]; SIDE];

    #[target_feature(enable = "avx2")]
    pub(super) fn products(
        left: &[Row; SIDE],
        right: &[Row; SIDE],
        upper: Option<(&[Row; SIDE], &[Row; SIDE])>,
    ) -> Products {
        let values = lanes(left, right);
        let mut out = [[0; SIDE]; SIDE];
        let upper = upper.map(|(left, right)| lanes(left, right));
        for (i, out) in out.iter_mut().enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                let value = values[i][j];
                *out = match &upper {
                    None => total(value),
                    Some(upper) => {
                        let high = upper[i][j];
                        let rest = _mm256_sub_epi32(value, _mm256_slli_epi32::<16>(high));
                        (total(high) << 16) + total(rest)
                    }
                };
            }
        }
        out
    }

    /// The sum of eight lanes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn total(lanes: __m256i) -> i64 {
        let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(lanes));
        let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(lanes));
        let four = _mm256_add_epi64(low, high);
        let two = _mm_add_epi64(
            _mm256_castsi256_si128(four),
            _mm256_extracti128_si256::<1>(four),
        );
        _mm_cvtsi128_si64(two).wrapping_add(_mm_extract_epi64::<1>(two))
    }

    /// Nine products at once: sixteen multiply-adds an instruction, sums in nine registers.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn lanes(left: &[Row; SIDE], right: &[Row; SIDE]) -> Sums {
        let left = left.each_ref().map(|row| row.as_chunks::<16>().0);
        let right = right.each_ref().map(|row| row.as_chunks::<16>().0);
        let mut sums = [[_mm256_setzero_si256(); SIDE]; SIDE];
        for at in 0..DEPTH / 16 {
            let right = right.map(|row| load(&row[at]));
            for (sums, row) in sums.iter_mut().zip(left) {
                let left = load(&row[at]);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(left, right));
                }
            }
        }
        sums
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(values: &[i16; 16]) -> __m256i {
        // SAFETY: the array has the 32 bytes that are read, and needs no alignment.
        unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
    }
}
