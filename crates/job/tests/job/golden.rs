//! The example fine-tuning has one result: the same bits on every instruction set and thread
//! count, and a held-out loss that really falls.

use std::ops::ControlFlow;
use std::path::Path;

use assay_crypto::Digest;
use assay_job::{Local, run};

/// What `assay train examples/finetune.toml --seed 00..00` prints. A change here is a change of
/// the arithmetic specification.
const GOLDEN: &str = include_str!("../golden/finetune.digest");

#[test]
fn the_example_learns_and_ends_in_the_golden_state() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let text = std::fs::read_to_string(folder.join("finetune.toml")).unwrap();
    let job = assay_job::read(&text, &folder).unwrap();
    let local = Local::new(&job, Digest::ZERO).unwrap();
    let began = std::time::Instant::now();
    let done = run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
    eprintln!("{} steps in {:?}", job.steps, began.elapsed());
    let spec = &job.specification;
    let inputs = (&local.inputs, &local.private);
    let delivery = assay_job::deliver(job.kind, spec, inputs, &done.state).unwrap();
    let (before, after) = (
        delivery.figures["loss_before"],
        delivery.figures["loss_after"],
    );
    eprintln!("loss {before:.4} -> {after:.4}, {:#?}", delivery.samples);
    assert!(before - after >= 0.3, "held-out loss {before} -> {after}");
    assert_eq!(done.state_digest.to_string(), GOLDEN.trim());
}
