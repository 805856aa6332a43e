//! Job files: what is accepted becomes a specification that every machine accepts, and terms that
//! survive the ledger's encoding.
#![no_main]

use std::path::Path;

use assay_crypto::Digest;
use assay_fuzz::{canonical_borsh, to_borsh};
use assay_job::{BuildError, Draft, Network, Sizes, federated, read};
use assay_ledger::{FileId, Terms, rules};
use assay_proof::Task;
use libfuzzer_sys::fuzz_target;

const SMALL: &str = r#"kind = "finetune"
name = "n"
model = { path = "m" }
data = { train = "t", sequence_length = 8 }
training = { steps = 4, batch_size = 1, learning_rate = 1e-4 }
"#;

const WHOLE: &str = r#"kind = "finetune"
name = "all fields"
[model]
path = "model"
[data]
train = "train.jsonl"
heldout = "heldout.jsonl"
completion_only = false
sequence_length = 128
packing = false
truncation = true
[adapter]
r = 4
lora_alpha = 8
target_modules = ["q_proj", "down_proj"]
[training]
steps = 30
batch_size = 2
learning_rate = 0.003
weight_decay = 0.01
warmup_steps = 3
schedule = "linear"
[audit]
segment_steps = 10
segments = 2
auditors = 1
[market]
price = "1.5"
provider_bond = "2"
auditor_bond = "1"
auditor_fee = "0.000001"
attempts = 1
[deadlines]
assign = 30
run = 600
"#;

const ROUNDS: &str = r#"kind = "federated"
name = "rounds"
rounds = 3
local_steps = 2
quantiser = { bits = 16, exponent = 10 }
learning = { model = { kind = "logistic", features = 3 }, training = { batch_size = 4, learning_rate = 0.1 } }
trainers = { least = 3, most = 5, audited = 2 }
data = { label = "y", features = ["a", "b", "c"], classes = ["p", "q"] }
aggregation = { rule = { trimmed_mean = { liars = { count = 1 } } } }
market = { price = 1, merge_fee = "0.5" }
"#;

fn seeds() -> Vec<Vec<u8>> {
    [SMALL, WHOLE, ROUNDS].map(|text| text.as_bytes().to_vec()).into()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(job) = read(text, Path::new("/nowhere")) else {
        return;
    };
    let task = Task {
        kind: job.kind.name().to_owned(),
        // In rounds it is trainers that run something.
        spec: match job.rounds {
            Some(_) => federated::run_spec(&job.specification, 0, 0),
            None => job.specification.clone(),
        },
        model: vec![],
        memory: u64::MAX,
        inputs: vec![],
        seed: Digest::ZERO,
        steps: job.steps,
        segment_steps: job.audit.segment_steps,
        stop: job.stop_rule(),
    };
    match job.kind.program(&task).err() {
        Some(BuildError::MissingInput(_)) => {}
        other => panic!("a machine says of the specification of an accepted job: {other:?}"),
    }
    let network = Network::default();
    let problems = job.problems(&network);
    let model: &[u8] = match rules::on_model(job.kind.name()) {
        true => &[1; Terms::MODEL_BYTES],
        false => &[],
    };
    let about = (model, &Sizes::default());
    let Ok(draft) = Draft::new(&job, about, |_| Digest::ZERO, None) else {
        assert!(!problems.is_empty(), "what cannot be drafted has no problem");
        return;
    };
    let terms = draft.place(job.inputs.iter().map(|_| FileId(Digest::ZERO)));
    assert_eq!(canonical_borsh::<Terms>(&to_borsh(&terms)).as_ref(), Some(&terms));
    if problems.is_empty() {
        let refused = rules::check_terms(&terms, &network.parameters);
        assert!(refused.is_ok(), "a ledger refuses what has no problem: {refused:?}");
    }
});
