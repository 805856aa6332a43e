//! PEFT adapters: what loads is written again as the same adapter.
#![no_main]

use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::model::{adapters, tiny};
use assay_model::Adapter;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let seed = |adapter: Adapter| {
        let files = adapter.peft_files("base");
        [part(&files[0].1), files[1].1.clone()].concat()
    };
    adapters().into_iter().map(seed).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let (config, weights) = (parts.part(), parts.rest());
    let Ok(adapter) = Adapter::from_peft_files(config, weights, &tiny()) else {
        return;
    };
    assert!(adapter.params().iter().all(|p| p.values.iter().all(|v| v.is_finite())));
    let files = adapter.peft_files("base");
    let again = Adapter::from_peft_files(&files[0].1, &files[1].1, &tiny());
    let again = again.expect("what was written reads");
    assert_eq!(again, adapter);
    assert!(again.peft_files("base") == files);
});
