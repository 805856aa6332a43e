//! The `[adapter]` table in PEFT's spellings.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_job::{Job, JobError, Local, run};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The example's job for two steps, with another adapter section.
fn job(adapter: &str) -> Result<Job, JobError> {
    let text = std::fs::read_to_string(examples().join("finetune.toml")).unwrap();
    let (before, rest) = text.split_once("[adapter]").unwrap();
    let (_, after) = rest.split_once("[training]").unwrap();
    let before = before.replace("heldout =", "#");
    let after = after.replace("steps = 160", "steps = 2");
    let after = after.replace("warmup_steps = 8", "warmup_steps = 1");
    let text = format!("{before}[adapter]\n{adapter}\n[training]{after}");
    assay_job::read(&text, &examples())
}

fn train(adapter: &str) -> (Digest, serde_json::Value) {
    let job = job(adapter).unwrap();
    let local = Local::new(&job, Digest::ZERO).unwrap();
    let done = run(&local.task, &mut |_| ControlFlow::Continue(())).unwrap();
    let (spec, inputs) = (&job.specification, &local.inputs);
    let delivery = assay_job::deliver(job.kind, spec, (inputs, &local.private), &done.state);
    let files = delivery.unwrap().files;
    let settings = files.iter().find(|(name, _)| name == "adapter_config.json");
    (
        done.state_digest,
        serde_json::from_slice(&settings.unwrap().1).unwrap(),
    )
}

#[test]
fn one_choice_of_modules_has_one_digest_however_it_is_spelled() {
    let (plain, settings) = train("r = 4");
    for adapter in [
        "r = 4\ntarget_modules = [\"self_attn.v_proj\", \"q_proj\"]",
        "r = 4\ntarget_modules = '.*\\.(q|v)_proj'",
        "r = 4\ntarget_modules = \"all-linear\"\nexclude_modules = '.*(k|o|up|gate|down)_proj'",
        "r = 4\nlora_alpha = 16.0\nlayers_to_transform = [0, 1, 2, 3]",
        "r = 4\nrank_pattern = {q_proj = 4}\nalpha_pattern = {\".*\" = 16}",
        // What PEFT's own files have beside it.
        "r = 4\nbias = \"none\"\ntask_type = \"CAUSAL_LM\"\ninference_mode = false\n\
         init_lora_weights = true\nfan_in_fan_out = false\nmodules_to_save = []\n\
         use_qalora = false\npeft_type = \"LORA\"",
    ] {
        let (digest, same) = train(adapter);
        assert_eq!(digest, plain, "{adapter}");
        assert_eq!(same, settings, "{adapter}");
    }
    let (some, settings) = train("r = 4\nlora_alpha = 2.5\nlayers_to_transform = 3");
    assert_ne!(some, plain);
    assert_eq!(settings["lora_alpha"], 2.5);
    let names = ["q_proj", "v_proj"].map(|name| format!("model.layers.3.self_attn.{name}"));
    assert_eq!(settings["target_modules"], serde_json::json!(names));
    let (ranks, settings) = train("r = 4\nrank_pattern = {'0\\..*q_proj' = 2}");
    assert_ne!(ranks, plain);
    let path = "model.layers.0.self_attn.q_proj";
    assert_eq!(settings["rank_pattern"], serde_json::json!({ path: 2 }));
}

