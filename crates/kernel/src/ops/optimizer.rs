//! Optimiser steps.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::optimizer;
use crate::shape::{AdamW, Sgd};

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

    /// One step of SGD with momentum on one tensor; updates `param` and `velocity`, which begins at +0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn sgd(&self, param: &mut [f32], grad: &[f32], velocity: &mut [f32], settings: &Sgd) {
        let n = param.len();
        expect_len("grad", grad.len(), n);
        expect_len("velocity", velocity.len(), n);
        self.for_rows(n, 4, [1, 1], [param, velocity], |r, [param, velocity]| {
            let grad = &grad[r];
            dispatch!(
                self.path,
                optimizer::sgd(
                    param: &mut [f32],
                    grad: &[f32],
                    velocity: &mut [f32],
                    settings: &Sgd,
                )
            );
        });
    }
}
