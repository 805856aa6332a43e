//! States of small models: one encoding, and a digest that tells two of them apart.
#![no_main]

use assay_estimator::State;
use assay_fuzz::canonical;
use assay_fuzz::samples::estimator::{models, states};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    states().iter().map(State::to_bytes).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    for model in models() {
        let decode = |bytes: &[u8]| State::from_bytes(bytes, &model);
        let Some(state) = canonical(data, decode, State::to_bytes) else {
            continue;
        };
        // Every byte counts: the lowest bit of the last value, for one.
        let mut other = data.to_vec();
        other[data.len() - 4] ^= 1;
        if let Ok(other) = decode(&other) {
            assert_ne!(other.digest(), state.digest());
        }
    }
});
