//! Causal attention.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::fast::attention as fast;
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
            0,
            [("q", q.len()), ("out", out.len())],
            [("k", k.len()), ("v", v.len())],
        );
        expect_len("probs", probs.len(), shape.probs_len());
        let shape = &shape;
        if let Some(inputs) = self.attention_inputs(q, k, v, shape, scale) {
            let (out, probs) = (target(out), target(probs));
            // SAFETY: the lengths were checked above and each task number runs once.
            let task = |n| unsafe { fast::forward(inputs, out, probs, n) };
            return self.attention_tasks(&inputs, square_work(shape, 2), task);
        }
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

    /// The last rows of [`Kernel::attention`] on one sequence, bit for bit: `shape.seq` queries at
    /// positions `past..` attend to `past + shape.seq` keys and values, of which the first `past`
    /// come from earlier calls (a cache). `shape.batch` is 1; `k` and `v` are
    /// `[past + seq, kv_heads * head_dim]`, `q` and `out` `[seq, heads * head_dim]`.
    ///
    /// # Panics
    /// If `shape.batch` is not 1, `heads` is no multiple of `kv_heads` or a length disagrees.
    #[allow(clippy::too_many_arguments)]
    pub fn attention_cached(
        &self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        shape: AttentionShape,
        past: usize,
        scale: f32,
        out: &mut [f32],
    ) {
        assert!(
            shape.batch == 1,
            "a cache holds one sequence, not {}",
            shape.batch
        );
        check(
            &shape,
            past,
            [("q", q.len()), ("out", out.len())],
            [("k", k.len()), ("v", v.len())],
        );
        let shape = &shape;
        if let Some(inputs) = self.attention_inputs(q, k, v, shape, scale) {
            let out = target(out);
            // SAFETY: the lengths were checked above and each task number runs once.
            let task = |n| unsafe { crate::fast::cached::forward(inputs, past, out, n) };
            let work = shape.heads * shape.seq * (past + shape.seq) * shape.head_dim / 10;
            return self.attention_tasks(&inputs, work, task);
        }
        dispatch!(
            self.path,
            attention::cached(
                q: &[f32],
                k: &[f32],
                v: &[f32],
                shape: &AttentionShape,
                past: usize,
                scale: f32,
                out: &mut [f32],
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
            0,
            [("q", q.len()), ("dout", dout.len())],
            [("k", k.len()), ("v", v.len())],
        );
        check(
            &shape,
            0,
            [("dq", dq.len()); 2],
            [("dk", dk.len()), ("dv", dv.len())],
        );
        expect_len("probs", probs.len(), shape.probs_len());
        let shape = &shape;
        if let Some(inputs) = self.attention_inputs(q, k, v, shape, scale) {
            let to = fast::Gradients {
                dq: target(dq),
                dk: target(dk),
                dv: target(dv),
            };
            // SAFETY: the lengths were checked above and each task number runs once.
            let task = |n| unsafe { fast::backward(inputs, dout, probs, to, n) };
            return self.attention_tasks(&inputs, square_work(shape, 4), task);
        }
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

impl Kernel {
    /// The inputs for a vector path; `None` on the others and when there is nothing to compute.
    fn attention_inputs<'a>(
        &self,
        q: &'a [f32],
        k: &'a [f32],
        v: &'a [f32],
        shape: &'a AttentionShape,
        scale: f32,
    ) -> Option<fast::Inputs<'a>> {
        let engine = crate::fast::Engine::of(self.path)?;
        let empty = shape.query_len() == 0;
        let path = self.path;
        (!empty).then_some(fast::Inputs {
            engine,
            path,
            shape,
            scale,
            q,
            k,
            v,
        })
    }

    /// Runs every task, on several threads when there is enough to do.
    fn attention_tasks(
        &self,
        inputs: &fast::Inputs<'_>,
        work: usize,
        task: impl Fn(usize) + Sync + Send,
    ) {
        if self.useful_threads(work) == 1 {
            (0..inputs.tasks()).for_each(task);
        } else {
            self.for_each(inputs.tasks(), task);
        }
    }
}

/// Work units of so many products with half of every map of probabilities.
fn square_work(s: &AttentionShape, products: usize) -> usize {
    products * s.batch * s.heads * s.seq * s.seq * s.head_dim / 20
}

/// A tensor that tasks write their own parts of.
fn target(x: &mut [f32]) -> crate::fast::product::Target {
    crate::fast::product::Target {
        data: x.as_mut_ptr(),
        stride: 0,
    }
}

#[track_caller]
fn check(
    shape: &AttentionShape,
    past: usize,
    queries: [(&str, usize); 2],
    keys: [(&str, usize); 2],
) {
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
        let kept = past * shape.kv_heads * shape.head_dim;
        expect_len(name, len, shape.key_len() + kept);
    }
}