#[test]
fn what_would_be_another_adapter_is_refused_by_name() {
    for (adapter, expected) in [
        (
            "init_lora_weights = \"pissa\"",
            "init_lora_weights is \"pissa\"",
        ),
        (
            "init_lora_weights = \"gaussian\"",
            "init_lora_weights is \"gaussian\"",
        ),
        ("init_lora_weights = false", "init_lora_weights is false"),
        ("bias = \"all\"", "bias is \"all\""),
        ("modules_to_save = [\"lm_head\"]", "modules_to_save"),
        ("trainable_token_indices = [3]", "trainable_token_indices"),
        ("layer_replication = [[0, 2]]", "layer_replication"),
        ("task_type = \"SEQ_CLS\"", "only CAUSAL_LM"),
        ("rank = 4", "rank is 4: this setting is not known here"),
        ("lora_alpha = 0", "lora_alpha is 0"),
        ("lora_alpha = nan", "lora_alpha is NaN"),
        ("r = 0", "r is 0"),
        ("target_modules = []", "matches no projection"),
        ("target_modules = \"q_proj\"", "matches no projection"),
        ("target_modules = '(q_proj'", "no regular expression"),
        ("target_modules = [\"fc1\"]", "\"fc1\" is unknown"),
        (
            "init_lora_weights = \"eva\"",
            "init_lora_weights is \"eva\"",
        ),
        ("eva_config = {rho = 2.0}", "eva_config is {\"rho\":2.0}"),
        (
            "method = \"private_lora\"\nlora_alpha = 2.5",
            "whole numbers",
        ),
        (
            "method = \"ia3\"\nlayers_to_transform = 1",
            "this method has no such setting",
        ),
        (
            "method = \"ia3\"\nfeedforward_modules = [\"up_proj\"]",
            "feedforward_modules",
        ),
    ] {
        let text = match job(adapter) {
            Err(error) => error.to_string(),
            Ok(job) => told(&assay_job::check(&job).unwrap_err()),
        };
        assert!(text.contains("adapter"), "{text}");
        assert!(text.contains(expected), "{adapter}: {text}");
    }
    for (adapter, expected) in [
        (
            "target_modules = 3",
            "a list of names, or a regular expression",
        ),
        (
            "layers_to_transform = 1.5",
            "a layer's number, counted from 0",
        ),
    ] {
        let text = job(adapter).unwrap_err().to_string();
        assert!(text.contains(adapter) && text.contains(expected), "{text}");
    }
    // What only the model can tell is told before the first step.
    for (adapter, expected) in [
        (
            "layers_to_transform = 4",
            "layer 4 is named, and the model has 4 layers, 0 to 3",
        ),
        (
            "layers_to_transform = -1",
            "layers_to_transform: layer -1 is named, and the model has 4 layers, 0 to 3",
        ),
        ("layers_to_transform = [0, 5000]", "layer 5000 is named"),
        (
            "target_modules = [\"model.layers.9.mlp.up_proj\"]",
            "layer 9 is named",
        ),
        (
            "rank_pattern = {k_proj = 2}",
            "\"k_proj\", which matches no adapted projection",
        ),
        (
            "method = \"private_lora\"\ntarget_modules = [\"model.layers.0.mlp.up_proj\"]",
            "the same projections in every layer",
        ),
    ] {
        let error = assay_job::check(&job(adapter).unwrap()).unwrap_err();
        assert!(
            told(&error).contains(expected),
            "{adapter}: {}",
            told(&error)
        );
    }
}

#[test]
fn what_of_the_settings_is_passed_over_is_noted_before_anything_is_computed() {
    let notes = |adapter: &str| {
        let job = job(adapter).unwrap();
        assay_job::check(&job).unwrap();
        job.notes(&job.read_inputs().unwrap()).unwrap()
    };
    let plain = notes("r = 4");
    for (adapter, expected) in [
        (
            "target_modules = [\"q_proj\", \"fc1\"]",
            "adapter.target_modules names \"fc1\", and this model has no such module",
        ),
        (
            "exclude_modules = [\"fc2\"]",
            "adapter.exclude_modules names \"fc2\", which leaves nothing out",
        ),
        (
            "method = \"bitfit\"\nexclude_modules = \"o_proj\"",
            "adapter.exclude_modules leaves nothing out",
        ),
    ] {
        let notes = notes(adapter);
        assert_eq!(notes.len(), plain.len() + 1, "{notes:?}");
        assert!(notes.last().unwrap().contains(expected), "{notes:?}");
    }
    // The name that is passed over changes nothing.
    let one = train("r = 4\ntarget_modules = [\"q_proj\"]");
    assert_eq!(train("r = 4\ntarget_modules = [\"q_proj\", \"fc1\"]"), one);
}

#[test]
fn biases_that_cannot_be_merged_are_told_before_they_are_trained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for entry in std::fs::read_dir(examples().join("glassllm")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), at(entry.file_name().to_str().unwrap())).unwrap();
    }
    // Of the same tensors, but of a family whose config.json has no field for biases.
    let config = std::fs::read_to_string(at("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["model_type"] = "mistral".into();
    std::fs::write(at("config.json"), config.to_string()).unwrap();
    let text = std::fs::read_to_string(examples().join("finetune.toml")).unwrap();
    let text = text.replace("\"glassllm\"", &format!("{:?}", folder.path()));
    let (before, rest) = text.split_once("[adapter]").unwrap();
    let (_, after) = rest.split_once("[training]").unwrap();
    let notes = |method: &str| {
        let text = format!("{before}[adapter]\nmethod = {method:?}\n[training]{after}");
        let job = assay_job::read(&text, &examples()).unwrap();
        job.notes(&job.read_inputs().unwrap()).unwrap()
    };
    let all = notes("bitfit");
    let note = all.last().unwrap();
    assert!(
        note.contains("`assay merge` will refuse this adapter"),
        "{note}"
    );
    assert!(note.contains("biases of q_proj, k_proj"), "{note}");
    assert_eq!(notes("ia3").len(), all.len() - 1);
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
