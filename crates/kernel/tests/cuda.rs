//! Every operator on a CUDA device against the processor, bit for bit.
//!
//! Where there is no device this prints `not run` and checks that the reason is told.
#![cfg(feature = "cuda")]
#![allow(clippy::print_stderr)]

use assay_kernel::cuda::{Device, compare, compared_operators};
use assay_kernel::{ConfigError, Kernel};

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
