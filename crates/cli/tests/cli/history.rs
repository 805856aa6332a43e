//! A network's history in an archive, and what an auditor finds who comes late.
//!
//! `ASSAY_CASES` sets how many bytes are changed, one at a time.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use assay_crypto::{Digest, stream::Stream};
use serde_json::Value;

use crate::support::{Process, Run, assay};

/// What the history of [`crate::federated`]'s small order comes to: a first model, two merges, and the steps of four
/// trainers in two rounds.
const ITEMS: u64 = 1 + 2 + 8;

/// An archive of a trial that is over, with the keys of everybody in it.
struct History {
    temp: tempfile::TempDir,
    archive: PathBuf,
    genesis: PathBuf,
    keys: Vec<PathBuf>,
}

impl History {
    fn of(trial: &Path) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let history = Self {
            archive: temp.path().join("history"),
            genesis: trial.join("genesis.json"),
            keys: (0..4)
                .map(|at| trial.join(format!("nodes/provider-{at}/key.json")))
                .collect(),
            temp,
        };
        let copy = [
            "archive",
            history.archive(),
            "--copy",
            trial.to_str().unwrap(),
            "--json",
        ];
        let made = assay(history.temp.path(), &copy).ok();
        assert!(made["height"].as_u64().unwrap() > 20, "{made}");
        // Once more adds nothing, also where a process was killed while it wrote.
        let half = history.archive.join("blocks/000000000065.part");
        fs::write(&half, b"half").unwrap();
        assert_eq!(assay(history.temp.path(), &copy).ok(), made);
        assert_eq!(history.audit(&[]).ok()["holds"], true);
        // The next stretch may have taken its name.
        let _ = fs::remove_file(half);
        history
    }

    fn archive(&self) -> &str {
        self.archive.to_str().unwrap()
    }

    fn audit(&self, more: &[&str]) -> Run {
        let genesis = self.genesis.to_str().unwrap();
        let mut arguments = vec!["audit", "--archive", self.archive(), "--network", genesis];
        arguments.extend(more);
        arguments.push("--json");
        assay(self.temp.path(), &arguments)
    }

    /// With all keys.
    fn whole(&self, more: &[&str]) -> Run {
        let mut all = vec!["--key"];
        all.extend(self.keys.iter().map(|path| path.to_str().unwrap()));
        all.extend(more);
        self.audit(&all)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }
}

fn equal(verdict: &Value) -> u64 {
    verdict["all"]["equal"].as_u64().unwrap()
}

/// Everything that can be asked of the archive of a trial that is over, whose last model this is.
pub(crate) fn is_audited(trial: &Path) {
    let history = History::of(trial);
    what_keys_open_is_done_again(&history);
    a_light_audit_draws_some(&history);
    an_audit_begins_with_a_checkpoint(&history);
    an_audit_goes_on_after_kills(&history);
    another_byte_anywhere_is_found(&history);
    what_is_gone_is_told(&history);
}

fn what_keys_open_is_done_again(history: &History) {
    // Whoever reads the chain makes the models.
    let public = history.audit(&[]).ok();
    assert_eq!(public["holds"], true, "{public}");
    assert_eq!((equal(&public), &public["all"]["closed"]), (3, &8.into()));
    assert_eq!(public["keys_missing"].as_object().unwrap().len(), 4);
    assert_eq!(public["supply_conserved"], true);
    let one = history
        .audit(&["--key", history.keys[0].to_str().unwrap()])
        .ok();
    assert_eq!((equal(&one), &one["all"]["closed"]), (5, &6.into()));
    let all = history.whole(&[]).ok();
    assert_eq!(equal(&all), ITEMS, "{all}");
    assert_eq!(all["orders"][0]["models"]["equal"], 3);

    let name = all["network"].as_str().unwrap();
    let genesis = history.genesis.to_str().unwrap();
    let by_name = ["audit", "--archive", history.archive(), "--network", name];
    let page = assay(history.temp.path(), &by_name);
    assert_eq!(page.code, 0, "{}", page.err);
    assert!(page.out.contains("3 of 3 equal"), "{}", page.out);
    assert!(page.out.contains("8 closed"), "{}", page.out);
    assert!(page.out.lines().count() < 60, "more than a page");
    // Another network, and none.
    let other = "00".repeat(32);
    let other = ["audit", "--archive", history.archive(), "--network", &other];
    assert_eq!(assay(history.temp.path(), &other).code, 5);
    let none = assay(
        history.temp.path(),
        &["audit", "--archive", history.archive()],
    );
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(none.err.contains("--network"), "{}", none.err);
    let both = [
        "audit",
        "--archive",
        history.archive(),
        "--offline",
        ".",
        "--network",
        genesis,
    ];
    assert_eq!(assay(history.temp.path(), &both).code, 2);
}

