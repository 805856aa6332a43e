//! Rounding to bfloat16, and holding the result in 16 bits.

use super::{all_agree, kernels, values};
use assay_kernel::{Isa, Kernel, all_finite, all_finite_bf16};
use proptest::prelude::*;

#[test]
fn lengths_that_fill_threads_and_vectors() {
    for n in [0, 1, 7, 16, 31, 33, 65, 1025, 400_003] {
        let x = values(1, n);
        all_agree(&format!("bf16 {n}"), |k| {
            let (mut rounded, mut held, mut back) = (vec![9.0; n], vec![9; n], vec![9.0; n]);
            k.round_bf16(&x, &mut rounded);
            k.narrow_bf16(&x, &mut held);
            k.widen_bf16(&held, &mut back);
            assert!(rounded == back, "16 bits hold another value");
            // A rounded value is its own nearest one.
            k.round_bf16(&back, &mut rounded);
            assert!(rounded == back, "rounding twice moves a value");
            assert_eq!(all_finite(&back), all_finite_bf16(&held));
            vec![back]
        });
    }
}

#[test]
fn edges_of_the_format() {
    let pairs: [(u32, u32); 14] = [
        (0x0000_0000, 0x0000_0000),
        (0x8000_0000, 0x8000_0000),
        (0x3f80_0000, 0x3f80_0000),
        (0x3f80_7fff, 0x3f80_0000),
        // Ties go to the even neighbour.
        (0x3f80_8000, 0x3f80_0000),
        (0x3f81_8000, 0x3f82_0000),
        (0xbf81_8000, 0xbf82_0000),
        (0x3f80_8001, 0x3f81_0000),
        // Subnormals stay subnormal or become the smallest normal value.
        (0x0000_8001, 0x0001_0000),
        (0x0000_8000, 0x0000_0000),
        (0x007f_ffff, 0x0080_0000),
        (0x7f7f_7fff, 0x7f7f_0000),
        (0x7f7f_8000, 0x7f80_0000),
        (0xff7f_ffff, 0xff80_0000),
    ];
    let x = pairs.map(|(x, _)| f32::from_bits(x));
    let wanted = pairs.map(|(_, y)| y);
    let (plain, others) = kernels();
    for k in [plain].into_iter().chain(others) {
        let mut out = [9.0; 14];
        k.round_bf16(&x, &mut out);
        assert_eq!(out.map(f32::to_bits), wanted, "{k:?}");
        // No NaN becomes a number, wherever its payload lies.
        let nan = [0x7f80_0001, 0x7fff_ffff, 0xffff_8000, 0xff80_ffff].map(f32::from_bits);
        let (mut out, mut held) = ([9.0; 4], [9; 4]);
        k.round_bf16(&nan, &mut out);
        k.narrow_bf16(&nan, &mut held);
        assert!(out.iter().all(|x| x.is_nan()), "{k:?}: {out:?}");
        assert!(held.iter().all(|x| x & 0x7fff > 0x7f80), "{k:?}: {held:x?}");
    }
}

proptest! {
    /// Against the two neighbours, in f64.
    #[test]
    fn the_nearest_value_is_taken(bits: u32) {
        let x = f32::from_bits(bits);
        prop_assume!(x.is_finite() && x.abs() < 3.38e38);
        let plain = Kernel::new(Isa::Scalar, 1).unwrap();
        let mut out = [9.0];
        plain.round_bf16(&[x], &mut out);
        let distance = |y: f32| (f64::from(y) - f64::from(x)).abs();
        let down = f32::from_bits(bits & 0xffff_0000);
        let up = f32::from_bits((bits & 0xffff_0000) + 0x1_0000);
        prop_assert_eq!(out[0].to_bits() & 0xffff, 0);
        prop_assert!(distance(out[0]) <= distance(down).min(distance(up)));
    }
}
