//! Sums, multiples and reductions of whole tensors.

use super::expect_len;
use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::matrix::Store;
use crate::reference::{elementwise, norm, reduce};

#[inline(always)]
fn sum<F: Arith>(x: &[f32]) -> f32 {
    F::sum(x)
}

#[inline(always)]
fn dot<F: Arith>(a: &[f32], b: &[f32]) -> f32 {
    F::dot(a, b)
}

impl Kernel {
    /// `out = a + b`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(&self, a: &[f32], b: &[f32], out: &mut [f32]) {
        expect_len("b", b.len(), a.len());
        expect_len("out", out.len(), a.len());
        self.for_rows(a.len(), 3, [1], [out], |r, [out]| {
            let (a, b) = (&a[r.clone()], &b[r]);
            dispatch!(self.path, elementwise::add(a: &[f32], b: &[f32], out: &mut [f32]));
        });
    }

    /// `out = a * b`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn multiply(&self, a: &[f32], b: &[f32], out: &mut [f32]) {
        expect_len("b", b.len(), a.len());
        expect_len("out", out.len(), a.len());
        self.for_rows(a.len(), 3, [1], [out], |r, [out]| {
            let (a, b) = (&a[r.clone()], &b[r]);
            dispatch!(self.path, elementwise::multiply(a: &[f32], b: &[f32], out: &mut [f32]));
        });
    }

    /// `out = a / b`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn divide(&self, a: &[f32], b: &[f32], out: &mut [f32]) {
        expect_len("b", b.len(), a.len());
        expect_len("out", out.len(), a.len());
        self.for_rows(a.len(), 3, [1], [out], |r, [out]| {
            let (a, b) = (&a[r.clone()], &b[r]);
            dispatch!(self.path, elementwise::divide(a: &[f32], b: &[f32], out: &mut [f32]));
        });
    }

    /// `a = a + b`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_assign(&self, a: &mut [f32], b: &[f32]) {
        expect_len("b", b.len(), a.len());
        self.for_rows(a.len(), 3, [1], [a], |r, [a]| {
            let b = &b[r];
            dispatch!(self.path, elementwise::add_assign(a: &mut [f32], b: &[f32]));
        });
    }

    /// `x = x * factor`.
    pub fn scale(&self, x: &mut [f32], factor: f32) {
        self.for_rows(x.len(), 3, [1], [x], |_, [x]| {
            dispatch!(self.path, elementwise::scale(x: &mut [f32], factor: f32));
        });
    }

    /// Adds `bias` to every row of `x`, in place; rows are as wide as `bias`.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn add_bias_rows(&self, x: &mut [f32], bias: &[f32]) {
        let cols = bias.len();
        let rows = x.len().checked_div(cols).unwrap_or(0);
        expect_len("x", x.len(), rows * cols);
        self.for_rows(rows, 3 * cols, [cols], [x], |_, [x]| {
            dispatch!(self.path, elementwise::add_bias_rows(x: &mut [f32], bias: &[f32]));
        });
    }

    /// `out_rj = x_rj * factors_j`; rows are as wide as `factors`.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub fn scale_columns(&self, x: &[f32], factors: &[f32], out: &mut [f32]) {
        let cols = factors.len();
        let rows = x.len().checked_div(cols).unwrap_or(0);
        expect_len("x", x.len(), rows * cols);
        expect_len("out", out.len(), rows * cols);
        self.for_rows(rows, 3 * cols, [cols], [out], |r, [out]| {
            let x = &x[r.start * cols..r.end * cols];
            dispatch!(
                self.path,
                elementwise::scale_columns(x: &[f32], factors: &[f32], out: &mut [f32])
            );
        });
    }

    /// `out_j` = the sum over rows r of `a_rj * b_rj`, fused, in row blocks of 256; rows are as
    /// wide as `out`.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub fn column_dots(&self, a: &[f32], b: &[f32], out: &mut [f32], store: Store) {
        let cols = out.len();
        let rows = a.len().checked_div(cols).unwrap_or(0);
        expect_len("a", a.len(), rows * cols);
        expect_len("b", b.len(), rows * cols);
        let accumulate = store == Store::Accumulate;
        if cols == 0 {
            return;
        }
        self.for_rows(cols, 2 * rows, [1], [out], |r, [out]| {
            let first = r.start;
            dispatch!(
                self.path,
                reduce::column_dots(
                    a: &[f32],
                    b: &[f32],
                    cols: usize,
                    first: usize,
                    out: &mut [f32],
                    accumulate: bool,
                )
            );
        });
    }

    /// `out_r = sqrt(dot(x_r, x_r))`, the Euclidean norm of every row of `cols` values.
    ///
    /// # Panics
    /// If `x` is not `out.len()` rows of `cols` values.
    pub fn row_norms(&self, x: &[f32], cols: usize, out: &mut [f32]) {
        expect_len("x", x.len(), out.len() * cols);
        if cols == 0 {
            return out.fill(0.0);
        }
        self.for_rows(out.len(), cols, [1], [out], |r, [out]| {
            let x = &x[r.start * cols..r.end * cols];
            dispatch!(self.path, norm::row_norms(x: &[f32], cols: usize, out: &mut [f32]));
        });
    }

    /// `out_j` = the sum of column j of `x`, whose rows are as wide as `out`, in row blocks of 256.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn column_sums(&self, x: &[f32], out: &mut [f32], store: Store) {
        let cols = out.len();
        let rows = x.len().checked_div(cols).unwrap_or(0);
        expect_len("x", x.len(), rows * cols);
        let accumulate = store == Store::Accumulate;
        if cols == 0 {
            return;
        }
        self.for_rows(cols, rows, [1], [out], |r, [out]| {
            let first = r.start;
            dispatch!(
                self.path,
                reduce::column_sums(
                    x: &[f32],
                    cols: usize,
                    first: usize,
                    out: &mut [f32],
                    accumulate: bool,
                )
            );
        });
    }

    /// The sum of `x` over 32 lanes and the tree; +0 when empty.
    pub fn sum(&self, x: &[f32]) -> f32 {
        dispatch!(self.path, sum(x: &[f32]) -> f32)
    }

    /// The sum of `a_i * b_i` (of the squares, with `a` twice) over 32 lanes and the tree; +0 when empty.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        expect_len("b", b.len(), a.len());
        dispatch!(self.path, dot(a: &[f32], b: &[f32]) -> f32)
    }
}
