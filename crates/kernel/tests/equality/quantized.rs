//! Rows of 8-bit integers and their products.

use super::{all_agree, kernels, values};
use assay_kernel::random::Stream;
use assay_kernel::{Kernel, MatMut, Store};
use proptest::prelude::*;

fn integers(index: u64, n: usize) -> Vec<i8> {
    let mut s = Stream::new(&[4; 32], 0, index);
    (0..n).map(|_| s.below(256) as u8 as i8).collect()
}

/// The integers as floats, for comparison, and the scales.
fn quantized(k: &Kernel, x: &[f32], factors: Option<&[f32]>, rows: usize) -> [Vec<f32>; 2] {
    let (mut q, mut scale) = (vec![9; x.len()], vec![9.0; rows]);
    k.quantize_rows(x, factors, &mut q, &mut scale);
    [q.iter().map(|q| f32::from(*q)).collect(), scale]
}

fn rows(rows: usize, cols: usize) {
    let (x, factors) = (values(1, rows * cols), values(2, cols));
    all_agree(&format!("quantize {rows} x {cols}"), |k| {
        [None, Some(&factors[..])]
            .into_iter()
            .flat_map(|factors| quantized(k, &x, factors, rows))
            .collect()
    });
}

fn product(m: usize, n: usize, k: usize, gap: usize) {
    let (a, b) = (integers(1, m * k), integers(2, k * n));
    let (sa, sb, old) = (values(3, m), values(4, n), values(5, m * (n + gap)));
    let x = values(6, m * k);
    all_agree(&format!("integers {m} x {n} x {k}"), |kernel| {
        let mut outs = Vec::new();
        for (rows, cols, transposed) in [(k, n, false), (n, k, true)] {
            let packed = kernel.pack_i8(&b, rows, cols, transposed);
            for store in [Store::Overwrite, Store::Accumulate] {
                for sb in [None, Some(&sb[..])] {
                    let mut c = old.clone();
                    let to = &mut MatMut::new(&mut c, m, n, n + gap);
                    kernel.product_i8(&a, &sa, &packed, sb, to, store);
                    outs.push(c);
                }
                let mut c = old.clone();
                let to = &mut MatMut::new(&mut c, m, n, n + gap);
                kernel.quantized_product(&x, None, &packed, Some(&sb), to, store);
                outs.push(c);
            }
        }
        outs
    });
}

#[test]
fn integer_products_at_the_edges() {
    for (m, n, k) in [
        (0, 3, 2),
        (3, 0, 2),
        (3, 2, 0),
        (1, 1, 1),
        (14, 32, 256),
        (15, 33, 257),
        (29, 49, 513),
        (3, 1100, 5),
        (260, 9, 40),
        (230, 200, 260),
        (100, 800, 70),
        (33, 40, 9001),
    ] {
        product(m, n, k, 2);
    }
}

#[test]
fn rows_that_fill_threads() {
    for (n, cols) in [(0, 5), (5, 0), (1, 1), (3, 31), (600, 700), (2, 100_000)] {
        rows(n, cols);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn integer_products_of_any_shape(
        m in 0usize..90, n in 0usize..90, k in 0usize..600, gap in 0usize..3,
    ) {
        product(m, n, k, gap);
    }

    #[test]
    fn quantized_rows_of_any_shape(n in 0usize..40, cols in 0usize..150) {
        rows(n, cols);
    }

    /// No value moves further than half a step, and the largest one keeps its size.
    #[test]
    fn integers_stand_for_what_they_were_made_of(
        x in prop::collection::vec(-8.0f32..8.0, 1..80),
        power in -90i32..110,
    ) {
        let x: Vec<f32> = x.iter().map(|x| x * 2f32.powi(power)).collect();
        let (plain, _) = kernels();
        let [q, scale] = quantized(&plain, &x, None, 1);
        let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        prop_assert!(most == 0.0 || q.iter().any(|q| q.abs() == 127.0));
        for (x, q) in x.iter().zip(q) {
            prop_assert!(q.abs() <= 127.0);
            prop_assert!((x - q * scale[0]).abs() <= 0.50001 * scale[0], "{x} {q} {scale:?}");
        }
    }
}

#[test]
fn rounding_is_to_even_and_rows_that_cannot_be_scaled_are_zero() {
    let (plain, others) = kernels();
    for k in others.iter().chain([&plain]) {
        let ties = [127.0, 0.5, 1.5, -0.5, -2.5, 126.5, -127.0];
        let [q, scale] = quantized(k, &ties, None, 1);
        assert_eq!(q, [127.0, 0.0, 2.0, 0.0, -2.0, 126.0, -127.0]);
        assert_eq!(scale, [1.0]);
        let smallest = f32::from_bits(0x0d80_0000);
        let below = f32::from_bits(0x0d7f_ffff);
        for (x, q, scale) in [
            ([0.0, -0.0], [0.0; 2], 0.0),
            ([below, 1e-45], [0.0; 2], 0.0),
            ([smallest, -smallest], [127.0, -127.0], smallest / 127.0),
            ([f32::MAX, 1.0], [127.0, 0.0], f32::MAX / 127.0),
        ] {
            let found = quantized(k, &x, None, 1);
            assert_eq!(found, [q.to_vec(), vec![scale]], "{x:?} on {k:?}");
        }
    }
}

/// Whatever is not finite shows in every output of its row and in no other.
#[test]
fn a_row_that_is_not_finite_shows_in_its_outputs() {
    let (plain, others) = kernels();
    for k in others.iter().chain([&plain]) {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (old, scales) in [(0.0, None), (1.0, Some(&[1.0; 5][..]))] {
                let mut x = vec![1.0; 3 * 40];
                x[40 + 7] = bad;
                let packed = k.pack_i8(&[1; 40 * 5], 40, 5, false);
                let mut c = vec![old; 15];
                let to = &mut MatMut::row_major(&mut c, 3, 5);
                k.quantized_product(&x, None, &packed, scales, to, Store::Accumulate);
                for (row, c) in c.chunks(5).enumerate() {
                    assert!(
                        c.iter().all(|c| c.is_finite() != (row == 1)),
                        "{c:?} on {k:?}"
                    );
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "may not fit 32 bits")]
fn a_sum_too_long_for_32_bits_is_refused() {
    let (plain, _) = kernels();
    let depth = assay_kernel::MAX_DEPTH_I8 + 1;
    let packed = plain.pack_i8(&vec![1; depth], depth, 1, false);
    let mut c = [0.0];
    let to = &mut MatMut::row_major(&mut c, 1, 1);
    plain.product_i8(&vec![1; depth], &[1.0], &packed, None, to, Store::Overwrite);
}
