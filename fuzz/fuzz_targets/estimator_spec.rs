//! Specifications of small models: one encoding, and what is accepted can be begun.
#![no_main]

use assay_estimator::{Specification, State};
use assay_fuzz::samples::estimator::specifications;
use assay_fuzz::{canonical, through_json};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    specifications().iter().map(Specification::to_bytes).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Ok(read) = serde_json::from_slice::<Specification>(data) {
        let _ = read.check();
    }
    let decode = |bytes: &[u8]| Specification::from_bytes(bytes);
    let Some(specification) = canonical(data, decode, Specification::to_bytes) else {
        return;
    };
    through_json(&specification);
    let rate = specification.training.schedule.rate(specification.training.learning_rate, 7);
    assert!(rate >= 0.0 && rate.is_finite());
    if specification.model.features() < 1_000 {
        let state = State::initial(&specification.model, &[1; 32]).expect("an accepted model");
        let again = State::from_bytes(&state.to_bytes(), &specification.model);
        assert_eq!(again.expect("its own bytes"), state);
    }
});
