use super::*;
use crate::dispatch::dispatch;

/// Full-range bit patterns: subnormals, huge values and cancellations included.
fn pattern(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    f32::from_bits((*state >> 32) as u32)
}

#[inline(always)]
fn fused<F: Arith>(a: f32, b: f32, c: f32) -> f32 {
    F::fma(a, b, c)
}

#[test]
fn soft_equals_hardware() {
    let Ok(kernel) = crate::Kernel::new(crate::Isa::Scalar, 1) else {
        return;
    };
    let same = |a: f32, b: f32, c: f32| {
        let hard = dispatch!(kernel.path, fused(a: f32, b: f32, c: f32) -> f32);
        let soft = Soft::fma(a, b, c);
        let equal = hard.to_bits() == soft.to_bits() || (hard.is_nan() && soft.is_nan());
        assert!(
            equal,
            "fma({a:e}, {b:e}, {c:e}): hardware {hard:e}, soft {soft:e}"
        );
    };
    let mut state = 1;
    for _ in 0..2_000_000 {
        let (a, b, c) = (
            pattern(&mut state),
            pattern(&mut state),
            pattern(&mut state),
        );
        same(a, b, c);
        // Close to cancellation, where a double rounding would show.
        same(a, b, -(a * b));
        let near = f32::from_bits((-(a * b)).to_bits() ^ (pattern(&mut state).to_bits() & 7));
        same(a, b, near);
        // An addend around the rounding position of the product.
        same(a, b, (a * b) * 2f32.powi((state % 60) as i32 - 30));
        // Subnormal results.
        same(
            a * 1e-30,
            b * 1e-30,
            f32::from_bits(c.to_bits() & 0x807f_ffff),
        );
    }
}

#[test]
fn soft_handles_the_edges() {
    assert_eq!(Soft::fma(0.0, -1.0, -0.0).to_bits(), (-0.0f32).to_bits());
    assert_eq!(Soft::fma(0.0, 1.0, -0.0).to_bits(), 0.0f32.to_bits());
    assert_eq!(Soft::fma(2.0, 3.0, -6.0).to_bits(), 0.0f32.to_bits());
    assert_eq!(Soft::fma(f32::MAX, 2.0, 0.0), f32::INFINITY);
    assert_eq!(
        Soft::fma(f32::MAX, f32::MAX, f32::NEG_INFINITY),
        f32::NEG_INFINITY
    );
    assert!(Soft::fma(f32::INFINITY, 0.0, 1.0).is_nan());
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: half a unit in the last place, decided by the addend.
    let x = 1.0 + 2f32.powi(-12);
    let up = Soft::fma(x, x, f32::from_bits(1));
    let even = Soft::fma(x, x, -f32::from_bits(1));
    assert_eq!(up.to_bits(), even.to_bits() + 1);
}
