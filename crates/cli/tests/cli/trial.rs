//! The main job end to end: the demo, what a late auditor finds, and an evaluation.

use std::{fs, path::Path};

use crate::support::{Run, assay};
use serde_json::Value;

fn audit(home: &Path, dir: &Path) -> Run {
    assay(
        home,
        &["audit", "--offline", dir.to_str().unwrap(), "--json"],
    )
}

#[test]
fn the_demo_is_true_and_a_forged_result_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("demo");
    let demo = assay(&dir, &["demo", "--json"]).ok();
    let number = |name: &str| demo[name].as_f64().unwrap();
    assert!(
        number("loss_before") - number("loss_after") >= 0.3,
        "{demo}"
    );
    assert_eq!(demo["cheater_caught"], true, "{demo}");
    assert_eq!(demo["supply_conserved"], true, "{demo}");
    assert!(demo["slash_tx"].is_string(), "{demo}");
    for name in ["adapter_dir", "chain_dir", "blob_dir"] {
        assert!(
            Path::new(demo[name].as_str().unwrap()).is_dir(),
            "{name}: {demo}"
        );
    }

    let audited = audit(temp.path(), &dir).ok();
    assert_eq!(audited["agrees"], true, "{audited}");
    for name in [
        "job_id",
        "state_digest",
        "loss_after",
        "balances",
        "slash_tx",
        "audit_share",
    ] {
        assert_eq!(audited[name], demo[name], "{name}");
    }

    // A single figure that is not true is named.
    let path = dir.join("result.json");
    let honest = fs::read_to_string(&path).unwrap();
    let mut forged: Value = serde_json::from_str(&honest).unwrap();
    forged["loss_after"] = Value::from(number("loss_after") - 0.001);
    fs::write(&path, forged.to_string()).unwrap();
    let refused = audit(temp.path(), &dir);
    assert_eq!(refused.code, 5, "{}", refused.out);
    let first: Value = serde_json::from_str(refused.out.lines().next().unwrap()).unwrap();
    let differing = first["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["equal"] == false);
    let names: Vec<_> = differing.map(|c| c["figure"].as_str().unwrap()).collect();
    assert_eq!(names, ["loss_after", "result.json, byte by byte"]);

    // So is an adapter that was changed after the fact.
    fs::write(&path, honest).unwrap();
    let weights = dir.join("adapter/adapter_model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_eq!(audit(temp.path(), &dir).code, 5);
}

#[test]
fn an_evaluation_is_audited_and_paid_like_training() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("evaluate");
    let job = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/evaluate.toml");
    let done = assay(&dir, &["try", job, "--json"]).ok();
    // What transformers gives for the same model and records.
    let loss = done["figures"]["loss"].as_f64().unwrap();
    assert!((loss - 5.0661).abs() < 1e-3, "{done}");
    assert_eq!(done["figures"]["tokens"], 2844.0);
    assert_eq!(done["supply_conserved"], true);
    assert_eq!(audit(temp.path(), &dir).ok()["agrees"], true);
}

#[test]
fn a_small_model_on_a_table_is_trained_audited_and_paid() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("train");
    let job = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/train.toml");
    let done = assay(&dir, &["try", job, "--json"]).ok();
    let accuracy = done["figures"]["accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.95, "{done}");
    assert_eq!(done["supply_conserved"], true);
    assert_eq!(audit(temp.path(), &dir).ok()["agrees"], true);
}

#[test]
fn an_evaluation_in_three_copies_is_compared_and_paid_three_times() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("copies");
    let job = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/evaluate-copies.toml"
    );
    let done = assay(&dir, &["try", job, "--json"]).ok();
    let loss = done["figures"]["loss"].as_f64().unwrap();
    assert!((loss - 5.0661).abs() < 1e-3, "{done}");
    assert_eq!(
        (&done["equal_results"], &done["audit_share"]),
        (&3.into(), &0.0.into())
    );
    for provider in ["provider-0", "provider-1", "provider-2"] {
        let balance = done["balances"][provider].as_u64().unwrap();
        assert!(balance > 100_900_000, "{provider} was not paid: {balance}");
    }
    assert_eq!(done["supply_conserved"], true);
    assert_eq!(audit(temp.path(), &dir).ok()["agrees"], true);
}
