//! `assay train`: a job on this machine, without a network.

use std::{ops::ControlFlow, path::PathBuf};

use assay_crypto::Digest;
use assay_job::Local;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    args::Global,
    commands::try_job::load,
    failure::{Failure, Kind},
    output::{Output, facts},
    trial::{failed, write_result},
};

/// Run a job file here and print the digest of its final state
///
/// The same job, seed and inputs give the same digest on every machine, instruction set and number
/// of threads. ASSAY_KERNEL=scalar|avx2|avx512 forces a path, ASSAY_THREADS=N the threads.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay train examples/finetune.toml --seed 00 --out adapter")]
pub(crate) struct Train {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    job: PathBuf,
    /// Stands for the randomness that an order draws: up to 64 hex digits, zeros are added
    #[arg(long, value_name = "HEX", default_value = "00")]
    seed: String,
    /// Where to write the result's files
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Trained {
    state_digest: Digest,
    trace_root: Digest,
    steps: u64,
    seconds: f64,
    #[serde(flatten)]
    figures: std::collections::BTreeMap<String, f64>,
    /// What the model's files leave open or say differently from one another.
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

impl Train {
    pub(crate) fn run(self, _global: &Global, output: &Output) -> Result<(), Failure> {
        let seed = seed(&self.seed)?;
        let job = load(&self.job)?;
        let local = Local::new(&job, seed).map_err(failed)?;
        local.price(&job).map_err(failed)?;
        let notes = assay_job::notes(&local.inputs).map_err(failed)?;
        output.notes(&notes);
        let bar = bar(job.steps, output);
        let began = std::time::Instant::now();
        let run = assay_job::run(&local.task, &mut |report| {
            bar.set_position(report.step.0);
            if let Some(loss) = report.loss_micro {
                bar.set_message(format!("loss {:.3}", loss as f64 / 1e6));
            }
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
        let seconds = began.elapsed().as_secs_f64();
        bar.finish_and_clear();
        let kind = job.kind();
        let spec = &job.specification;
        let mut delivery = kind
            .deliver(spec, &local.inputs, &local.private, &run.state)
            .map_err(failed)?;
        delivery.name_base(job.model_path().as_deref());
        if let Some(out) = &self.out {
            write_result(out, &delivery)?;
        }
        let trained = Trained {
            state_digest: run.state_digest,
            trace_root: run.trace_root,
            steps: job.steps,
            seconds,
            figures: delivery.figures,
            notes,
            out: self.out,
        };
        output.result(&trained, |trained| {
            let mut text = facts([
                ("state digest", trained.state_digest.to_string()),
                ("trace root", trained.trace_root.to_string()),
                (
                    "steps",
                    format!("{} in {:.1} s", trained.steps, trained.seconds),
                ),
            ]);
            for (name, figure) in &trained.figures {
                text += &format!("{name}  {figure:.6}\n");
            }
            text
        })
    }
}

/// A progress bar over the steps of a run; hidden with `--json`.
pub(crate) fn bar(steps: u64, output: &Output) -> ProgressBar {
    let target = if output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (left {eta})") {
        bar.set_style(style);
    }
    bar
}

/// A seed of up to 64 hex digits.
pub(crate) fn seed(text: &str) -> Result<Digest, Failure> {
    let padded = format!("{text:0<64}");
    padded.parse().map_err(|error| {
        let failure = Failure::new(Kind::Usage, anyhow::Error::new(error).context("--seed"));
        failure.hint("write at most 64 hex digits, like --seed 2a")
    })
}
