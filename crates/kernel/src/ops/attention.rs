//! Causal attention.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::attention;
use crate::shape::AttentionShape;

impl Kernel {
    /// Causal attention with grouped queries; `probs` keeps the probabilities for the gradient,
    /// with +0 at masked positions. Layouts: [`AttentionShape`].
    ///
    /// # Panics
    /// If `heads` is no multiple of `kv_heads` or a length disagrees with `shape`.
    #[allow(clippy::too_many_arguments)]
    pub fn attention(
        &self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        shape: AttentionShape,
        scale: f32,
        out: &mut [f32],
        probs: &mut [f32],
    ) {
        check(
            &shape,
            [("q", q.len()), ("out", out.len())],
            [("k", k.len()), ("v", v.len())],
        );
        expect_len("probs", probs.len(), shape.probs_len());
        let shape = &shape;
        dispatch!(
            self.path,
            attention::forward(
                q: &[f32],
                k: &[f32],
                v: &[f32],
                shape: &AttentionShape,
                scale: f32,
                out: &mut [f32],
                probs: &mut [f32],
            )
        );
    }

    /// The gradients of [`Kernel::attention`], overwritten.
    ///
    /// # Panics
    /// If `heads` is no multiple of `kv_heads` or a length disagrees with `shape`.
    #[allow(clippy::too_many_arguments)]
    pub fn attention_backward(
        &self,
        dout: &[f32],
        q: &[f32],
        k: &[f32],
        v: &[f32],
        probs: &[f32],
        shape: AttentionShape,
        scale: f32,
        dq: &mut [f32],
        dk: &mut [f32],
        dv: &mut [f32],
    ) {
        check(
            &shape,
            [("q", q.len()), ("dout", dout.len())],
            [("k", k.len()), ("v", v.len())],
        );
        check(
            &shape,
            [("dq", dq.len()); 2],
            [("dk", dk.len()), ("dv", dv.len())],
        );
        expect_len("probs", probs.len(), shape.probs_len());
        let shape = &shape;
        dispatch!(
            self.path,
            attention::backward(
                dout: &[f32],
                q: &[f32],
                k: &[f32],
                v: &[f32],
                probs: &[f32],
                shape: &AttentionShape,
                scale: f32,
                dq: &mut [f32],
                dk: &mut [f32],
                dv: &mut [f32],
            )
        );
    }
}

#[track_caller]
fn check(shape: &AttentionShape, queries: [(&str, usize); 2], keys: [(&str, usize); 2]) {
    assert!(
        shape.kv_heads > 0 && shape.heads.is_multiple_of(shape.kv_heads),
        "{} query heads are no multiple of {} key heads",
        shape.heads,
        shape.kv_heads
    );
    for (name, len) in queries {
        expect_len(name, len, shape.query_len());
    }
    for (name, len) in keys {
        expect_len(name, len, shape.key_len());
    }
}
