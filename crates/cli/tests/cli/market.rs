//! `assay market simulate`: the game in numbers, as a person and a program see it.

use crate::support::assay;
use assay_market::Settings;

#[test]
fn a_small_game_is_told_to_people_and_programs() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["market", "simulate", "--orders", "40", "--draws", "320"];
    let told = assay(dir.path(), &small);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("the best cheat"), "{}", told.out);
    let json = assay(dir.path(), &[&small[..], &["--json"]].concat()).ok();
    assert_eq!(json["orders"], 40);
    assert_eq!(json["break_even"].as_array().unwrap().len(), 3);
    let again = assay(dir.path(), &[&small[..], &["--json"]].concat()).ok();
    assert_eq!(json, again);
}

#[test]
fn a_cheat_that_pays_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let game = ["market", "simulate", "--orders", "40", "--draws", "0"];
    let many = ["--cost", "9", "--collusion", "90"];
    let told = assay(dir.path(), &[&game[..], &many].concat());
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(
        told.err.contains("fakes all, friends pass it"),
        "{}",
        told.err
    );
    assert!(told.out.contains("PAYS"), "{}", told.out);
}

#[test]
fn the_example_is_played_with_its_own_terms() {
    let dir = tempfile::tempdir().unwrap();
    let job = format!(
        "{}/../../examples/finetune.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let game = [
        "market", "simulate", &job, "--orders", "2", "--draws", "0", "--json",
    ];
    let json = assay(dir.path(), &game).ok();
    assert_eq!(json["cost"], 1.666_666);
}

/// The crate that plays knows no jobs, so it has the numbers of a silent job file of its own.
#[test]
fn what_is_played_for_is_what_a_silent_job_file_gets() {
    let audit = assay_job::Audit::default();
    let settings = Settings::default();
    let steps = settings.segments * audit.segment_steps;
    let market = assay_job::Market::usual(steps.into(), &audit);
    assert_eq!(settings.price, market.price);
    assert_eq!(settings.provider_bond, market.provider_bond);
    assert_eq!(settings.auditor_bond, market.auditor_bond);
    assert_eq!(settings.auditor_fee, market.auditor_fee);
    assert_eq!(settings.attempts, market.attempts);
    assert_eq!(settings.drawn, audit.segments);
    assert_eq!(settings.auditors, audit.auditors);
}
