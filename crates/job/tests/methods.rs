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
    let delivery = job.kind.deliver(spec, inputs, &local.private, &done.state);
    (done.state_digest, delivery.unwrap())
}

const ALL: &str = r#"target_modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
"up_proj", "down_proj"]"#;

/// State digests of the runs below. They change with the kernel specification, the step graph or the
/// example, never with a machine.
const GOLDEN: [(&str, &str); 12] = [
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
    (
        "lora on bfloat16",
        "c640dbf91187b7635116da46df070686136f60a28c2676cb5479615cda983888",
    ),
    (
        "lora on int8",
        "be9a0207066b481f0c7de84690c04ce703dd33e6d0cf9ab255f92d040c294643",
    ),
    (
        "lora on nf4",
        "390d920d9d1530be98f2841aa2d93bd3422f7a397e32f1fe9f670e8667f4ff75",
    ),
    (
        "lora on w8a8",
        "a82d6e64cc3531f975f6741f2aa8aff33f7f2a78dd3a20c913692726c00bbb5f",
    ),
    (
        "lora with bfloat16 activations",
        "69cf65137acac80a4abc97f421cb547ecd46a07e78ad7a34a8b3069d66f79306",
    ),
];

#[test]
fn every_method_lowers_the_held_out_loss_and_ends_in_its_golden_state() {
    let lora = format!("r = 8\nlora_alpha = 16\n{ALL}");
    let rate = |rate: &'static str| vec![("learning_rate = 0.007", rate)];
    let held = |precision: &'static str| vec![("path = \"glassllm\"", precision)];
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
        (
            "lora on bfloat16",
            lora.clone(),
            held("path = \"glassllm\"\nprecision = \"bfloat16\""),
        ),
        (
            "lora on int8",
            lora.clone(),
            held("path = \"glassllm\"\nprecision = \"int8\""),
        ),
        (
            "lora on nf4",
            lora.clone(),
            held("path = \"glassllm\"\nprecision = \"nf4\""),
        ),
        (
            "lora on w8a8",
            lora.clone(),
            held("path = \"glassllm\"\nprecision = \"w8a8\""),
        ),
        (
            "lora with bfloat16 activations",
            lora.clone(),
            vec![(
                "warmup_steps = 8",
                "warmup_steps = 8\nactivation_storage = \"bfloat16\"",
            )],
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
    assert!(
        losses["lora on w8a8"] <= 1.02 * losses["lora"],
        "{losses:?}"
    );
    let rounded = losses["lora with bfloat16 activations"];
    let moved = (rounded - losses["lora"]).abs() / losses["lora"];
    assert!(moved < 0.02, "{losses:?}");
}

/// A job file may name the default, and the specification then has the bytes it has without.
#[test]
fn how_activations_are_held_is_part_of_the_specification() {
    let specification = |setting: &str| {
        let warmup = format!("warmup_steps = 8\n{setting}");
        job("r = 8", &[("warmup_steps = 8", &warmup)]).map(|job| job.specification)
    };
    let plain = specification("").unwrap();
    let named = specification("activation_storage = \"float32\"").unwrap();
    assert_eq!(named, plain);
    let rounded = specification("activation_storage = \"bfloat16\"").unwrap();
    let text = String::from_utf8(rounded).unwrap();
    assert!(
        text.contains("\"activation_storage\":\"bfloat16\""),
        "{text}"
    );
    let text = specification("activation_storage = \"int8\"")
        .unwrap_err()
        .to_string();
    assert!(text.contains("expected `float32` or `bfloat16`"), "{text}");
    let schema = assay_job::schema().to_string();
    assert!(schema.contains("activation_storage"));
}

/// The example's job, which watches itself on the first held-out records.
fn watched(folder: &Path, settings: &str) -> Job {
    let heldout = std::fs::read_to_string(examples().join("dialogue/heldout.jsonl")).unwrap();
    let some: String = heldout.split_inclusive('\n').take(24).collect();
    std::fs::write(folder.join("validation.jsonl"), some).unwrap();
    let validation = format!(
        "completion_only = true\nvalidation = {:?}",
        folder.join("validation.jsonl")
    );
    let training = [
        ("completion_only = true", validation.as_str()),
        ("steps = 160", settings),
        // Far too fast, so that it overshoots.
        ("learning_rate = 0.007", "learning_rate = 0.05"),
    ];
    let text = std::fs::read_to_string(examples().join("finetune.toml")).unwrap();
    let text = training.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replacen(from, to, 1)
    });
    assay_job::read(&text, &examples()).unwrap()
}

