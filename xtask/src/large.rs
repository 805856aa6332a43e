//! The suite of large inputs: a folder of Llama 3 8B's shape goes through the vault and one step, and a model of
//! 4 GB through a trial, which prints how much of the disk that takes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

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
    let vault = suite(("assay-node", "large"), ("ASSAY_LARGE", "full"), &dir)?;
    Ok(vault & suite(("assay-cli", "disk"), ("ASSAY_TRY_BYTES", TRIED), &dir)?)
}

/// Runs one test of a package at its full size.
fn suite((package, test): (&str, &str), (size, full): (&str, &str), dir: &Path) -> Result<bool> {
    let mut child = Command::new(env!("CARGO"))
        .args(["test", "--release", "--all-features", "-p", package])
        .args(["--test", test, "--", "--nocapture"])
        .env(size, full)
        .env("ASSAY_LARGE_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the test has no output")?;
    let mut ran = true;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        ran &= !line.starts_with(NOT_RUN);
    }
    if !child.wait()?.success() {
        bail!("{NAME} failed; the figures are printed above");
    }
    Ok(ran)
}
