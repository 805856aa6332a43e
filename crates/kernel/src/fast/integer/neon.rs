//! Integer tiles of NEON registers.

use core::arch::aarch64::*;

use super::tile::{Dot, Out, Tile, peak, tile};
use super::{Engine, TileFn, tiles};
use crate::pack::quads::LeftForm;

/// One instruction for four products a lane (FEAT_DotProd).
struct Sdot;

/// Products of 16 bits, added in pairs to sums of 32: two sums a lane until the end.
struct Pairs;

/// The sums as floats times the scales, added to or stored in the first `n` lanes of `c`.
#[inline(always)]
unsafe fn store(sums: int32x4_t, out: Out, n: usize) {
    let n = n.min(4);
    let (mut scales, mut old) = ([0.0f32; 4], [0.0f32; 4]);
    // SAFETY: NEON and pointers by the callers' contract; the arrays hold four values.
    unsafe {
        let mut value = vmulq_n_f32(vcvtq_f32_s32(sums), out.row_scale);
        if !out.column_scales.is_null() {
            core::ptr::copy_nonoverlapping(out.column_scales, scales.as_mut_ptr(), n);
            value = vmulq_f32(value, vld1q_f32(scales.as_ptr()));
        }
        if out.add {
            core::ptr::copy_nonoverlapping(out.c, old.as_mut_ptr(), n);
            value = vaddq_f32(vld1q_f32(old.as_ptr()), value);
        }
        vst1q_f32(old.as_mut_ptr(), value);
        core::ptr::copy_nonoverlapping(old.as_ptr(), out.c, n);
    }
}

impl Dot for Sdot {
    const LANES: usize = 4;
    const FORM: LeftForm = LeftForm::Signed;
    type Sums = int32x4_t;
    type Left = int8x16_t;
    type Right = int8x16_t;

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn left(from: *const i8) -> int8x16_t {
        // SAFETY: the trait's contract.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn right(from: *const i8) -> int8x16_t {
        // SAFETY: the trait's contract.
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn dot(mut sums: int32x4_t, left: int8x16_t, right: int8x16_t) -> int32x4_t {
        // The intrinsic is not in stable Rust.
        // SAFETY: the instruction changes nothing but `sums`; FEAT_DotProd by the contract.
        unsafe {
            core::arch::asm!(
                "sdot {sums:v}.4s, {left:v}.16b, {right:v}.16b",
                sums = inout(vreg) sums,
                left = in(vreg) left,
                right = in(vreg) right,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }
    #[inline(always)]
    unsafe fn store(sums: int32x4_t, out: Out, n: usize) {
        // SAFETY: the trait's contract.
        unsafe { store(sums, out, n) }
    }
}

impl Dot for Pairs {
    const LANES: usize = 4;
    const FORM: LeftForm = LeftForm::Signed;
    type Sums = int32x4x2_t;
    type Left = int8x8_t;
    type Right = int8x16_t;

    #[inline(always)]
    unsafe fn zero() -> int32x4x2_t {
        // SAFETY: the trait's contract.
        unsafe { int32x4x2_t(vdupq_n_s32(0), vdupq_n_s32(0)) }
    }
    #[inline(always)]
    unsafe fn left(from: *const i8) -> int8x8_t {
        // SAFETY: the trait's contract.
        unsafe { vreinterpret_s8_s32(vdup_n_s32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn right(from: *const i8) -> int8x16_t {
        // SAFETY: the trait's contract.
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn dot(sums: int32x4x2_t, left: int8x8_t, right: int8x16_t) -> int32x4x2_t {
        // A product is at most 2^14, so it fits 16 bits.
        // SAFETY: the trait's contract.
        unsafe {
            let low = vmull_s8(left, vget_low_s8(right));
            let high = vmull_s8(left, vget_high_s8(right));
            int32x4x2_t(vpadalq_s16(sums.0, low), vpadalq_s16(sums.1, high))
        }
    }
    #[inline(always)]
    unsafe fn store(sums: int32x4x2_t, out: Out, n: usize) {
        // SAFETY: the trait's contract.
        unsafe { store(vpaddq_s32(sums.0, sums.1), out, n) }
    }
}

#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<Sdot, ROWS, VECTORS>(t) }
}

#[target_feature(enable = "neon")]
unsafe fn pairs<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the feature is enabled here; pointers as `TileFn` promises.
    unsafe { tile::<Pairs, ROWS, VECTORS>(t) }
}

#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot_peak() -> u64 {
    // SAFETY: the features are enabled here.
    unsafe { peak::<Sdot, 24>() }
}

/// 6 x 16: 24 of the 32 registers accumulate.
pub(super) static DOT: Engine = Engine {
    name: "neon dotprod",
    tiles: tiles!(sdot, 4; 1 2 3 4 5 6),
    width: 16,
    form: LeftForm::Signed,
    peak: Some(sdot_peak),
};

/// 5 x 8: 20 of the 32 registers accumulate.
pub(super) static PLAIN: Engine = Engine {
    name: "neon",
    tiles: tiles!(pairs, 2; 1 2 3 4 5),
    width: 8,
    form: LeftForm::Signed,
    peak: None,
};
