//! NEON registers.

use core::arch::aarch64::*;

use super::Vector;

impl Vector for float32x4_t {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's contract.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        unsafe { vld1q_dup_f32(from) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { vst1q_f32(to, self) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 4];
        // SAFETY: the trait's contract: n values, at most four.
        unsafe {
            core::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n.min(4));
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        let mut lanes = [0.0; 4];
        // SAFETY: the trait's contract: n values, at most four.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), self);
            core::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n.min(4));
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { vaddq_f32(self, other) }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { vfmaq_f32(c, self, b) }
    }
}
