//! Split training between processes.

use std::{fs, path::Path};

use crate::support;
use crate::support::{
    assay,
    split::{Provider, error, examples, job, train, unsplit},
};

const STEPS: (&str, &str) = ("steps = 160", "steps = 6");
const WARMUP: (&str, &str) = ("warmup_steps = 8", "warmup_steps = 2");

/// Settings under which the two sides exchange other things.
const VARIED: [(&str, &str); 6] = [
    STEPS,
    WARMUP,
    ("r = 8", "r = 3"),
    (
        "batch_size = 8",
        "batch_size = 2\ngradient_accumulation_steps = 2",
    ),
    (
        "schedule = ",
        "max_grad_norm = 0.5\ngradient_checkpointing = true\nactivation_storage = \"bfloat16\"\nschedule = ",
    ),
    (
        "path = \"glassllm\"",
        "path = \"glassllm\"\nprecision = \"nf4\"",
    ),
];

#[test]
fn two_processes_train_to_the_bits_of_one() {
    for (changes, more) in [
        (&[STEPS, WARMUP][..], &[][..]),
        (&VARIED, &["--precision", "nf4"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let job = job(dir.path(), changes);
        let provider = Provider::start(dir.path(), "provider", more);
        let split = train(dir.path(), &job, &[&provider.at()], &[]).ok();
        let whole = unsplit(dir.path(), &job);
        for same in ["state_digest", "trace_root", "loss_before", "loss_after"] {
            assert_eq!(split[same], whole[same], "{same}");
        }
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let read = |folder: &str| fs::read(dir.path().join(folder).join(file)).unwrap();
            assert_eq!(read("out"), read("unsplit"), "{file}");
        }
        let traffic = &split["traffic"][0];
        assert_eq!(traffic["steps"], 6);
        assert_eq!(traffic["sent_bytes"], traffic["sent_formula"]);
        assert_eq!(traffic["received_bytes"], traffic["received_formula"]);
        assert!(traffic["sent_bytes"].as_u64().unwrap() > 100_000);
        assert_eq!(split["wasted_bytes"], 0);
        assert!(
            split["warning"]
                .as_str()
                .unwrap()
                .contains("locality, not secrecy")
        );
    }
}

#[test]
fn masked_runs_have_one_result_under_any_key_and_pair_of_providers() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(
        dir.path(),
        &[
            ("steps = 160", "steps = 2"),
            ("warmup_steps = 8", "warmup_steps = 1"),
            ("batch_size = 8", "batch_size = 1"),
        ],
    );
    let [a, b] = ["a", "b"].map(|name| Provider::start(dir.path(), name, &[]));
    let run = |at: [&str; 2], out: &str| {
        let out = dir.path().join(out).display().to_string();
        let more = ["--masked", "--out", &out];
        train(dir.path(), &job, &at, &more).ok()
    };
    let first = run([&a.at(), &b.at()], "first");
    let second = run([&b.at(), &a.at()], "second");
    assert_eq!(first["state_digest"], second["state_digest"]);
    for one in first["traffic"].as_array().unwrap() {
        assert_eq!(one["sent_bytes"], one["sent_formula"]);
        assert_eq!(one["received_bytes"], one["received_formula"]);
    }
    assert_eq!(first["traffic"].as_array().unwrap().len(), 2);
    // Its bits are its own, its result is not.
    let whole = unsplit(dir.path(), &job);
    assert_ne!(first["state_digest"], whole["state_digest"]);
    let after = |run: &serde_json::Value| run["loss_after"].as_f64().unwrap();
    assert!((after(&first) - after(&whole)).abs() < 1e-4);
}

