//! Job specifications, as the ledger holds them: one encoding, the same answer every time.
#![no_main]

use std::path::Path;

use assay_crypto::Digest;
use assay_fuzz::samples::model::states;
use assay_job::{BuildError, Inputs, kind, read};
use assay_proof::Task;
use libfuzzer_sys::fuzz_target;

fn seeds() -> Vec<Vec<u8>> {
    let job = |training: &str| {
        let text = format!(
            "kind = \"finetune\"\nname = \"n\"\nmodel = {{ path = \"m\" }}\n\
             data = {{ train = \"t\", sequence_length = 8 }}\ntraining = {{ {training} }}\n"
        );
        read(&text, Path::new("/nowhere"))
            .expect("a good job")
            .specification
    };
    vec![
        job("steps = 4, batch_size = 1, learning_rate = 1e-4"),
        job(
            "steps = 9, batch_size = 3, learning_rate = 0.25, warmup_steps = 2, \
             weight_decay = 0.1, schedule = \"linear\"",
        ),
    ]
}

/// What every machine says of a specification, without inputs.
fn verdict(bytes: &[u8], steps: u64) -> BuildError {
    let kind = kind("finetune").expect("a known kind");
    let task = Task {
        kind: kind.name().to_owned(),
        spec: bytes.to_vec(),
        model: vec![],
        memory: u64::MAX,
        inputs: vec![],
        seed: Digest::ZERO,
        steps,
        segment_steps: 1,
        stop: assay_ledger::StopRule {
            stop_after: 1,
            max_invalid: 1,
        },
    };
    kind.program(&task).err().expect("it needs inputs")
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let value: Option<serde_json::Value> = serde_json::from_slice(data).ok();
    let steps = value.and_then(|value| value["training"]["steps"].as_u64());
    match verdict(data, steps.unwrap_or(1)) {
        BuildError::Specification(_) => {}
        BuildError::MissingInput(_) => {
            let spaced = [data, b" "].concat();
            let other = verdict(&spaced, steps.unwrap_or(1));
            assert!(matches!(other, BuildError::Specification(_)), "two encodings");
            let other = verdict(data, steps.unwrap_or(1) + 1);
            assert!(matches!(other, BuildError::Specification(_)), "two lengths");
            // A provider's result, opened by the requester under this specification.
            let kind = kind("finetune").expect("a known kind");
            for state in states() {
                let none = Inputs::new();
                let delivery = kind.deliver(data, &none, &none, (&assay_ledger::Counts::default(), &state.to_bytes()));
                assert!(delivery.is_ok_and(|delivery| delivery.files.len() == 2));
            }
        }
        other => panic!("neither accepted nor refused: {other:?}"),
    }
});
