//! Optimiser steps.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::optimizer;
use crate::shape::AdamW;

impl Kernel {
    /// One AdamW step on one tensor; updates `param` and the moments `m` and `v`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adamw(
        &self,
        param: &mut [f32],
        grad: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        settings: &AdamW,
    ) {
        let n = param.len();
        expect_len("grad", grad.len(), n);
        expect_len("m", m.len(), n);
        expect_len("v", v.len(), n);
        self.for_rows(n, 6, [1, 1, 1], [param, m, v], |r, [param, m, v]| {
            let grad = &grad[r];
            dispatch!(
                self.path,
                optimizer::adamw(
                    param: &mut [f32],
                    grad: &[f32],
                    m: &mut [f32],
                    v: &mut [f32],
                    settings: &AdamW,
                )
            );
        });
    }
}