#[test]
fn a_run_stops_early_and_ends_with_its_best_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let plain = watched(folder.path(), "steps = 60\neval_steps = 5");
    let (_, last) = train(&plain);
    let best = watched(
        folder.path(),
        "steps = 60\neval_steps = 5\nload_best_model_at_end = true",
    );
    let (_, best) = train(&best);
    let stopping = watched(
        folder.path(),
        "steps = 60\neval_steps = 5\nload_best_model_at_end = true\nearly_stopping_patience = 2",
    );
    let local = Local::new(&stopping, Digest::ZERO).unwrap();
    let mut trained = 0;
    let done = run(&local.task, &mut |report| {
        trained += u64::from(report.loss_micro.is_some());
        ControlFlow::Continue(())
    });
    let (spec, inputs) = (&stopping.specification, &local.inputs);
    let state = done.unwrap().state;
    let stopped = stopping.kind.deliver(spec, inputs, &local.private, &state);
    let stopped = stopped.unwrap();

    let step = stopped.figures["validation_step"];
    assert!(trained < 60, "it never stopped");
    assert_eq!(trained as f64, step + 10.0, "two evaluations later");
    assert!(best.figures["validation_loss"] <= stopped.figures["validation_loss"]);
    assert_eq!(
        best.figures["validation_loss"],
        last.figures["validation_loss"]
    );
    // The validation records are among the held-out ones, so the best is better there too.
    assert!(best.figures["loss_after"] < last.figures["loss_after"]);
}

#[test]
fn a_run_goes_on_from_a_saved_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let short = ("steps = 160", "steps = 20");
    let lora = format!("r = 8\nlora_alpha = 16\n{ALL}");
    let (_, first) = train(&job(&lora, &[short]).unwrap());
    for (name, bytes) in &first.files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let resumed = format!("{lora}\npath = {:?}", folder.path());
    let (_, second) = train(&job(&resumed, &[short]).unwrap());
    assert!(second.figures["loss_after"] < first.figures["loss_after"]);

    // An adapter of other settings is refused by name, before any step.
    let other = format!("r = 4\nlora_alpha = 16\n{ALL}\npath = {:?}", folder.path());
    let error = assay_job::check(&job(&other, &[short]).unwrap()).unwrap_err();
    let mut refused: Option<&dyn std::error::Error> = Some(&error);
    let mut text = String::new();
    while let Some(error) = refused {
        text += &format!("{error}: ");
        refused = error.source();
    }
    assert!(text.contains("differ from those of the job"), "{text}");
}

#[test]
fn settings_of_another_method_are_refused_by_name() {
    let cases = [
        ("method = \"ia3\"\nr = 8", "adapter.r"),
        (
            "method = \"full\"\ntarget_modules = [\"q_proj\"]",
            "adapter.target_modules",
        ),
        ("method = \"bitfit\"\nuse_dora = true", "adapter.use_dora"),
        (
            "method = \"private_lora\"\nlora_dropout = 0.1",
            "adapter.lora_dropout",
        ),
        (
            "feedforward_modules = [\"down_proj\"]",
            "adapter.feedforward_modules",
        ),
        (
            "use_dora = true\nlora_dropout = 0.1",
            "use_dora is not computed together",
        ),
        ("lora_dropout = 1.0", "lora_dropout is 1"),
        (
            "method = \"full\"\npath = \"x\"",
            "full fine-tuning has no adapter",
        ),
        ("method = \"vera\"", "unknown variant"),
    ];
    for (adapter, expected) in cases {
        let text = job(adapter, &[]).unwrap_err().to_string();
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
    let early = [(
        "warmup_steps = 8",
        "warmup_steps = 8\nearly_stopping_patience = 2",
    )];
    let text = job("r = 8", &early).unwrap_err().to_string();
    assert!(text.contains("training.eval_steps"), "{text}");
}
