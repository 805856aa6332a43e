//! Training states: one encoding, and a digest that tells two of them apart.
#![no_main]

use assay_fuzz::canonical;
use assay_fuzz::samples::model::states;
use assay_model::TrainState;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    states().iter().map(TrainState::to_bytes).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some(state) = canonical(data, TrainState::from_bytes, TrainState::to_bytes) else {
        return;
    };
    // Every byte counts: the lowest bit of the last value, for one.
    let mut other = data.to_vec();
    other[data.len() - 4] ^= 1;
    if let Ok(other) = TrainState::from_bytes(&other) {
        assert_ne!(other.digest(), state.digest());
    }
});
