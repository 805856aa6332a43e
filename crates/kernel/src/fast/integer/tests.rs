//! Every engine this processor can run, also those that a kernel would not choose here.

use super::*;
use crate::arith::Soft;
use crate::matrix::MatMut;
use crate::pack::quads::Quads;
use crate::random::Stream;
use crate::reference::quantized;

fn engines() -> Vec<&'static Engine> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let wide = has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        all.extend(has!("avx2").then_some(&x86::AVX2));
        all.extend(wide.then_some(&x86::AVX512));
        all.extend((wide && has!("avx512vnni")).then_some(&x86::VNNI));
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        all.extend(has!("neon").then_some(&neon::PLAIN));
        all.extend(has!("dotprod").then_some(&neon::DOT));
    }
    all
}

fn integers(index: u64, n: usize) -> Vec<i8> {
    let mut s = Stream::new(&[5; 32], 0, index);
    (0..n).map(|_| s.below(256) as u8 as i8).collect()
}

fn floats(index: u64, n: usize) -> Vec<f32> {
    let mut s = Stream::new(&[6; 32], 0, index);
    (0..n).map(|_| s.normal()).collect()
}

fn agrees(a: &[i8], b: &[i8], (m, n, k): (usize, usize, usize), gap: usize) {
    let (sa, sb, old) = (floats(1, m), floats(2, n), floats(3, m * (n + gap)));
    for transposed in [false, true] {
        let (rows, cols) = if transposed { (n, k) } else { (k, n) };
        let packed = Quads::new(b, rows, cols, transposed);
        for (scales, store) in [
            (None, Store::Overwrite),
            (Some(&sb[..]), Store::Overwrite),
            (Some(&sb[..]), Store::Accumulate),
        ] {
            let mut wanted = old.clone();
            let to = &mut MatMut::new(&mut wanted, m, n, n + gap);
            quantized::product::<Soft>(a, &sa, packed.view(), scales, to, store);
            for engine in engines() {
                let mut found = old.clone();
                let c = Target {
                    data: found.as_mut_ptr(),
                    stride: n + gap,
                };
                let left = Left {
                    values: a,
                    scales: &sa,
                };
                // SAFETY: the engine was detected; `found` has the product's shape.
                unsafe { multiply(engine, left, packed.view(), scales, (0, n), c, store) };
                assert_eq!(
                    found, wanted,
                    "{engine:?}: {m} x {n} x {k}, transposed {transposed}, {store:?}"
                );
            }
        }
    }
}

#[test]
fn every_engine_gives_the_plain_bits() {
    for (m, n, k) in [
        (1, 1, 1),
        (14, 32, 8),
        (15, 33, 257),
        (29, 49, 130),
        (7, 100, 3),
        (3, 16, 0),
        (150, 40, 5000),
    ] {
        agrees(&integers(1, m * k), &integers(2, k * n), (m, n, k), 2);
    }
}

/// The largest sums there can be, of either sign, do not overflow or saturate anywhere.
#[test]
fn extreme_values_stay_exact() {
    let k = 131_071;
    for (a, b) in [(-128, -128), (-128, 127), (127, -128), (127, 127)] {
        agrees(&vec![a; 2 * k], &vec![b; k * 3], (2, 3, k), 0);
    }
    let sum = |a: i32, b: i32| (a * b * k as i32) as f32;
    let packed = Quads::new(&vec![-128; k], k, 1, false);
    let mut c = [0.0];
    let to = &mut MatMut::row_major(&mut c, 1, 1);
    quantized::product::<Soft>(
        &vec![-128; k],
        &[1.0],
        packed.view(),
        None,
        to,
        Store::Overwrite,
    );
    assert_eq!(c, [sum(-128, -128)]);
}
