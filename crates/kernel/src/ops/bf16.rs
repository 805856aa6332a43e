//! Values held in 16 bits.
//!
//! Arithmetic stays in binary32: [`Kernel::round_bf16`] is the operator of the specification, and
//! the other two hold its outputs in half the memory and bring them back without losing a bit.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::bf16;

impl Kernel {
    /// `out` = the nearest value to `x` that bfloat16 has, ties to even: a binary32 whose lower 16
    /// bits are zero. Values beyond the largest finite one become infinite.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn round_bf16(&self, x: &[f32], out: &mut [f32]) {
        expect_len("out", out.len(), x.len());
        self.for_rows(x.len(), 2, [1], [out], |r, [out]| {
            let x = &x[r];
            dispatch!(self.path, bf16::round(x: &[f32], out: &mut [f32]));
        });
    }

    /// The upper 16 bits of what [`Kernel::round_bf16`] gives.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn narrow_bf16(&self, x: &[f32], out: &mut [u16]) {
        expect_len("out", out.len(), x.len());
        self.for_rows(x.len(), 2, [1], [out], |r, [out]| {
            let x = &x[r];
            dispatch!(self.path, bf16::narrow(x: &[f32], out: &mut [u16]));
        });
    }

    /// The values that [`Kernel::narrow_bf16`] holds, exactly.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen_bf16(&self, x: &[u16], out: &mut [f32]) {
        expect_len("out", out.len(), x.len());
        self.for_rows(x.len(), 2, [1], [out], |r, [out]| {
            let x = &x[r];
            dispatch!(self.path, bf16::widen(x: &[u16], out: &mut [f32]));
        });
    }
}
