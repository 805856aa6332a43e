//! RMSNorm and rotary embedding.

use super::expect_len;
use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::{norm, rope};

#[inline(always)]
fn rows_forward<F: Arith>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32], inv: &mut [f32]) {
    let cols = weight.len();
    for ((x, out), inv) in x
        .chunks_exact(cols)
        .zip(out.chunks_exact_mut(cols))
        .zip(inv)
    {
        *inv = norm::row::<F>(x, weight, eps, out);
    }
}

#[inline(always)]
fn rows_backward<F: Arith>(dy: &[f32], x: &[f32], weight: &[f32], inv: &[f32], dx: &mut [f32]) {
    let cols = weight.len();
    let rows = dy
        .chunks_exact(cols)
        .zip(x.chunks_exact(cols))
        .zip(dx.chunks_exact_mut(cols));
    for (((dy, x), dx), inv) in rows.zip(inv) {
        norm::row_backward::<F>(dy, x, weight, *inv, dx);
    }
}

#[inline(always)]
fn rotate<F: Arith>(
    x: &mut [f32],
    cos: &[f32],
    sin: &[f32],
    first: usize,
    seq: usize,
    heads: usize,
    inverse: bool,
) {
    let half = cos.len() / seq;
    for (row, x) in x.chunks_exact_mut(heads * half * 2).enumerate() {
        let table = ((first + row) % seq) * half;
        for head in x.chunks_exact_mut(half * 2) {
            rope::head::<F>(head, &cos[table..][..half], &sin[table..][..half], inverse);
        }
    }
}

impl Kernel {
    /// RMSNorm of every row of `x` (as wide as `weight`); `inv_rms` keeps one factor a row for
    /// the gradient.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn rmsnorm(
        &self,
        x: &[f32],
        weight: &[f32],
        eps: f32,
        out: &mut [f32],
        inv_rms: &mut [f32],
    ) {
        let (rows, cols) = (inv_rms.len(), weight.len());
        expect_len("x", x.len(), rows * cols);
        expect_len("out", out.len(), rows * cols);
        if cols == 0 {
            return inv_rms.fill(0.0);
        }
        self.for_rows(rows, 2 * cols, [cols, 1], [out, inv_rms], |r, [out, inv]| {
            let x = &x[r.start * cols..r.end * cols];
            dispatch!(
                self.path,
                rows_forward(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32], inv: &mut [f32])
            );
        });
    }

    /// The gradients of [`Kernel::rmsnorm`]; `dx` and `dweight` are overwritten.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn rmsnorm_backward(
        &self,
        dy: &[f32],
        x: &[f32],
        weight: &[f32],
        inv_rms: &[f32],
        dx: &mut [f32],
        dweight: Option<&mut [f32]>,
    ) {
        let (rows, cols) = (inv_rms.len(), weight.len());
        expect_len("dy", dy.len(), rows * cols);
        expect_len("x", x.len(), rows * cols);
        expect_len("dx", dx.len(), rows * cols);
        if cols == 0 {
            return;
        }
        self.for_rows(rows, 2 * cols, [cols], [dx], |r, [dx]| {
            let span = r.start * cols..r.end * cols;
            let (dy, x, inv) = (&dy[span.clone()], &x[span], &inv_rms[r]);
            dispatch!(
                self.path,
                rows_backward(dy: &[f32], x: &[f32], weight: &[f32], inv: &[f32], dx: &mut [f32])
            );
        });
        if let Some(dweight) = dweight {
            expect_len("dweight", dweight.len(), cols);
            self.for_rows(cols, rows, [1], [dweight], |r, [dweight]| {
                let first = r.start;
                dispatch!(
                    self.path,
                    norm::weight_gradient(
                        dy: &[f32],
                        x: &[f32],
                        inv_rms: &[f32],
                        cols: usize,
                        first: usize,
                        dweight: &mut [f32],
                    )
                );
            });
        }
    }

    /// Rotary embedding in place on `x`, `[batch * seq, heads * head_dim]`, rotating halves as
    /// Hugging Face lays them out. `cos` and `sin` are `[seq, head_dim / 2]`; `inverse` rotates
    /// back (the gradient).
    ///
    /// # Panics
    /// If `head_dim` is odd or the lengths disagree.
    #[allow(clippy::too_many_arguments)]
    pub fn rope(
        &self,
        x: &mut [f32],
        cos: &[f32],
        sin: &[f32],
        seq: usize,
        heads: usize,
        head_dim: usize,
        inverse: bool,
    ) {
        assert!(
            head_dim.is_multiple_of(2),
            "a head of {head_dim} values has no two halves"
        );
        expect_len("cos", cos.len(), seq * head_dim / 2);
        expect_len("sin", sin.len(), seq * head_dim / 2);
        let width = heads * head_dim;
        let rows = x.len().checked_div(width).unwrap_or(0);
        expect_len("x", x.len(), rows * width);
        if rows == 0 {
            return;
        }
        assert!(
            seq > 0 && rows.is_multiple_of(seq),
            "{rows} rows are no whole sequences of {seq}"
        );
        self.for_rows(rows, width, [width], [x], |r, [x]| {
            let first = r.start;
            dispatch!(
                self.path,
                rotate(
                    x: &mut [f32],
                    cos: &[f32],
                    sin: &[f32],
                    first: usize,
                    seq: usize,
                    heads: usize,
                    inverse: bool,
                )
            );
        });
    }
}
