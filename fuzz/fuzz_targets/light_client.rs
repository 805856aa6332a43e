//! Validators and beacon key of a genesis file: a client of that network, or a reason.
//!
//! The input is the beacon key; in front of it, which of the validators are listed.
#![no_main]

use assay_chain::light::LightClient;
use assay_fuzz::parts::Parts;
use assay_fuzz::samples::node::genesis;
use assay_ledger::{BoundedBytes, BoundedVec, Genesis};
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let key = genesis().beacon_key.to_vec();
    vec![
        [&[0b1111][..], &key].concat(),
        [&[0b0111][..], &key].concat(),
    ]
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let (listed, key) = (parts.byte(), parts.rest());
    let base = assay_fuzz::samples::ledger::genesis();
    let validators = base.validators.iter().enumerate();
    let validators: Vec<_> = validators
        .filter(|(place, _)| listed & (1 << place) != 0)
        .map(|(_, validator)| validator.clone())
        .collect();
    let Ok(beacon_key) = BoundedBytes::new(key) else {
        return;
    };
    let count = validators.len();
    let genesis = Genesis {
        beacon_key,
        validators: BoundedVec::new(validators).expect("fewer than before"),
        ..base
    };
    if LightClient::new(&genesis).is_ok() {
        assert!(count > 0);
    }
});
