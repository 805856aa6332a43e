//! Tensors that were rounded to bfloat16, in 2 bytes a value.

use assay_kernel::{Kernel, all_finite_bf16};

use crate::graph::Plan;

/// The buffers of a step that hold rounded tensors: as many as the plan has, empty for others. A
/// device has them in its own memory.
#[derive(Default)]
pub(crate) struct Kept(Vec<Vec<u16>>);

impl Kept {
    pub(crate) fn new(plan: &Plan) -> Self {
        let room = |(buffer, values): (usize, &usize)| match plan.is_bfloat16(buffer) {
            true => vec![0; *values],
            false => Vec::new(),
        };
        Self(plan.sizes().iter().enumerate().map(room).collect())
    }

    /// Rounds `x` into a buffer.
    pub(crate) fn round(&mut self, kernel: &Kernel, x: &[f32], buffer: usize) {
        kernel.narrow_bf16(x, &mut self.0[buffer][..x.len()]);
    }

    /// Brings the first values of a buffer back.
    pub(crate) fn widen(&self, kernel: &Kernel, buffer: usize, out: &mut [f32]) {
        kernel.widen_bf16(&self.0[buffer][..out.len()], out);
    }

    /// Whether the first values of a buffer are finite.
    pub(crate) fn is_finite(&self, buffer: usize, values: usize) -> bool {
        all_finite_bf16(&self.0[buffer][..values])
    }
}
