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
        "7bcf1a9a2cce778d09ea0126d956f2918b76e1f32ecad110a396a96a31b4878a",
    ),
    (
        "rslora with dropout",
        "e1786fc0582009c26f8cc4a00457982254183a88954a940c9b172195a7499460",
    ),
    (
        "ia3",
        "a090b22089a37de8d36d72b2a5c40d184f05eee322c1459e0151afbb0282ab15",
    ),
    (
        "bitfit",
        "a0462986b036bf175ff8cc9e5670e12d3d90e9d4f9faa2139cefc6ae318eb2fa",
    ),
    (
        "private lora",
        "f567a67f614c39c3e8ca344554fddd599159164732fdd52a277de4acc658b056",
    ),
    (
        "full",
        "fc8f236080d54262ee4f8cbd93ab401247b061696a0e7d2dd13476e54751aae8",
    ),
    (
        "lora on bfloat16",
        "c91dd665cfc751438f7ee1e56835d13f99454fb485548be50dc40036bd959bdc",
    ),
    (
        "lora on int8",
        "13c09a8129cc4c95977949b5954b82431d999e1cc3c8d885933b7eb30e9b76fc",
    ),
    (
        "lora on nf4",
        "933fe20dd0bc9430ee754a4c0a9242862925acb1e7c9df786f258b4d912aa0e1",
    ),
    (
        "lora on w8a8",
        "64890a7e0ab1aac855b2ae4b11e38d4e919d4ada4aa6a0b17b72f02a87034156",
    ),
    (
        "lora with bfloat16 activations",
        "2454cd487f1fedc9b444cc9018a860c4404bfcde9e72cae31b771fc27385bb06",
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
