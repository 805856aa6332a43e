//! Functions of one variable.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::function;
use crate::shape::Function;

/// Work units of an element.
const COST: usize = 5;

impl Kernel {
    /// `out_i = f(x_i)`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply(&self, function: Function, x: &[f32], out: &mut [f32]) {
        expect_len("out", out.len(), x.len());
        self.for_rows(x.len(), COST, [1], [out], |r, [out]| {
            let x = &x[r];
            dispatch!(
                self.path,
                function::apply(function: Function, x: &[f32], out: &mut [f32])
            );
        });
    }

    /// The gradient of [`Kernel::apply`] from its input, overwritten: `dx_i = dy_i f'(x_i)`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply_backward(&self, function: Function, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        expect_len("dy", dy.len(), x.len());
        expect_len("dx", dx.len(), x.len());
        self.for_rows(x.len(), COST, [1], [dx], |r, [dx]| {
            let (dy, x) = (&dy[r.clone()], &x[r]);
            dispatch!(
                self.path,
                function::apply_backward(
                    function: Function,
                    dy: &[f32],
                    x: &[f32],
                    dx: &mut [f32],
                )
            );
        });
    }
}