fn a_light_audit_draws_some(history: &History) {
    let light = |seed: &str| history.whole(&["--light", "4", "--seed", seed]).ok();
    let first = light("2a");
    assert_eq!(first["holds"], true);
    let all = &first["all"];
    let left = all["left"].as_u64().unwrap();
    assert_eq!(equal(&first) + left, ITEMS, "{all}");
    assert!((1..=4).contains(&equal(&first)), "{all}");
    let chance = first["light"]["found_with"][2][1].as_f64().unwrap();
    assert!((chance - (1.0 - 0.9_f64.powi(4))).abs() < 1e-12);
    let again = |verdict: &Value| (verdict["light"].clone(), verdict["orders"].clone());
    assert_eq!(again(&light("2a")), again(&first));
    // Whoever names no seed gets a fresh one.
    let fresh = || history.audit(&["--light", "1"]).ok()["light"]["seed"].clone();
    assert_ne!(fresh(), fresh());
}

fn an_audit_begins_with_a_checkpoint(history: &History) {
    let path = history.path("checkpoint");
    let path = path.to_str().unwrap();
    let whole = history.audit(&["--checkpoint", path]).ok();
    let from = history.audit(&["--from", path]).ok();
    assert_eq!(from["from"], whole["height"]);
    assert_eq!(from["head"], whole["head"]);
    // What came before is not looked at.
    assert_eq!(equal(&from), 0);
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    assert_eq!(history.audit(&["--from", path]).code, 5);
    assert_eq!(history.audit(&["--from", "nowhere"]).code, 3);
}

/// Killed again and again, it comes to what an unbroken one comes to, and does nothing twice.
fn an_audit_goes_on_after_kills(history: &History) {
    let work = history.path("work");
    let work = work.to_str().unwrap();
    let keys: Vec<&str> = history
        .keys
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect();
    let genesis = history.genesis.to_str().unwrap();
    let mut arguments = vec![
        "audit",
        "--archive",
        history.archive(),
        "--network",
        genesis,
    ];
    arguments.extend(["--json", "--work", work, "--key"]);
    arguments.extend(&keys);
    let seed = 11;
    let mut stream = Stream::new(Digest([seed; 32]), "kills", 0);
    for _ in 0..12 {
        let mut process = Process::start(&arguments, &history.path("log"));
        std::thread::sleep(Duration::from_millis(stream.below(400)));
        process.kill();
    }
    fs::write(Path::new(work).join("state.part"), b"half").unwrap();
    let comparable = |run: Run| {
        let mut verdict = run.ok();
        verdict.as_object_mut().unwrap().remove("seconds");
        verdict
    };
    let resumed = comparable(history.whole(&["--work", work]));
    assert_eq!(resumed, comparable(history.whole(&[])), "seed {seed}");
    let findings = fs::read_to_string(Path::new(work).join("findings")).unwrap();
    // What network it is of, and each item once.
    let mut lines = BTreeMap::new();
    for line in findings.lines() {
        *lines.entry(line).or_insert(0) += 1;
    }
    assert_eq!(lines.len() as u64, 1 + ITEMS, "{findings}");
    assert!(lines.values().all(|count| *count == 1), "{findings}");
    // It is believed, so nobody may bring it along.
    let inside = history.path("history/work");
    let inside = history.audit(&["--work", inside.to_str().unwrap()]);
    assert_eq!(inside.code, 2, "{}", inside.out);
    assert!(!history.path("history/work").exists());
}

/// Every file of the archive, with its length.
fn files(dir: &Path, found: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push((entry.path(), entry.metadata().unwrap().len())),
        }
    }
}

