//! The suite of large inputs: a folder of Llama 3 8B's shape goes through the vault and one step, and a model of
//! 4 GB through a trial, which prints how much of the disk that takes.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::suites;

/// Its name among the suites that passed.
pub(crate) const NAME: &str = "large inputs";

/// What the test says on a machine that has too little.
const NOT_RUN: &str = "large inputs: not run";

/// Bytes of the model that goes through a trial.
const TRIED: &str = "4000000000";

/// Runs it; false if this machine has too little disk or memory, which is printed.
pub(crate) fn run() -> Result<bool> {
    // On the disk that the build is on, which may have more room than the one for temporary files.
    let dir = std::env::current_dir()?.join("target");
    std::fs::create_dir_all(&dir)?;
    let vault = suite(("assay-node", "large", ""), ("ASSAY_LARGE", "full"), &dir)?;
    let trial = ("assay-cli", "cli", "disk::a_trial_keeps");
    Ok(vault & suite(trial, ("ASSAY_TRY_BYTES", TRIED), &dir)?)
}

/// Runs tests of one binary of a package at their full size.
fn suite(
    (package, test, filter): (&str, &str, &str),
    (size, full): (&str, &str),
    dir: &Path,
) -> Result<bool> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["test", "--release", "--all-features", "-p", package])
        .args(["--test", test, "--", "--nocapture", filter])
        .env(size, full)
        .env("ASSAY_LARGE_DIR", dir);
    let mut ran = true;
    let passed = suites::run(&mut command, |line| ran &= !line.starts_with(NOT_RUN))?;
    if !passed {
        bail!("{NAME} failed; the figures are printed above");
    }
    Ok(ran)
}
