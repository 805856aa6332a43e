//! `assay try` and `assay demo`: a job in a network of its own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use assay_crypto::Digest;
use assay_job::{Job, JobError, Local, Network, federated};
use assay_ledger::Parameters;
use clap::Args;

use crate::{
    args::Global,
    commands::train::unfit,
    failure::{Failure, Kind},
    next,
    output::{Output, figures, table},
    trial::{self, Cast, Report, Trial},
};

/// Run a job file in a throw-away network on this machine
///
/// Starts validators, storage nodes, providers and auditors in one process, with the files that
/// the job names standing for each party's data; uploads, posts, trains, audits, pays and fetches
/// the result. Everything is kept in --dir, so that `assay audit --offline DIR` can check it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  assay try examples/finetune.toml\n  \
                        assay try job.toml --dir /tmp/trial --json")]
pub(crate) struct Try {
    /// The job file; `assay job schema` says what may be in it
    #[arg(value_name = "JOB.toml")]
    job: PathBuf,
}

impl Try {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let job = load(&self.job)?;
        // Its network is a devnet of its own.
        let network = Network {
            parameters: Parameters::devnet(),
            ..Network::default()
        };
        check_terms(&self.job, &job, &network)?;
        let dir = fresh_dir(global)?;
        let rows = dealt(&self.job, &job)?;
        finish(
            &dir,
            &job,
            block_on(trial(&dir, (&job, &rows), false, output))??,
            output,
        )
    }
}

/// Reads a job file; what it names starts at its folder.
pub(crate) fn load(path: &Path) -> Result<Job, Failure> {
    let usage = |error: anyhow::Error| Failure::new(Kind::Usage, error);
    let text = std::fs::read_to_string(path).map_err(|error| {
        let context = format!("cannot read the job file {}", path.display());
        usage(anyhow::Error::from(error).context(context))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    assay_job::read(&text, folder).map_err(|error| {
        let misspelt = matches!(error, JobError::Syntax(_));
        let context = format!("{} is not a job", path.display());
        let failure = usage(anyhow::Error::from(error).context(context));
        match misspelt {
            true => failure.hint("`assay job schema` prints every field a job file may have"),
            false => failure,
        }
    })
}

/// Trainers that one machine stands for at most.
const MOST_TRAINERS: u16 = 16;

/// The rows of each trainer, dealt out of those that the job file names; none for a job that providers do.
fn dealt(path: &Path, job: &Job) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(rounds) = &job.rounds else {
        return Ok(Vec::new());
    };
    if rounds.least > MOST_TRAINERS {
        let text = format!(
            "{} takes at least {} trainers, and one machine stands for {MOST_TRAINERS}",
            path.display(),
            rounds.least
        );
        return Err(Failure::say(Kind::Usage, text).hint("lower trainers.least to try it here"));
    }
    let text = std::fs::read_to_string(path).map_err(trial::failed)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let trainers = rounds.most.min(MOST_TRAINERS);
    federated::deal(&text, folder, trainers.into()).map_err(unfit)
}

/// Refuses a job that the network would not take, with everything that is wrong.
pub(crate) fn check_terms(path: &Path, job: &Job, network: &Network) -> Result<(), Failure> {
    job.check_terms(network).map_err(|error| {
        let context = format!("{} cannot be posted", path.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    })
}

/// Time for threads that are still at work when a command has ended.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// Runs asynchronous work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(trial::failed)?;
    let result = runtime.block_on(work);
    // A thread that still waits for something must not keep the process from ending.
    runtime.shutdown_timeout(LEFT_BEHIND);
    Ok(result)
}

/// The directory of a new trial: the one named, which must not hold a network yet, or a new one
/// among the temporary files.
pub(super) fn fresh_dir(global: &Global) -> Result<PathBuf, Failure> {
    let dir = match &global.dir {
        Some(dir) => dir.clone(),
        None => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            std::env::temp_dir().join(format!("assay-{}", now.as_millis()))
        }
    };
    if dir.join("genesis.json").exists() {
        let text = format!("{} holds a network already", dir.display());
        let failure = Failure::say(Kind::Usage, text);
        return Err(failure.hint("name a new directory with --dir, or delete this one"));
    }
    // A result among other files would pass for a part of them.
    let others = std::fs::read_dir(&dir).into_iter().flatten().flatten();
    if let Some(other) = others.map(|entry| entry.file_name()).min() {
        let other = other.to_string_lossy();
        let text = format!("{} is not empty: it holds {other}", dir.display());
        let failure = Failure::say(Kind::Usage, text);
        return Err(failure.hint("name a new directory with --dir, or empty this one"));
    }
    std::fs::create_dir_all(&dir).map_err(trial::failed)?;
    std::path::absolute(&dir).map_err(trial::failed)
}

