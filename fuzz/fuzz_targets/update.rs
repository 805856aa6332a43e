//! Quantised updates: one encoding, no value outside of its bits, and no more coordinates than expected.
#![no_main]

use assay_aggregate::{Encoded, Quantiser, encode};
use assay_fuzz::canonical;
use libfuzzer_sys::fuzz_target;

/// Coordinates of the model that updates are of.
const LIMIT: usize = 1 << 12;

fn seeds() -> Vec<Vec<u8>> {
    let of = |bits, exponent, values: &[i32]| {
        let quantiser = Quantiser::new(bits, exponent).expect("a valid scale");
        encode(&quantiser, values).expect("values in range")
    };
    vec![
        of(8, 0, &[1, -1, 127, -127]),
        of(12, -3, &[2047, -2047, 0]),
        of(16, 15, &[32_767, -32_767]),
        of(24, 20, &[8_388_607, -8_388_607, 5]),
    ]
}

/// An update and its values.
struct Update(Quantiser, Vec<i32>);

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let decode = |bytes: &[u8]| {
        Encoded::decode(bytes, LIMIT).map(|update| Update(update.quantiser(), update.to_vec()))
    };
    let encode = |update: &Update| encode(&update.0, &update.1).expect("what was decoded is in range");
    let Some(Update(quantiser, values)) = canonical(data, decode, encode) else {
        return;
    };
    assert!((1..=LIMIT).contains(&values.len()));
    assert!(values.iter().all(|value| value.abs() <= quantiser.largest()));
    let floats = quantiser.restore(&values);
    let digest = Encoded::decode(data, LIMIT).expect("decoded before").digest();
    assert_eq!(quantiser.quantise(&floats, &digest, 0).expect("in range"), values);
});
