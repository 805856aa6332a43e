//! `assay demo`: the example job, and the other demos.

use clap::{Args, Subcommand};

use super::{
    federated::Federated,
    try_job::{block_on, finish, fresh_dir, load, trial},
};
use crate::{
    args::Global,
    failure::Failure,
    output::Output,
    trial::{on_model, unpack_example},
};

/// Fine-tune a small model through a network on this machine, then catch a cheater
///
/// Runs the example job twice: once with honest providers, once with a provider that skips the
/// work, is found out by an audit, loses its bond, and is replaced. `assay demo federated` has ten clinics
/// train together instead.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  assay demo\n  assay demo --dir /tmp/demo --json\n  \
                        assay demo --model smollm2"
)]
pub(crate) struct Demo {
    /// Another model: smollm2 (135 million parameters, fetched by `cargo xtask fetch-smollm2`), or
    /// the folder of any Llama-family model
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// Another demo.
#[derive(Debug, Subcommand)]
enum Other {
    Federated(Federated),
}

impl Demo {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        if let Some(Other::Federated(demo)) = self.other {
            return demo.run(global, output);
        }
        let dir = fresh_dir(global)?;
        unpack_example(&dir.join("example"))?;
        let example = dir.join("example");
        let job = match &self.model {
            None => load(&example.join("finetune.toml"))?,
            Some(model) => load(&on_model(&example, model)?)?,
        };
        finish(
            &dir,
            &job,
            block_on(trial(&dir, (&job, &[]), true, output))??,
            output,
        )
    }
}
