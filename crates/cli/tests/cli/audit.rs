//! What `audit --offline` finds in a directory that somebody else hands over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Run, assay};
use redb::{Database, TableDefinition};
use serde_json::Value;

const CERTIFICATES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("certificates");

/// A finished trial.
fn trial(home: &Path) -> PathBuf {
    let dir = home.join("trial");
    let job = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/evaluate.toml");
    assay(&dir, &["try", job, "--json"]).ok();
    dir
}

fn audit(dir: &Path, more: &[&str]) -> Run {
    let mut arguments = vec!["audit", "--offline", dir.to_str().unwrap(), "--json"];
    arguments.extend(more);
    assay(dir, &arguments)
}

/// The figures that an audit found to be untrue.
fn untrue(run: &Run) -> Vec<String> {
    assert_eq!(run.code, 5, "{} {}", run.out, run.err);
    let found = run.json();
    let checks = found["checks"].as_array().unwrap().iter();
    let wrong = checks.filter(|check| check["equal"] == false);
    let names = wrong.map(|check| check["figure"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn a_foreign_or_edited_genesis_and_every_edited_figure_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let dir = trial(temp.path());
    let honest = audit(&dir, &[]).ok();
    assert_eq!(honest["agrees"], true, "{honest}");
    assert_eq!(honest["network_proven"], false, "{honest}");
    let checks = honest["checks"].as_array().unwrap().iter();
    let open = checks.filter(|check| check["equal"].is_null());
    let open: Vec<_> = open
        .map(|check| check["figure"].as_str().unwrap())
        .collect();
    assert_eq!(
        open,
        [
            "adapter_dir",
            "blob_dir",
            "chain_dir",
            "accounts of the names in balances"
        ],
        "said to be unchecked"
    );

    // The network's name comes from outside: by name, by file, and another one.
    let name = honest["network"].as_str().unwrap();
    assert_eq!(
        audit(&dir, &["--network", name]).ok()["network_proven"],
        true
    );
    let genesis = dir.join("genesis.json");
    let copy = temp.path().join("known.json");
    fs::copy(&genesis, &copy).unwrap();
    let known = copy.to_str().unwrap();
    assert_eq!(audit(&dir, &["--network", known]).ok()["agrees"], true);
    let bytes = fs::read_to_string(&copy).unwrap();
    fs::write(&copy, bytes.replace("\"devnet\"", "\"devnot\"")).unwrap();
    let foreign = audit(&dir, &["--network", known]);
    assert_eq!(foreign.code, 5, "{}", foreign.out);
    assert!(foreign.out.contains("another network"), "{}", foreign.out);
    let unusable = audit(&dir, &["--network", "no such thing"]);
    assert_eq!(unusable.code, 2, "{}", unusable.out);

    // The genesis file beside the chain: any byte, also one that changes no value.
    for edited in [
        bytes.replace("\"devnet\"", "\"devnot\""),
        bytes.replacen('\n', " ", 1),
        bytes.replacen('{', "[", 1),
    ] {
        assert_ne!(edited, bytes);
        fs::write(&genesis, edited).unwrap();
        assert_eq!(untrue(&audit(&dir, &[])), ["genesis.json, byte by byte"]);
    }
    fs::write(&genesis, &bytes).unwrap();

    // Every figure of the result that can be recomputed.
    let path = dir.join("result.json");
    let told = fs::read_to_string(&path).unwrap();
    let mut forged: Value = serde_json::from_str(&told).unwrap();
    let mut edited = Vec::new();
    for (name, value) in forged.as_object_mut().unwrap() {
        if name == "job_id" || name.ends_with("_dir") {
            continue;
        }
        edited.push(name.clone());
        *value = match value.take() {
            Value::Bool(said) => Value::Bool(!said),
            Value::Number(number) => (number.as_f64().unwrap() + 1.0).into(),
            Value::String(text) => {
                let first = if text.starts_with('0') { "1" } else { "0" };
                format!("{first}{}", &text[1..]).into()
            }
            Value::Object(mut fields) => {
                let value = fields.values_mut().next().unwrap();
                *value = (value.as_f64().unwrap() + 1.0).into();
                fields.into()
            }
            Value::Array(_) if name == "samples" => {
                serde_json::json!([{ "prompt": "?", "base": "", "adapted": "" }])
            }
            Value::Array(_) => serde_json::json!(["a word more"]),
            Value::Null => true.into(),
        };
    }
    assert!(edited.len() >= 7, "{edited:?}");
    // The supply is a whole number.
    let supply = serde_json::from_str::<Value>(&told).unwrap()["genesis_supply"].as_u64();
    forged["genesis_supply"] = (supply.unwrap() + 1).into();
    let balances: Value = serde_json::from_str(&told).unwrap();
    forged["balances"] = balances["balances"].clone();
    forged["balances"]["requester"] = 1.into();
    fs::write(&path, serde_json::to_vec_pretty(&forged).unwrap()).unwrap();
    let found = untrue(&audit(&dir, &[]));
    for name in &edited {
        assert!(found.contains(name), "{name} is not among {found:?}");
    }
    // A list of figures tells which of them differs, for people as well.
    let mut one = serde_json::from_str::<Value>(&told).unwrap();
    one["balances"]["validator-3"] = 1.into();
    fs::write(&path, serde_json::to_vec_pretty(&one).unwrap()).unwrap();
    let shown = assay(&dir, &["audit", "--offline", dir.to_str().unwrap()]);
    assert_eq!(shown.code, 5, "{}", shown.err);
    assert!(shown.out.contains("balances: validator-3"), "{}", shown.out);
    assert!(
        !shown.out.contains("balances: validator-2"),
        "{}",
        shown.out
    );

    // One byte that changes no value, a figure that nobody knows, and another order.
    for edited in [
        told.replacen(": ", ":  ", 1),
        told.replacen('{', "{\n  \"bonus\": 1,", 1),
    ] {
        fs::write(&path, edited).unwrap();
        assert!(!untrue(&audit(&dir, &[])).is_empty());
    }
    let order = serde_json::from_str::<Value>(&told).unwrap();
    let order = order["job_id"].as_str().unwrap();
    fs::write(&path, told.replace(order, &"0".repeat(64))).unwrap();
    assert_eq!(audit(&dir, &[]).code, 5);
}

#[test]
fn files_that_lack_something_or_are_too_many_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = trial(temp.path());
    let path = dir.join("result.json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut result = whole.clone();
        change(result.as_object_mut().unwrap());
        fs::write(&path, serde_json::to_vec_pretty(&result).unwrap()).unwrap();
        audit(&dir, &[])
    };
    // A figure that is missing or of another kind is told like one that differs.
    let lacking = with(&|result| drop(result.remove("genesis_supply")));
    let alike = "result.json, byte by byte";
    assert_eq!(untrue(&lacking), ["genesis_supply", alike]);
    assert!(
        lacking.out.contains("missing field `genesis_supply`"),
        "{}",
        lacking.out
    );
    let other = with(&|result| drop(result.insert("balances".into(), 3.into())));
    assert_eq!(untrue(&other), ["balances", alike]);
    // Without its order there is nothing to repeat.
    for run in [
        with(&|result| drop(result.remove("job_id"))),
        with(&|result| drop(result.insert("job_id".into(), "7".into()))),
        with(&|result| drop(result.insert("cheater_job_id".into(), 7.into()))),
    ] {
        assert_eq!(run.code, 5, "{}", run.out);
        let error = run.json()["error"].as_str().unwrap().to_owned();
        assert!(
            error.contains("result.json") && error.contains("job_id"),
            "{error}"
        );
    }
    fs::write(&path, "{\"job_id\": ").unwrap();
    let cut = audit(&dir, &[]);
    assert_eq!(cut.code, 5, "{}", cut.out);
    assert!(
        cut.out.contains("result.json is not the result of a trial"),
        "{}",
        cut.out
    );
    fs::write(&path, serde_json::to_vec_pretty(&whole).unwrap()).unwrap();

    let adapter = dir.join("adapter");
    fs::write(adapter.join("chat_template.jinja"), "{{ messages }}").unwrap();
    fs::create_dir(adapter.join("more")).unwrap();
    let names = [
        "adapter/chat_template.jinja, not of this result",
        "adapter/more, not of this result",
    ];
    assert_eq!(untrue(&audit(&dir, &[])), names);
    fs::remove_dir_all(&adapter).unwrap();
    assert_eq!(untrue(&audit(&dir, &[])), ["adapter/evaluation.json"]);
}

#[test]
fn an_audit_needs_certificates_and_no_key_but_the_requesters() {
    let temp = tempfile::tempdir().unwrap();
    let dir = trial(temp.path());
    for entry in fs::read_dir(dir.join("nodes")).unwrap() {
        let home = entry.unwrap().path();
        fs::remove_file(home.join("key.json")).unwrap();
        let _ = fs::remove_file(home.join("share.json"));
    }
    let honest = audit(&dir, &[]).ok();
    assert_eq!(honest["agrees"], true, "{honest}");
    let blocks = honest["blocks"].as_u64().unwrap();

    // Certificates gone from a height on: what lies above is not believed, and said to be so.
    let strip = |from: u64| {
        let path = dir.join("nodes/validator-0/data/chain/ledger.redb");
        let write = Database::open(path).unwrap().begin_write().unwrap();
        {
            let mut table = write.open_table(CERTIFICATES).unwrap();
            table.retain(|height, _| height < from).unwrap();
        }
        write.commit().unwrap();
    };
    strip(blocks / 2);
    let cut = audit(&dir, &[]);
    assert_eq!(cut.code, 5, "{}", cut.out);
    strip(0);
    let bare = audit(&dir, &[]);
    assert_eq!(bare.code, 5, "{}", bare.out);
    assert!(bare.out.contains("no order"), "{}", bare.out);

    // A file that is not what was written is named as that, in one line.
    let path = dir.join("nodes/validator-0/data/chain/ledger.redb");
    let whole = fs::read(&path).unwrap();
    let scrambled = |(at, byte): (usize, &u8)| match at > 4096 && at % 977 == 0 {
        true => byte ^ 0x5a,
        false => *byte,
    };
    for (bytes, says) in [
        (whole[..whole.len() / 2].to_vec(), "is damaged"),
        (
            whole.iter().enumerate().map(scrambled).collect(),
            "is damaged",
        ),
        (b"no database".repeat(1_000), "is damaged"),
        (vec![], "is damaged"),
    ] {
        fs::write(&path, bytes).unwrap();
        let damaged = audit(&dir, &[]);
        assert!(
            damaged.code > 0 && damaged.out.contains(says),
            "{}",
            damaged.out
        );
        assert!(!damaged.err.contains("panicked"), "{}", damaged.err);
    }
    fs::remove_file(&path).unwrap();
    let gone = audit(&dir, &[]);
    assert!(gone.out.contains("there is no chain"), "{}", gone.out);
}
