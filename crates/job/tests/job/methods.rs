//! Every fine-tuning method on the example's model and records, from job file to held-out loss.

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
    let delivery = assay_job::deliver(job.kind, spec, (inputs, &local.private), &done.state);
    (done.state_digest, delivery.unwrap())
}

const ALL: &str = r#"target_modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
"up_proj", "down_proj"]"#;

/// State digests of the runs below. They change with the kernel specification, the step graph or the
/// example, never with a machine.
const GOLDEN: [(&str, &str); 12] = [
    (
        "lora",
        "eda2daac25b389e1450ec99cd4eccf52ac980bd535bf2abbf22fa980de749edd",
    ),
    (
        "dora",
        "d5f704afd9a1b4140b56302435b6c14305c1e713bb5e96b9355d3023b993776e",
    ),
    (
        "rslora with dropout",
        "62c87b0b25e153c44c707e9fabdd2ab59df3b49cd96c4fe37dfdee0f0a880f31",
    ),
    (
        "ia3",
        "275b0ced27cde0908c4c269c7b09f230370e51e7b129bebdc81eb6cdca1e5536",
    ),
    (
        "bitfit",
        "a3c7ffc9368ba3d0c3211f91fa253a4c4da5382e9dfbde6e56902e74360f49ea",
    ),
    (
        "private lora",
        "8c8e0db5180299864104701dab14700d7aff38cc4845eb746fd1736b66ee3452",
    ),
    (
        "full",
        "ba2e7b9bb80cc0008300fb9e803c7e40d9a109b8c53d4426ea2c9fc61a21a820",
    ),
    (
        "lora on bfloat16",
        "d4320e9e9eac6b6e41028f84cd320d5607a5c8332d34a4b08e640cd93dd9f1f0",
    ),
    (
        "lora on int8",
        "74162cc4bce06f0654ac653fc40a6b3c90e2823baced6fab13929c07e1217166",
    ),
    (
        "lora on nf4",
        "0ece1ca3063dd5ad076b40a1ce4291fa933ee90c23488bfb53d73f3080d18dbf",
    ),
    (
        "lora on w8a8",
        "8e42fc2e3a91c0d355b4ccf0ddbb6ddf599287941482ca484c83df20ba75390c",
    ),
    (
        "lora with bfloat16 activations",
        "8b8077d6dcebe1da496f3f96019c313334775ee377f3dbc123bffd1416bdaea7",
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
    let (mut losses, mut others) = (BTreeMap::new(), Vec::new());
    for ((name, adapter, training), golden) in runs.into_iter().zip(GOLDEN) {
        let job = job(&adapter, &training).unwrap();
        let (digest, delivery) = train(&job);
        let figures = delivery.figures;
        let (before, after) = (figures["loss_before"], figures["loss_after"]);
        eprintln!("{name}: {before:.4} -> {after:.4}, {digest}");
        assert!(after < before - 0.2, "{name}: {before} -> {after}");
        if (name, digest.to_string().as_str()) != golden {
            others.push(format!("{name}: {digest}"));
        }
        losses.insert(name, after);
    }
    assert!(others.is_empty(), "{others:#?}");
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
    let stopped = assay_job::deliver(stopping.kind, spec, (inputs, &local.private), &state);
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
