//! Every fine-tuning method on the example's model and records, from job file to held-out loss.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_job::{Delivery, Job, Local, run};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The example's job file with another adapter section and other training settings.
fn job(adapter: &str, training: &[(&str, &str)]) -> Result<Job, assay_job::JobError> {
    let text = std::fs::read_to_string(examples().join("finetune.toml")).unwrap();
    let (before, rest) = text.split_once("[adapter]").unwrap();
    let (_, after) = rest.split_once("[training]").unwrap();
    let mut text = format!("{before}[adapter]\n{adapter}\n[training]{after}");
    for (from, to) in training {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    assay_job::read(&text, &examples())
}

fn train(job: &Job) -> (Digest, Delivery) {
    let local = Local::new(job, Digest::ZERO).unwrap();
    let done = run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
    let (spec, inputs) = (&job.specification, &local.inputs);
    let delivery = job
        .kind()
        .deliver(spec, inputs, &local.private, &done.state);
    (done.state_digest, delivery.unwrap())
}

const ALL: &str = r#"target_modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
"up_proj", "down_proj"]"#;

/// State digests of the runs below. They change with the kernel specification, the step graph or the
/// example, never with a machine.
const GOLDEN: [(&str, &str); 7] = [
    (
        "lora",
        "82f8e64fdc0a778b5c87e00f0ab41c07afd0cfb19ac35ab1a5fd90bdb8bc926e",
    ),
    (
        "dora",
        "a82525f1db38b6acaa2d591d450d8979cbd09dea61ad1dfce117b8fc53d6dabe",
    ),
    (
        "rslora with dropout",
        "dcd4da3b241f7d5342cb7035adea8c103fc92eef4855e93a95ebf511185d37ff",
    ),
    (
        "ia3",
        "bf3c51ea3c8210f3210cd55550689ce2cc2fe8b8e10804a0eb03c3f72f7d2de7",
    ),
    (
        "bitfit",
        "35c9c54dbac49bc34161f48fbe92dc3dd4d19fae832e32cb359b12c369f5d06b",
    ),
    (
        "private lora",
        "8571346c00cbe2336616b28a1a0f14ae7d0e73e8e506a4b656698e8bb6efd379",
    ),
    (
        "full",
        "72210208e2b271073649d0598460b22466c19889f4cdc272c20af1cef9ab89c6",
    ),
];

#[test]
fn every_method_lowers_the_held_out_loss_and_ends_in_its_golden_state() {
    let lora = format!("r = 8\nlora_alpha = 16\n{ALL}");
    let rate = |rate: &'static str| vec![("learning_rate = 0.007", rate)];
    let runs = [
        ("lora", lora.clone(), rate("learning_rate = 0.007")),
        (
            "dora",
            format!("{lora}\nuse_dora = true"),
            rate("learning_rate = 0.007"),
        ),
        (
            "rslora with dropout",
            format!("{lora}\nuse_rslora = true\nlora_dropout = 0.05"),
            rate("learning_rate = 0.004"),
        ),
        (
            "ia3",
            "method = \"ia3\"".to_owned(),
            rate("learning_rate = 0.05"),
        ),
        (
            "bitfit",
            "method = \"bitfit\"".to_owned(),
            rate("learning_rate = 0.02"),
        ),
        (
            "private lora",
            "method = \"private_lora\"\nr = 32\nlora_alpha = 64".to_owned(),
            rate("learning_rate = 0.02"),
        ),
        (
            "full",
            "method = \"full\"".to_owned(),
            rate("learning_rate = 0.001"),
        ),
    ];
    let mut losses = BTreeMap::new();
    for ((name, adapter, training), golden) in runs.into_iter().zip(GOLDEN) {
        let job = job(&adapter, &training).unwrap();
        let (digest, delivery) = train(&job);
        let figures = delivery.figures;
        let (before, after) = (figures["loss_before"], figures["loss_after"]);
        eprintln!("{name}: {before:.4} -> {after:.4}, {digest}");
        assert!(after < before - 0.2, "{name}: {before} -> {after}");
        assert_eq!((name, digest.to_string().as_str()), golden);
        losses.insert(name, after);
    }
    assert!(
        losses["private lora"] <= 1.05 * losses["lora"],
        "{losses:?}"
    );
}
