//! `assay train`: a job on this machine, without a network.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use assay_crypto::Digest;
use assay_job::{BuildError, Delivery, Event, Fault, JobError, Local, RunError, Store};
use assay_ledger::Taken;
use assay_proof::Task;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    args::{self, Global},
    commands::try_job::load,
    failure::{Failure, Kind},
    output::{Output, facts, figures},
    result_folder,
    trial::failed,
};

/// The name of a run's files in its result folder.
const RUN: &str = "train";

/// Run a job file here and print the digest of its final state
///
/// The same job, seed and inputs give the same digest on every machine, instruction set and number
/// of threads. ASSAY_KERNEL=scalar|avx2|avx512 forces a path, ASSAY_THREADS=N the threads.
///
/// With --out the state is kept in DIR/train.state as the run goes, at most twice at a time, and
/// removed at the end. Whatever is killed, the same command goes on from there and ends with the same
/// digest.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay train examples/finetune.toml --seed 00 --out adapter")]
pub(crate) struct Train {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    job: PathBuf,
    /// What the order of the data and new adapters are drawn from, as the network draws it for a job
    /// that is posted: up to 64 hex digits, zeros are added
    #[arg(long, value_name = "HEX", default_value = "00")]
    seed: String,
    /// Where to write the result's files: a new or empty folder, or one whose run was interrupted
    #[arg(long, value_name = "DIR", value_parser = args::place())]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Trained {
    state_digest: Digest,
    trace_root: Digest,
    steps: u64,
    seconds: f64,
    /// Steps that an earlier, interrupted run of this command had done.
    resumed_at: u64,
    /// The first step that gave no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_invalid_step: Option<Invalid>,
    #[serde(flatten)]
    figures: std::collections::BTreeMap<String, f64>,
    warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another, and what of the
    /// settings is passed over.
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

/// A step that could not be taken.
#[derive(Serialize)]
struct Invalid {
    step: u64,
    reason: String,
}

impl Train {
    pub(crate) fn run(self, _global: &Global, output: &Output) -> Result<(), Failure> {
        let seed = seed(&self.seed)?;
        let job = load(&self.job)?;
        if let Some(out) = &self.out {
            claim(out, RUN, job.steps)?;
        }
        let local = Local::new(&job, seed).map_err(unfit)?;
        local.price(&job).map_err(unpriced)?;
        let mut program = local.program(&job).map_err(unfit)?;
        let notes = job.notes(&local.inputs).map_err(unfit)?;
        output.notes(&notes);
        let store = self.out.as_ref().map(|out| Store::open(out, RUN));
        let store = store.transpose().map_err(failed)?;
        let bar = bar(job.steps, output);
        let began = std::time::Instant::now();
        let mut invalid = 0_u64;
        let run = assay_job::run_saved(
            &local.task,
            program.as_mut(),
            store.as_ref(),
            &mut |event| {
                match event {
                    Event::Resumed { step } => {
                        bar.set_position(step);
                        bar.reset_eta();
                        say(&bar, output, &format!("going on after step {step}"));
                    }
                    Event::Fault(fault) => say(&bar, output, &format!("warning: {}", told(fault))),
                    Event::Step(report) => {
                        bar.set_position(report.step.0);
                        invalid += u64::from(report.taken == Taken::Invalid);
                        let skipped = (invalid > 0).then(|| format!("{invalid} invalid"));
                        let loss = report.loss_micro;
                        let loss = loss.map(|loss| format!("loss {:.3}", loss as f64 / 1e6));
                        let parts: Vec<String> = loss.into_iter().chain(skipped).collect();
                        bar.set_message(parts.join(", "));
                    }
                }
                ControlFlow::Continue(())
            },
        );
        let run = run?;
        drop(program);
        let seconds = began.elapsed().as_secs_f64();
        bar.finish_and_clear();
        let kind = job.kind;
        let spec = &job.specification;
        let mut delivery =
            match assay_job::deliver(kind, spec, (&local.inputs, &local.private), &run.state) {
                Ok(delivery) => delivery,
                Err(error) => {
                    // Whoever begins anew would come to the same end.
                    if let Some(store) = store.filter(|_| is_settled(&error)) {
                        store.remove().map_err(failed)?;
                    }
                    return Err(nothing(error, run.fault.as_ref()));
                }
            };
        delivery.name_base(job.model_path().as_deref());
        if let Some(out) = &self.out {
            write(out, RUN, &delivery)?;
        }
        if let Some(store) = store {
            store.remove().map_err(failed)?;
        }
        let trained = Trained {
            state_digest: run.state_digest,
            trace_root: run.trace_root,
            steps: job.steps,
            seconds,
            resumed_at: run.resumed_at,
            first_invalid_step: run
                .fault
                .map(|Fault { step, reason }| Invalid { step, reason }),
            figures: delivery.figures,
            warnings: delivery.warnings,
            notes,
            out: self.out,
        };
        output.warn(&trained.warnings);
        output.result(&trained, Trained::text)
    }
}

impl Trained {
    fn text(&self) -> String {
        let mut text = facts([
            ("state digest", self.state_digest.to_string()),
            ("trace root", self.trace_root.to_string()),
            ("steps", format!("{} in {:.1} s", self.steps, self.seconds)),
        ]);
        if self.resumed_at > 0 {
            text += &format!("{} steps were saved before\n", self.resumed_at);
        }
        text += &figures(&self.figures);
        text += &match &self.out {
            Some(out) => format!("result in {}\n", out.display()),
            None => "the result was not written; --out DIR writes it\n".to_owned(),
        };
        text
    }
}

/// Makes sure that the folder is new, empty or that of this run, which was interrupted; `run` is the
/// name of its files there, and `steps` are those it has.
pub(crate) fn claim(out: &Path, run: &str, steps: u64) -> Result<(), Failure> {
    let done = Store::steps_done(out, run);
    if done.is_some_and(|done| done >= steps) {
        // It may have been interrupted while it wrote its result: what lies there is compared then.
        return Ok(());
    }
    // A run writes no file of its result before its last step.
    let claimed = result_folder::claim_beside(out, &Store::files(run));
    match done {
        None => claimed,
        Some(_) => claimed.map_err(|failure| {
            failure.hint(
                "beside them lies an unfinished run that has not written them: move them elsewhere to go on \
                 with it, or name another folder with --out",
            )
        }),
    }
}

/// Writes the result's files beside the run's own.
pub(crate) fn write(out: &Path, run: &str, delivery: &Delivery) -> Result<(), Failure> {
    let files = delivery.files.iter();
    let files: Vec<(&str, &[u8])> = files
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    result_folder::write_beside(out, &Store::files(run), &files)
}

fn told(fault: &Fault) -> String {
    let Fault { step, reason } = fault;
    format!("step {step} changed nothing: {reason}")
}

/// Whether every run of this job ends like this.
fn is_settled(error: &BuildError) -> bool {
    matches!(
        error,
        BuildError::NothingLearned { .. } | BuildError::NoBest | BuildError::NothingScored(_)
    )
}

/// A result that cannot be had; of a run that came to nothing, with where it began to.
pub(crate) fn undelivered(error: BuildError, task: &Task) -> Failure {
    let fault = match is_settled(&error) {
        true => assay_job::first_fault(task),
        false => None,
    };
    nothing(error, fault.as_ref())
}

fn nothing(error: BuildError, fault: Option<&Fault>) -> Failure {
    let settled = is_settled(&error);
    let mut failure = Failure::new(Kind::Failed, error);
    if let (true, Some(fault)) = (settled, fault) {
        failure = Failure::say(Kind::Failed, format!("{failure}; {}", told(fault)));
        failure = failure.hint(match fault.step {
            1 => {
                "the first step gives it already: look at the model's weights, the data and \
                 [adapter]; no learning rate mends that"
            }
            _ => "lower training.learning_rate, or set training.max_grad_norm",
        });
    }
    failure
}

/// A job whose parts do not fit.
pub(crate) fn unfit(error: JobError) -> Failure {
    Failure::new(Kind::Usage, error)
}

/// A job that is not begun: its parts do not fit, or it takes more memory than there is.
fn unpriced(error: JobError) -> Failure {
    match error {
        JobError::Memory { .. } => failed(error),
        other => unfit(other),
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

/// Says something above the bar, or on a line of a log.
pub(crate) fn say(bar: &ProgressBar, output: &Output, line: &str) {
    if output.is_json() {
        return;
    }
    match bar.is_hidden() {
        false => bar.println(line),
        true => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{line}");
        }
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