pub(super) async fn trial(
    dir: &Path,
    (job, rows): (&Job, &[Vec<u8>]),
    with_cheater: bool,
    output: &Output,
) -> Result<Report, Failure> {
    let local = Local::new(job, Digest::ZERO).map_err(unfit)?;
    assay_job::check_read(job, &local).map_err(unfit)?;
    let Local {
        inputs, private, ..
    } = local;
    output.notes(&job.notes(&inputs).map_err(unfit)?);
    let cast = Cast {
        trainers: rows.len(),
        ..Cast::default()
    };
    let trial = Trial::start(dir, cast, output).await?;
    let outcome = async {
        let honest = trial.run(job, (&inputs, &private), rows).await?;
        trial::write_result(&dir.join("adapter"), &honest.delivery)?;
        let cheated = if with_cheater {
            trial.say("The same order again, drawn to a provider that skips the work");
            trial.arm();
            Some(trial.run(job, (&inputs, &private), rows).await?)
        } else {
            None
        };
        trial.report(honest, cheated).await
    };
    let outcome = outcome.await;
    trial.stop().await;
    outcome
}

pub(super) fn finish(
    dir: &Path,
    job: &Job,
    report: Report,
    output: &Output,
) -> Result<(), Failure> {
    let json = serde_json::to_vec_pretty(&report).map_err(trial::failed)?;
    std::fs::write(dir.join("result.json"), json).map_err(trial::failed)?;
    output.warn(&report.run.warnings);
    output.result(&report, |report| show(dir, job, report, output))
}

fn show(dir: &Path, job: &Job, report: &Report, output: &Output) -> String {
    let mut text = format!("\n{}\n", output.strong("Result"));
    if let (Some(before), Some(after)) = (report.run.loss_before, report.run.loss_after) {
        text += &format!(
            "  held-out loss {before:.4} -> {after:.4} nats ({:+.4})\n",
            after - before
        );
    } else {
        for line in figures(&report.run.figures).lines() {
            text += &format!("  {line}\n");
        }
    }
    if let Some(invalid) = report
        .run
        .figures
        .get("invalid_steps")
        .filter(|n| **n > 0.0)
    {
        text += &format!(
            "  {invalid:.0} steps gave a NaN, an infinity or a gradient of zeros and changed nothing\n"
        );
    }
    text += &format!("  state digest {}\n", report.run.state_digest);
    text += &match report.run.equal_results {
        _ if job.rounds.is_some() => {
            let share = 100.0 * report.run.audit_share;
            format!("  the steps of {share:.0}% of the trainers were replayed in each round\n")
        }
        0 | 1 => {
            let share = 100.0 * report.run.audit_share;
            format!("  auditors replayed {share:.1}% of the work\n")
        }
        equal => format!("  {equal} providers came to the same result\n"),
    };
    text += &format!("  {}\n", report.pace.told());
    if let Some(cheater) = &report.cheater {
        text += &format!("  with a cheater {}\n", cheater.cheater_pace.told());
        text += if cheater.cheater_caught {
            "  the cheater was caught and slashed; its order was completed by another\n"
        } else {
            "  the cheater was NOT caught\n"
        };
    }
    if !report.samples.is_empty() {
        let rows = report.samples.iter();
        let rows = rows.map(|s| [s.prompt.clone(), s.base.clone(), s.adapted.clone()]);
        text += &format!(
            "\n{}",
            table(["prompt", "base model", "with the adapter"], rows)
        );
    }
    let conserved = if report.supply_conserved {
        "adds up"
    } else {
        "DOES NOT ADD UP"
    };
    let rows = report
        .balances
        .iter()
        .map(|(name, b)| [name.clone(), b.to_string()]);
    text += &format!("\n{}", table(["account", "balance"], rows));
    text += &format!("  supply {} {conserved}\n", report.genesis_supply);
    text += &format!("\n{}\n", output.strong("Files"));
    let result = match is_adapter(report) {
        true => "adapter (PEFT)",
        false => "result",
    };
    text += &format!("  {result:<14}  {}\n", report.adapter_dir.display());
    text += &format!("  chain           {}\n", report.chain_dir.display());
    text += &format!("  blobs           {}\n", report.blob_dir.display());
    text += &format!(
        "\n{}\n{}",
        output.strong("Next"),
        next_steps(dir, job, report)
    );
    text
}

/// Whether the result is an adapter in PEFT's form.
fn is_adapter(report: &Report) -> bool {
    report.adapter_dir.join("adapter_config.json").is_file()
}

/// Commands that go on from here, as they can be typed.
fn next_steps(dir: &Path, job: &Job, report: &Report) -> String {
    let at = next::quoted(dir);
    let mut steps = vec![(
        format!("assay audit --offline {at}"),
        "believe nothing: recompute it",
    )];
    let model = job.inputs.iter().find(|input| input.name == "model");
    if let (Some(model), true) = (model, is_adapter(report)) {
        let (model, adapter) = (next::quoted(&model.path), next::quoted(&report.adapter_dir));
        steps.push((
            format!("assay generate {model} \"Who are you?\" --adapter {adapter}"),
            "talk to it",
        ));
    }
    let example = dir.join("example/evaluate.toml");
    if example.is_file() {
        steps.push((
            format!("assay try {}", next::quoted(&example)),
            "another kind of job; edit it for your own model and data",
        ));
    }
    steps.push((
        format!("assay devnet --dir {at}"),
        "the same network again, to stay",
    ));
    next::list(&steps)
}
