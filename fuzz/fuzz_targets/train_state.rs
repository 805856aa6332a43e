//! Training states: one encoding, and a digest that tells two of them apart.
#![no_main]

use assay_fuzz::canonical;
use assay_fuzz::samples::model::{methods, states, tiny};
use assay_model::TrainState;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    states().iter().map(TrainState::to_bytes).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let model = tiny();
    for method in methods() {
        let decode = |bytes: &[u8]| TrainState::from_bytes(bytes, &method, &model);
        let Some(state) = canonical(data, decode, TrainState::to_bytes) else {
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
