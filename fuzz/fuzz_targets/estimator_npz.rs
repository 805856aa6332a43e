//! Archives of arrays: what is read has as many values as its shape says, all of them once announced.
#![no_main]

use assay_estimator::{Images, read_npz};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let archives = [
        &include_bytes!("../../crates/estimator/tests/fixtures/arrays.npz")[..],
        include_bytes!("../../crates/estimator/tests/fixtures/packed.npz"),
    ];
    archives.map(<[u8]>::to_vec).to_vec()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut arrays = Vec::new();
    for name in ["images", "labels", "a0", "a8", "fortran", "objects", "scalar"] {
        match read_npz(data, &[name]) {
            Ok(found) => arrays.extend(found),
            Err(error) => assert!(error.to_string().len() < 4_096),
        }
    }
    let images = Images { divide_by: 255.0, classes: 3 };
    for array in &arrays {
        assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
        for labels in &arrays {
            if let Ok(samples) = images.samples(array, labels) {
                assert_eq!(samples.rows(), labels.values.len());
            }
        }
    }
});