fn another_byte_anywhere_is_found(history: &History) {
    let cases = std::env::var("ASSAY_CASES").map_or(24, |count| count.parse().unwrap());
    let seed = Digest([12; 32]);
    let mut stream = Stream::new(seed, "bytes", 0);
    let (mut chain, mut pieces) = (Vec::new(), Vec::new());
    files(&history.path("history/blocks"), &mut chain);
    files(&history.path("history/vault/pieces"), &mut pieces);
    let genesis = history.path("history/genesis.json");
    chain.push((genesis.clone(), fs::metadata(&genesis).unwrap().len()));
    chain.sort();
    pieces.sort();
    println!("{cases} single bytes changed, seed {seed}");
    for case in 0..cases {
        // By turns in the chain and in the pieces, anywhere in all their bytes alike.
        let among = if case % 2 == 0 { &chain } else { &pieces };
        let all: u64 = among.iter().map(|(_, length)| length).sum();
        let mut at = stream.below(all);
        let (path, _) = among
            .iter()
            .find(|(_, length)| match at < *length {
                true => true,
                false => {
                    at -= length;
                    false
                }
            })
            .unwrap();
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        bad[at as usize] ^= 1 + stream.below(255) as u8;
        fs::write(path, &bad).unwrap();
        let run = history.audit(&[]);
        assert_eq!(run.code, 5, "byte {at} of {}: {}", path.display(), run.out);
        fs::write(path, good).unwrap();
    }
    assert_eq!(history.audit(&[]).code, 0);
}

/// A piece that is missing leaves something unproven; blocks that are missing in between are no history.
fn what_is_gone_is_told(history: &History) {
    let mut pieces = Vec::new();
    files(&history.path("history/vault/pieces"), &mut pieces);
    for (path, _) in &pieces {
        fs::remove_file(path).unwrap();
    }
    let verdict = history.whole(&[]).ok();
    assert_eq!(verdict["holds"], true);
    let all = &verdict["all"];
    // The first model follows from the ledger alone; all else takes updates and models.
    assert_eq!(
        (equal(&verdict), &all["unproven"]),
        (1, &(ITEMS - 1).into())
    );
    let mut chain = Vec::new();
    files(&history.path("history/blocks"), &mut chain);
    chain.sort();
    fs::write(history.path("history/blocks/notes.txt"), b"mine").unwrap();
    let run = history.audit(&[]);
    assert_eq!(run.code, 5, "{}", run.out);
    assert!(
        run.json()["pieces"]["damaged"][0]
            .as_str()
            .unwrap()
            .contains("notes.txt")
    );
    fs::remove_file(history.path("history/blocks/notes.txt")).unwrap();
    fs::remove_file(&chain[0].0).unwrap();
    let gap = history.audit(&[]);
    assert_eq!(gap.code, 5);
    assert!(gap.out.contains("lacks block 1"), "{}", gap.out);
}

/// While the network runs, everything can be fetched from its nodes.
pub(crate) fn is_fetched(dir: &Path) {
    let temp = tempfile::tempdir().unwrap();
    let archive = temp.path().join("history");
    let archive = archive.to_str().unwrap();
    let fetched = assay(dir, &["archive", archive, "--json"]).ok();
    assert!(fetched["files"].as_u64().unwrap() > 4, "{fetched}");
    assert_eq!(fetched["missing"], Value::Null, "{fetched}");
    let genesis = dir.join("genesis.json");
    let genesis = genesis.to_str().unwrap();
    let audit = [
        "audit",
        "--archive",
        archive,
        "--network",
        genesis,
        "--json",
    ];
    let verdict = assay(temp.path(), &audit).ok();
    assert_eq!(verdict["holds"], true, "{verdict}");
    assert_eq!(verdict["all"]["different"], 0);
    assert_eq!(equal(&verdict), 3, "{verdict}");
    // The chain goes on meanwhile; what is there is not fetched again.
    let again = assay(dir, &["archive", archive, "--json"]).ok();
    assert!(again["height"].as_u64() >= fetched["height"].as_u64());
    assert_eq!(again["files"], fetched["files"]);
}
