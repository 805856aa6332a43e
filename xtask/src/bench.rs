//! Runs one bench and keeps its rows in `target/bench/NAME.json`.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

/// The benches that exist; each is an example binary that prints its own table and writes its rows.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// LoRA step against PyTorch+PEFT, and what an audit costs.
    Train,
    /// Vault sealing against the bare cipher.
    Vault,
}

/// Builds and runs the bench; its exit code is ours.
pub(crate) fn run(name: Name) -> Result<()> {
    let (package, example) = match name {
        Name::Train => ("assay-job", "bench_train"),
        Name::Vault => ("assay-vault", "bench"),
    };
    std::fs::create_dir_all("target/bench").context("target/bench")?;
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "-p", package, "--example", example])
        .status()?;
    if !status.success() {
        bail!("the bench did not finish");
    }
    Ok(())
}
