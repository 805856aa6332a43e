//! Every operator on a CUDA device against the processor, bit for bit.
//!
//! Where there is no device this prints `not run` and checks that the reason is told.
#![cfg(feature = "cuda")]
#![allow(clippy::print_stderr)]

use assay_kernel::cuda::{Device, compare, compared_operators};
use assay_kernel::random::Stream;
use assay_kernel::{ConfigError, Kernel, MatMut, Store};

/// The first device, or why there is none.
fn device() -> Option<Device> {
    match Device::open(0) {
        Ok(device) => Some(device),
        Err(error) => {
            eprintln!("not run: {error}");
            assert!(error.to_string().contains("found"), "{error}");
            None
        }
    }
}

#[test]
fn operators_have_the_bits_of_the_processor() {
    let Some(device) = device() else { return };
    let kernel = Kernel::detect().unwrap();
    let cases = std::env::var("ASSAY_CASES").map_or(8, |n| n.parse().unwrap());
    for seed in 0..cases {
        if let Err(error) = compare(&kernel, &device, seed) {
            panic!("seed {seed}: {error}");
        }
    }
    let operators = compared_operators().count();
    eprintln!("{operators} operators, {cases} cases, {device:?}");
}

/// Not part of `compare`: steps do not use these operators on a device yet.
#[test]
fn integer_products_have_the_bits_of_the_processor() {
    let Some(device) = device() else { return };
    let kernel = Kernel::detect().unwrap();
    let _turn = device.turn();
    for seed in 0..8 {
        let mut stream = Stream::new(&[7; 32], 0, seed);
        let mut size = |most| 1 + stream.below(most) as usize;
        let (m, n, k) = (size(200), size(200), size(300));
        let mut draw =
            |count: usize| -> Vec<f32> { (0..count).map(|_| stream.uniform(-2.0, 2.0)).collect() };
        let (x, factors, scale_b, old) = (draw(m * k), draw(k), draw(n), draw(m * n));
        let b: Vec<i8> = (0..n * k).map(|_| stream.next_u32() as i8).collect();
        let (mut q, mut scales, mut c) = (vec![0; m * k], vec![0.0; m], old.clone());
        kernel.quantize_rows(&x, Some(&factors), &mut q, &mut scales);
        let packed = kernel.pack_i8(&b, n, k, true);
        let scale = Some(&scale_b[..]);
        let mut out = MatMut::row_major(&mut c, m, n);
        kernel.product_i8(&q, &scales, &packed, scale, &mut out, Store::Accumulate);

        let up = |values: &[f32]| device.upload(values).unwrap();
        let (rows, scales_there) = (device.reserve_i8(m, k).unwrap(), up(&vec![0.0; m]));
        let (x, factors, scale_b, c_there) = (up(&x), up(&factors), up(&scale_b), up(&old));
        let b = device.upload_i8(&b, n, k, false).unwrap();
        device
            .quantize_rows(&x, Some(&factors), &rows, &scales_there)
            .unwrap();
        let (left, right) = ((&rows, &scales_there), (&b, Some(&scale_b)));
        device
            .product_i8(left, right, &c_there, Store::Accumulate)
            .unwrap();
        let (mut found_scales, mut found) = (vec![0.0_f32; m], vec![0.0_f32; m * n]);
        device.read(&scales_there, &mut found_scales).unwrap();
        device.read(&c_there, &mut found).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            bits(&scales),
            bits(&found_scales),
            "seed {seed}: {m} x {n} x {k}"
        );
        assert_eq!(bits(&c), bits(&found), "seed {seed}: {m} x {n} x {k}");
    }
}

#[test]
fn a_device_is_asked_for_by_name() {
    let kernel = || Kernel::detect().unwrap();
    assert!(kernel().with_device_named(None).is_ok());
    assert!(kernel().with_device_named(Some("cpu")).is_ok());
    for wrong in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
        let error = kernel().with_device_named(Some(wrong)).unwrap_err();
        assert!(
            matches!(error, ConfigError::UnknownDevice(_)),
            "{wrong}: {error}"
        );
    }
    // No machine has so many.
    let error = kernel().with_device_named(Some("cuda:4096")).unwrap_err();
    assert!(error.to_string().contains("found"), "{error}");
}
