//! SwiGLU, the rectifier, softmax and the loss.

use super::expect_len;
use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::{activation, loss};
use crate::shape::IGNORE;

/// Work units of an element with an exponential.
const EXP_COST: usize = 4;

#[inline(always)]
fn softmax<F: Arith>(x: &[f32], cols: usize, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        out.copy_from_slice(x);
        activation::softmax_in_place::<F>(out);
    }
}

#[inline(always)]
fn softmax_backward<F: Arith>(dy: &[f32], y: &[f32], cols: usize, dx: &mut [f32]) {
    let rows = dy.chunks_exact(cols).zip(y.chunks_exact(cols));
    for ((dy, y), dx) in rows.zip(dx.chunks_exact_mut(cols)) {
        activation::softmax_row_backward::<F>(dy, y, dx);
    }
}

#[inline(always)]
fn losses<F: Arith>(x: &[f32], labels: &[i32], vocab: usize, loss: &mut [f32]) {
    let mut scratch = vec![0.0; vocab];
    for ((x, label), loss) in x.chunks_exact(vocab).zip(labels).zip(loss) {
        *loss = if *label == IGNORE {
            0.0
        } else {
            scratch.copy_from_slice(x);
            loss::row::<F>(&mut scratch, *label as usize, None)
        };
    }
}

#[inline(always)]
fn losses_backward<F: Arith>(
    x: &mut [f32],
    labels: &[i32],
    vocab: usize,
    scale: f32,
    loss: &mut [f32],
) {
    for ((x, label), loss) in x.chunks_exact_mut(vocab).zip(labels).zip(loss) {
        *loss = if *label == IGNORE {
            x.fill(0.0);
            0.0
        } else {
            loss::row::<F>(x, *label as usize, Some(scale))
        };
    }
}

