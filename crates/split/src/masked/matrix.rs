//! Frozen integer matrices and the product modulo 2^64.
//!
//! `C = A B` with `A` any 64-bit integers and `B` signed integers of at most `2^23` in magnitude,
//! each element the sum over the inner index modulo 2^64. Integer sums have no order, so any
//! blocking gives the same bits.
//!
//! A left side is walked in pairs of rows and the matrix in panels of columns, so that a block of
//! sums stays in registers; every processor multiplies one pair of 64-bit integers a cycle.

use assay_model::Base;
use assay_model::WeightId;

use super::fixed::Fixed;

/// Columns of a panel, and rows computed together.
const COLS: usize = 4;
const ROWS: usize = 2;

/// A quantised matrix, ready to be the right-hand side of products, transposed or not.
#[derive(Clone, Debug)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    exponent: i32,
    plain: Panels,
    transposed: Panels,
}

impl Matrix {
    /// Quantises a row-major matrix; `None` when a value is a NaN or infinity, or the length is 0 or
    /// not `rows * cols`.
    pub fn quantise(values: &[f32], rows: usize, cols: usize) -> Option<Self> {
        if values.is_empty() || rows.checked_mul(cols) != Some(values.len()) {
            return None;
        }
        let Fixed { integers, exponent } = Fixed::of(values)?;
        let plain = Panels::new(rows, cols, |k, j| integers[k * cols + j]);
        let transposed = Panels::new(cols, rows, |k, j| integers[j * cols + k]);
        Some(Self {
            rows,
            cols,
            exponent,
            plain,
            transposed,
        })
    }

    /// A matrix of a base.
    pub fn of(base: &Base, id: WeightId) -> Option<Self> {
        let (rows, cols) = base.spec().weights().get(id.0 as usize)?.matrix();
        Self::quantise(&base.weight(id), rows, cols)
    }

    /// Its exponent, which the requester needs to rescale.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Rows and columns of the right-hand side, transposed or not.
    pub fn shape(&self, transposed: bool) -> (usize, usize) {
        match transposed {
            true => (self.cols, self.rows),
            false => (self.rows, self.cols),
        }
    }

    /// `a B`, or with `transposed` `a B^T`, modulo 2^64; `None` when `a` is no whole number of
    /// rows.
    pub fn product(&self, a: &[u64], transposed: bool) -> Option<Vec<u64>> {
        let panels = if transposed {
            &self.transposed
        } else {
            &self.plain
        };
        a.len()
            .is_multiple_of(panels.inner)
            .then(|| panels.multiply(a))
    }
}

/// Columns in groups of [`COLS`], each group row by row.
#[derive(Clone, Debug)]
struct Panels {
    inner: usize,
    cols: usize,
    panels: Vec<[i32; COLS]>,
}

impl Panels {
    fn new(inner: usize, cols: usize, value: impl Fn(usize, usize) -> i32) -> Self {
        let mut panels = Vec::with_capacity(cols.div_ceil(COLS) * inner);
        for first in (0..cols).step_by(COLS) {
            for k in 0..inner {
                let one = |j: usize| match first + j < cols {
                    true => value(k, first + j),
                    false => 0,
                };
                panels.push(std::array::from_fn(one));
            }
        }
        Self {
            inner,
            cols,
            panels,
        }
    }

    fn multiply(&self, a: &[u64]) -> Vec<u64> {
        let rows = a.len() / self.inner;
        let mut out = vec![0; rows * self.cols];
        let row = |i: usize| &a[i * self.inner..][..self.inner];
        for i in (0..rows).step_by(ROWS) {
            let pair = [row(i), row((i + 1).min(rows - 1))];
            for (p, panel) in self.panels.chunks_exact(self.inner).enumerate() {
                let block = tile(pair, panel);
                let width = COLS.min(self.cols - p * COLS);
                for r in 0..ROWS.min(rows - i) {
                    let to = &mut out[(i + r) * self.cols + p * COLS..][..width];
                    to.copy_from_slice(&block[r][..width]);
                }
            }
        }
        out
    }
}

/// The sums of two rows and one panel.
#[inline]
fn tile([first, second]: [&[u64]; ROWS], panel: &[[i32; COLS]]) -> [[u64; COLS]; ROWS] {
    let mut sums = [[0u64; COLS]; ROWS];
    for ((a, b), columns) in first.iter().zip(second).zip(panel) {
        for (r, a) in [a, b].into_iter().enumerate() {
            for j in 0..COLS {
                let b = i64::from(columns[j]) as u64;
                sums[r][j] = sums[r][j].wrapping_add(a.wrapping_mul(b));
            }
        }
    }
    sums
}