/// A model folder of the same shape with one weight changed.
fn other_model(dir: &Path) -> String {
    let folder = dir.join("other");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(examples("glassllm")).unwrap() {
        let entry = entry.unwrap();
        let mut bytes = fs::read(entry.path()).unwrap();
        if entry.file_name() == "model.safetensors" {
            *bytes.last_mut().unwrap() ^= 1;
        }
        fs::write(folder.join(entry.file_name()), bytes).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn whatever_differs_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let stranger = "ab".repeat(32);
    let other = other_model(dir.path());
    for (name, more, code, expected) in [
        (
            "closed",
            &["--allow", &stranger][..],
            1,
            "is not on this provider's list",
        ),
        (
            "other",
            &["--model", &other],
            1,
            "both sides need the same model",
        ),
        (
            "bfloat16",
            &["--precision", "bfloat16"],
            1,
            "start it with --precision float32",
        ),
        (
            "small",
            &["--step-memory", "1"],
            1,
            "and this provider allows 1048576",
        ),
    ] {
        let provider = Provider::start(dir.path(), name, more);
        let job = job(dir.path(), &[STEPS, WARMUP]);
        let run = train(dir.path(), &job, &[&provider.at()], &["--patience", "5"]);
        assert_eq!(run.code, code, "{name}: {}", run.out);
        assert!(error(&run).contains(expected), "{name}: {}", error(&run));
    }
}

#[test]
fn what_the_requester_can_see_itself_is_refused_before_anybody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let at = format!("{}@127.0.0.1:9", "ab".repeat(32));
    let whole = job(dir.path(), &[STEPS, WARMUP]);
    for (at, more, expected) in [
        (
            &[at.as_str(), &at][..],
            &[][..],
            "the plain split has one provider",
        ),
        (&[&at], &["--masked"], "the masked split has two providers"),
        (&[&at, &at], &["--masked"], "both providers are one account"),
    ] {
        let run = train(dir.path(), &whole, at, more);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(error(&run).contains(expected), "{}", error(&run));
    }
    let lora = [("\"private_lora\"", "\"lora\"")];
    let run = train(dir.path(), &job(dir.path(), &lora), &[&at], &[]);
    assert_eq!(run.code, 2);
    assert!(
        error(&run).contains("only PrivateLoRA can be split"),
        "{}",
        error(&run)
    );
    let dora = [("\"private_lora\"", "\"lora\"\nuse_dora = true")];
    let pair = [at.as_str(), &at.replace("ab", "cd")];
    let run = train(dir.path(), &job(dir.path(), &dora), &pair, &["--masked"]);
    assert_eq!(run.code, 2);
    assert!(
        error(&run).contains("is not computed in masked mode"),
        "{}",
        error(&run)
    );
    let w8a8 = [(
        "path = \"glassllm\"",
        "path = \"glassllm\"\nprecision = \"w8a8\"",
    )];
    let run = train(dir.path(), &job(dir.path(), &w8a8), &[&at], &[]);
    assert_eq!(run.code, 2);
    let said = error(&run);
    assert!(said.contains("is not computed by two parties"), "{said}");
    // Nobody is there.
    let whole = job(dir.path(), &[STEPS, WARMUP]);
    let run = train(dir.path(), &whole, &[&at], &["--patience", "1"]);
    assert_eq!(run.code, 4, "{}", run.out);
    assert!(error(&run).contains("is unreachable"), "{}", error(&run));
    assert!(
        run.json()["hint"]
            .as_str()
            .unwrap()
            .contains("the same command goes on")
    );
}

#[test]
fn a_finished_run_needs_nobody_and_another_job_does_not_take_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::start(dir.path(), "provider", &[]);
    let first = job(dir.path(), &[STEPS, WARMUP]);
    let done = train(dir.path(), &first, &[&provider.at()], &[]).ok();
    drop(provider);
    let nobody = format!("{}@127.0.0.1:9", "ab".repeat(32));
    let again = train(dir.path(), &first, &[&nobody], &[]).ok();
    assert_eq!(again["state_digest"], done["state_digest"]);
    assert_eq!(again["trace_root"], done["trace_root"]);
    assert_eq!(
        (&again["resumed_at"], &again["traffic"][0]["steps"]),
        (&6.into(), &0.into())
    );
    let run = train(dir.path(), &first, &[&nobody], &["--seed", "01"]);
    assert_eq!(run.code, 1);
    assert!(
        error(&run).contains("is the unfinished run of another job"),
        "{}",
        error(&run)
    );
}

#[test]
fn help_teaches_and_warns() {
    let dir = tempfile::tempdir().unwrap();
    let help = assay(dir.path(), &["split", "--help"]).out;
    assert!(
        help.contains("locality, not secrecy") && help.contains("Example"),
        "{help}"
    );
    let help = assay(dir.path(), &["split", "train", "--help"]).out;
    assert!(help.contains("WARNING: locality, not secrecy"), "{help}");
    assert!(help.contains("Examples:"), "{help}");
}

#[test]
fn strangers_are_served_only_where_somebody_said_so() {
    let temp = tempfile::tempdir().unwrap();
    assay(temp.path(), &["keys", "new", "--json"]).ok();
    let model = support::split::examples("glassllm");
    let serve = [
        "split",
        "serve",
        "--model",
        &model,
        "--listen",
        "0.0.0.0:0",
        "--json",
    ];
    let open = assay(temp.path(), &serve);
    assert_eq!(open.code, 2, "{}", open.out);
    assert!(open.out.contains("--allow ACCOUNT"), "{}", open.out);
    let account = "a".repeat(64);
    let both = [&serve[..], &["--anybody", "--allow", &account]].concat();
    assert_eq!(assay(temp.path(), &both).code, 2);
}