impl Kernel {
    /// `out = silu(gate) * up`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn silu_mul(&self, gate: &[f32], up: &[f32], out: &mut [f32]) {
        expect_len("up", up.len(), gate.len());
        expect_len("out", out.len(), gate.len());
        self.for_rows(gate.len(), EXP_COST, [1], [out], |r, [out]| {
            let (gate, up) = (&gate[r.clone()], &up[r]);
            dispatch!(
                self.path,
                activation::silu_mul(gate: &[f32], up: &[f32], out: &mut [f32])
            );
        });
    }

    /// The gradients of [`Kernel::silu_mul`], overwritten.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn silu_mul_backward(
        &self,
        dout: &[f32],
        gate: &[f32],
        up: &[f32],
        dgate: &mut [f32],
        dup: &mut [f32],
    ) {
        let n = dout.len();
        expect_len("gate", gate.len(), n);
        expect_len("up", up.len(), n);
        expect_len("dgate", dgate.len(), n);
        expect_len("dup", dup.len(), n);
        self.for_rows(n, EXP_COST, [1, 1], [dgate, dup], |r, [dgate, dup]| {
            let (dout, gate, up) = (&dout[r.clone()], &gate[r.clone()], &up[r]);
            dispatch!(
                self.path,
                activation::silu_mul_backward(
                    dout: &[f32],
                    gate: &[f32],
                    up: &[f32],
                    dgate: &mut [f32],
                    dup: &mut [f32],
                )
            );
        });
    }

    /// `out = x` where `x` is positive, else +0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn relu(&self, x: &[f32], out: &mut [f32]) {
        expect_len("out", out.len(), x.len());
        self.for_rows(x.len(), 3, [1], [out], |r, [out]| {
            let x = &x[r];
            dispatch!(self.path, activation::relu(x: &[f32], out: &mut [f32]));
        });
    }

    /// The gradient of [`Kernel::relu`] from its input `x`, overwritten.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn relu_backward(&self, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        expect_len("x", x.len(), dy.len());
        expect_len("dx", dx.len(), dy.len());
        self.for_rows(dy.len(), 3, [1], [dx], |r, [dx]| {
            let (dy, x) = (&dy[r.clone()], &x[r]);
            dispatch!(
                self.path,
                activation::relu_backward(dy: &[f32], x: &[f32], dx: &mut [f32])
            );
        });
    }

    /// The softmax of every row of `cols` values.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub fn softmax_rows(&self, x: &[f32], cols: usize, out: &mut [f32]) {
        let rows = x.len().checked_div(cols).unwrap_or(0);
        expect_len("x", x.len(), rows * cols);
        expect_len("out", out.len(), rows * cols);
        if rows == 0 {
            return;
        }
        self.for_rows(rows, EXP_COST * cols, [cols], [out], |r, [out]| {
            let x = &x[r.start * cols..r.end * cols];
            dispatch!(self.path, softmax(x: &[f32], cols: usize, out: &mut [f32]));
        });
    }

    /// The gradient of [`Kernel::softmax_rows`] from its output `y`, overwritten.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub fn softmax_rows_backward(&self, dy: &[f32], y: &[f32], cols: usize, dx: &mut [f32]) {
        let rows = y.len().checked_div(cols).unwrap_or(0);
        expect_len("y", y.len(), rows * cols);
        expect_len("dy", dy.len(), rows * cols);
        expect_len("dx", dx.len(), rows * cols);
        if rows == 0 {
            return;
        }
        self.for_rows(rows, 3 * cols, [cols], [dx], |r, [dx]| {
            let span = r.start * cols..r.end * cols;
            let (dy, y) = (&dy[span.clone()], &y[span]);
            dispatch!(
                self.path,
                softmax_backward(dy: &[f32], y: &[f32], cols: usize, dx: &mut [f32])
            );
        });
    }

    /// The cross-entropy of every row of `logits` (`vocab` wide) against its label, in nats; rows
    /// labelled [`IGNORE`] have loss +0.
    ///
    /// # Panics
    /// If the lengths disagree, or a label is neither [`IGNORE`] nor in `0..vocab`.
    pub fn cross_entropy(
        &self,
        logits: &[f32],
        labels: &[i32],
        vocab: usize,
        loss_per_row: &mut [f32],
    ) {
        check_rows(logits.len(), labels, vocab, loss_per_row.len());
        if vocab == 0 {
            return loss_per_row.fill(0.0);
        }
        let cost = EXP_COST * vocab;
        self.for_rows(labels.len(), cost, [1], [loss_per_row], |r, [loss]| {
            let (x, labels) = (&logits[r.start * vocab..r.end * vocab], &labels[r]);
            dispatch!(
                self.path,
                losses(x: &[f32], labels: &[i32], vocab: usize, loss: &mut [f32])
            );
        });
    }

    /// [`Kernel::cross_entropy`] with the gradient of the losses' sum times `scale` (1 / count for a
    /// mean) in the place of the logits; rows labelled [`IGNORE`] have gradient +0.
    ///
    /// # Panics
    /// As [`Kernel::cross_entropy`].
    pub fn cross_entropy_gradient(
        &self,
        logits: &mut [f32],
        labels: &[i32],
        vocab: usize,
        loss_per_row: &mut [f32],
        scale: f32,
    ) {
        check_rows(logits.len(), labels, vocab, loss_per_row.len());
        if vocab == 0 {
            return loss_per_row.fill(0.0);
        }
        let (cost, sizes) = (EXP_COST * vocab, [1, vocab]);
        self.for_rows(
            labels.len(),
            cost,
            sizes,
            [loss_per_row, logits],
            |r, [loss, x]| {
                let labels = &labels[r];
                dispatch!(
                    self.path,
                    losses_backward(
                        x: &mut [f32],
                        labels: &[i32],
                        vocab: usize,
                        scale: f32,
                        loss: &mut [f32],
                    )
                );
            },
        );
    }
}

/// Checks the sizes of a loss and its labels.
#[track_caller]
fn check_rows(logits: usize, labels: &[i32], vocab: usize, losses: usize) {
    expect_len("logits", logits, labels.len() * vocab);
    expect_len("losses", losses, labels.len());
    let known = |label: i32| label == IGNORE || (label >= 0 && (label as usize) < vocab);
    if let Some(label) = labels.iter().find(|label| !known(**label)) {
        assert!(
            known(*label),
            "label {label} lies outside the vocabulary of {vocab}"
        );
    }
}
