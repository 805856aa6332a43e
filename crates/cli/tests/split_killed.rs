//! Split training whose processes are killed at any moment ends in the same state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "cli/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{
    Process, assay,
    split::{Provider, arguments, job, train, unsplit},
};

/// Moments at which something is killed, in milliseconds since it was last started. They fall into
/// starting, opening a session, exchanging and saving.
const MOMENTS: [u64; 8] = [30, 150, 330, 480, 610, 900, 1400, 2100];

fn long_job(dir: &Path) -> String {
    job(dir, &[("steps = 160", "steps = 120")])
}

fn start(dir: &Path, job: &str, at: &str) -> Process {
    let (out, home) = (dir.join("out"), dir.display().to_string());
    let out = out.display().to_string();
    let more = ["--out", &out, "--dir", &home, "--patience", "120"];
    Process::start(&arguments(job, &[at], &more), &dir.join("requester"))
}

/// Steps that are saved, by the length of the list of leaves.
fn saved_steps(dir: &Path) -> u64 {
    let bytes = fs::read(dir.join("out/split.state")).unwrap_or_default();
    match assay_node::split::Saved::decode(&bytes) {
        Ok(saved) => saved.leaves.len() as u64 - 1,
        // The file is replaced whole, so it is never half there.
        Err(error) if bytes.is_empty() => {
            let _not_yet = error;
            0
        }
        Err(error) => panic!("a kill left {} bytes: {error}", bytes.len()),
    }
}

fn finished(dir: &Path, requester: &mut Process) -> Value {
    let status = requester.0.wait().unwrap();
    let said = fs::read_to_string(dir.join("requester.out")).unwrap();
    assert!(status.success(), "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_killed_requester_goes_on_from_its_saved_state() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assay(dir, &["keys", "new", "--json"]).ok();
    let job = long_job(dir);
    let provider = Provider::start(dir, "provider", &["--sessions", "8"]);
    let mut kills = 0;
    for moment in MOMENTS {
        let mut requester = start(dir, &job, &provider.at());
        sleep(Duration::from_millis(moment));
        if requester.0.try_wait().unwrap().is_none() {
            requester.kill();
            kills += 1;
        }
        println!("after {moment} ms: {} steps", saved_steps(dir));
    }
    let before = saved_steps(dir);
    let done = train(dir, &job, &[&provider.at()], &[]).ok();
    assert_eq!(done["resumed_at"], before);
    assert!(kills >= 4 && before > 0, "{kills} kills, {before} steps");
    let whole = unsplit(dir, &job);
    assert_eq!(done["state_digest"], whole["state_digest"]);
    assert_eq!(done["trace_root"], whole["trace_root"]);
    let traffic = &done["traffic"][0];
    assert_eq!(traffic["steps"], 120 - before);
    assert_eq!(traffic["sent_bytes"], traffic["sent_formula"]);
}

#[test]
fn a_killed_provider_is_waited_for_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assay(dir, &["keys", "new", "--json"]).ok();
    let job = long_job(dir);
    let mut provider = Provider::start(dir, "provider", &[]);
    let mut requester = start(dir, &job, &provider.at());
    for least in [10, 40, 70] {
        let began = Instant::now();
        while saved_steps(dir) < least {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "stuck before step {least}"
            );
            sleep(Duration::from_millis(5));
        }
        provider.kill();
        assert!(
            requester.0.try_wait().unwrap().is_none(),
            "it was over before the kill"
        );
        provider.spawn();
    }
    let done = finished(dir, &mut requester);
    let whole = unsplit(dir, &job);
    assert_eq!(done["state_digest"], whole["state_digest"]);
    assert_eq!(done["trace_root"], whole["trace_root"]);
    let traffic = &done["traffic"][0];
    assert_eq!(traffic["steps"], 120);
    assert_eq!(traffic["sent_bytes"], traffic["sent_formula"]);
    assert_eq!(traffic["received_bytes"], traffic["received_formula"]);
}

#[test]
fn both_are_killed_and_another_provider_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assay(dir, &["keys", "new", "--json"]).ok();
    let job = long_job(dir);
    let mut provider = Provider::start(dir, "first", &[]);
    let mut requester = start(dir, &job, &provider.at());
    let began = Instant::now();
    while saved_steps(dir) < 20 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "never at step 20"
        );
        sleep(Duration::from_millis(5));
    }
    provider.kill();
    requester.kill();
    let before = saved_steps(dir);
    let other = Provider::start(dir, "second", &[]);
    let done = train(dir, &job, &[&other.at()], &[]).ok();
    assert_eq!(done["resumed_at"], before);
    assert_eq!(done["state_digest"], unsplit(dir, &job)["state_digest"]);
}
