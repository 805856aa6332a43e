//! Cheating providers on real training: the example's model and records, a short run each.

use std::path::Path;

use assay_job::{Job, Registry};
use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_sim::liars::providers::{CopyPrograms, OtherDataPrograms};
use assay_sim::orders::{Actor, Faked, Plan, Study};

use crate::cases;

/// The example, cut down to 20 short steps.
fn job() -> Job {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let text = std::fs::read_to_string(examples.join("finetune.toml")).unwrap();
    let shorter = [
        ("steps = 160", "steps = 20"),
        ("batch_size = 8", "batch_size = 1"),
        ("sequence_length = 64", "sequence_length = 32"),
        ("segment_steps = 10", "segment_steps = 1"),
        ("segments = 4", "segments = 5"),
    ];
    let text = shorter.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replacen(from, to, 1)
    });
    assay_job::read(&text, &examples).unwrap()
}

/// Short records, of the first or the second half: they fit the sequence, and every machine reads
/// them anew for every task.
fn records(bytes: &[u8], second_half: bool) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let short: Vec<&[u8]> = lines.filter(|line| line.len() < 64).collect();
    let (first, second) = short.split_at(short.len() / 2);
    if second_half { second } else { first }.concat()
}

/// A study of the shortened example, and the records it does not use.
fn study() -> (Study<Registry>, Handle) {
    let job = job();
    let inputs = job.read_inputs().unwrap();
    let bytes = |name: &str| inputs[name].whole(1 << 30).unwrap().into_owned();
    let (model, train) = (bytes("model"), bytes("train"));
    let study = Study {
        plan: Plan {
            kind: job.kind.name(),
            spec: job.specification.clone(),
            model: job.told_model(&inputs).unwrap(),
            inputs: vec![("model", model), ("train", records(&train, false))],
            ..Plan::default()
        },
        segment_steps: job.audit.segment_steps,
        programs: || Registry,
        cases: cases(12),
    };
    (study, Handle::in_memory(records(&train, true)))
}

/// In each of them what was drawn decides; how often is left to the counts of `statistics`, for training
/// takes time.
fn assert_detected(
    name: &str,
    study: &Study<Registry>,
    faked: Faked,
    cheater: impl Fn(Share) -> Actor,
) {
    let tally = study.cheating(Probability::ratio(3, 10), faked, cheater);
    println!("{name}: {tally}");
    assert!(tally.agrees(), "{name}: {tally}");
}

#[test]
fn skipped_steps_are_found_as_often_as_the_formula_says() {
    assert_detected("lazy provider", &study().0, Share::among, |share| {
        Actor::provider(move || LazyPrograms {
            honest: Registry,
            share,
        })
    });
}

#[test]
fn other_data_is_found_as_often_as_the_formula_says() {
    let (study, other) = study();
    assert_detected("other data", &study, Share::among, |share| {
        let handle = other.clone();
        Actor::provider(move || OtherDataPrograms {
            honest: Registry,
            share,
            input: "train".to_owned(),
            handle: handle.clone(),
        })
    });
}

#[test]
fn a_copied_adapter_is_found_as_often_as_the_formula_says() {
    assert_detected(
        "copied first adapter",
        &study().0,
        Share::last_of,
        |share| {
            Actor::provider(move || CopyPrograms {
                honest: Registry,
                share,
            })
        },
    );
}

#[test]
fn an_honest_provider_is_never_cut() {
    let study = study().0;
    study.honest();
    println!("honest provider: cut in 0 of {}", study.cases);
}
