//! `assay demo federated`: ten clinics train one model together, some of which lie.

use std::path::Path;

use assay_crypto::{Digest, tiles::Writer};
use assay_job::{Job, Local, Registry, federated};
use assay_ledger::{Amount, Role, StepIndex, Taken, query};
use assay_node::worker::{InProcess, Runner, WorkerDesk};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task, Work, WorkDone, WorkFailure};
use clap::Args;
use serde::Serialize;

use super::{
    audit,
    train::unfit,
    try_job::{block_on, fresh_dir, load},
};
use crate::{
    args::Global,
    failure::Failure,
    next,
    output::{Output, figures, table},
    trial::{self, Cast, Finished, Report, Trial, failed},
};

/// Ten clinics train together without showing a patient; two lie, one is lazy, one drops out
///
/// Each clinic has measurements of its own of tumours, which stay encrypted. In every round it takes some steps on
/// them and sends what it learned; the validators merge that by a rule that bears liars. Two clinics train on turned
/// labels, one leaves out most of its steps and loses its bond as soon as it is drawn, and the machine of one fails
/// after two rounds. At the end an auditor makes every model again from the files alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  assay demo federated\n  assay demo federated --dir /tmp/clinics --json"
)]
pub(crate) struct Federated {}

/// The table of the example.
const TABLE: &str = include_str!("../../../../examples/tables/breast-cancer.csv");
/// The job.
const JOB: &str = include_str!("../../../../examples/clinics.toml");

/// What a clinic is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Nature {
    Honest,
    /// Trains honestly on rows whose labels are turned around: no audit finds that.
    Poisoner,
    /// Takes a third of the steps and says that it took all.
    Lazy,
    /// Its machine fails after two rounds.
    DropsOut,
}

const CLINICS: [Nature; 10] = [
    Nature::Honest,
    Nature::Honest,
    Nature::Poisoner,
    Nature::Honest,
    Nature::Honest,
    Nature::Lazy,
    Nature::Honest,
    Nature::Poisoner,
    Nature::DropsOut,
    Nature::Honest,
];

/// Time between two looks whether to stop.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// Rounds after which the machine of one fails.
const ROUNDS_UP: u64 = 2;

impl Nature {
    fn told(self) -> &'static str {
        match self {
            Nature::Honest => "honest",
            Nature::Poisoner => "labels turned around",
            Nature::Lazy => "takes a third of the steps",
            Nature::DropsOut => "fails after two rounds",
        }
    }
}

/// What came of a clinic.
#[derive(Debug, Serialize)]
struct Clinic {
    name: String,
    nature: Nature,
    rounds_paid: u32,
    bond_lost: Amount,
    took_part_to_the_end: bool,
}

/// What the demo prints with `--json`.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    clinics: &'a [Clinic],
    /// Whether an auditor came to the same from the files alone.
    audit_agrees: bool,
}

impl Federated {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let dir = fresh_dir(global)?;
        let example = dir.join("example");
        let rows = clinics(&example)?;
        let job = load(&example.join("clinics.toml"))?;
        let (report, clinics) = block_on(train(&dir, &job, &rows, output))??;
        let json = serde_json::to_vec_pretty(&report).map_err(failed)?;
        std::fs::write(dir.join("result.json"), json).map_err(failed)?;
        let audit_agrees = audit::agrees(&dir, output)?;
        let told = Told {
            report: &report,
            clinics: &clinics,
            audit_agrees,
        };
        output.warn(&report.run.warnings);
        output.result(&told, |told| show(&dir, told, output))
    }
}

/// Writes each clinic's table, the job and the rows that no clinic has, below `dir`; gives the clinics' rows as they
/// bring them.
fn clinics(dir: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    std::fs::create_dir_all(dir).map_err(failed)?;
    std::fs::write(dir.join("clinics.toml"), JOB).map_err(failed)?;
    let (head, rows) = TABLE.split_once('\n').unwrap_or_default();
    let rows: Vec<&str> = rows.lines().collect();
    let held = rows.iter().step_by(5).copied();
    write(&dir.join("heldout.csv"), head, held.map(str::to_owned))?;
    let rows = rows.iter().enumerate();
    let others: Vec<&str> = rows
        .filter(|(at, _)| at % 5 > 0)
        .map(|(_, row)| *row)
        .collect();
    let mut all = Vec::with_capacity(CLINICS.len());
    for (at, nature) in CLINICS.iter().enumerate() {
        let own = others.iter().skip(at).step_by(CLINICS.len());
        let own = own.map(|row| match nature {
            Nature::Poisoner => turned(row),
            _ => (*row).to_owned(),
        });
        let path = dir.join(format!("clinic-{at}.csv"));
        write(&path, head, own)?;
        all.push(federated::rows_of(JOB, &path).map_err(unfit)?);
    }
    Ok(all)
}

fn write(path: &Path, head: &str, rows: impl Iterator<Item = String>) -> Result<(), Failure> {
    let text = rows.fold(format!("{head}\n"), |text, row| text + &row + "\n");
    std::fs::write(path, text).map_err(failed)
}

/// A row that says the opposite.
fn turned(row: &str) -> String {
    match row.strip_suffix("benign") {
        Some(rest) => format!("{rest}malignant"),
        None => row.replace("malignant", "benign"),
    }
}

/// Takes a third of a round's steps, the last ones, and says that it took all of them.
struct Skipping;

impl Programs for Skipping {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Skipped {
            honest: Registry.build(task)?,
            skipped: task.steps - task.steps / 3,
        }))
    }
}

struct Skipped {
    honest: Box<dyn Program>,
    skipped: u64,
}

impl Program for Skipped {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        match step.0 <= self.skipped {
            true => Ok(StepReport {
                taken: Taken::Valid,
                ..StepReport::idle(step)
            }),
            false => self.honest.advance(step),
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}

/// A machine that comes to nothing any more in the rounds after the first ones.
struct Failing(WorkerDesk);

impl Runner for Failing {
    fn run(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<WorkDone, WorkFailure> {
        let round = federated::round_of(&work.task.spec);
        match round.is_some_and(|round| round >= ROUNDS_UP) {
            true => {
                while !stop() {
                    std::thread::sleep(LOOK);
                }
                Err(WorkFailure::Stopped)
            }
            false => self.0.run(work, on_step, stop),
        }
    }
}

/// How the provider of this name works.
fn runner(name: &str, desk: WorkerDesk) -> Box<dyn Runner> {
    let number = name
        .rsplit('-')
        .next()
        .and_then(|number| number.parse().ok());
    match number.and_then(|number: usize| CLINICS.get(number)) {
        Some(Nature::Lazy) => Box::new(InProcess::new(Box::new(Skipping))),
        Some(Nature::DropsOut) => Box::new(Failing(desk)),
        _ => Box::new(desk),
    }
}

async fn train(
    dir: &Path,
    job: &Job,
    rows: &[Vec<u8>],
    output: &Output,
) -> Result<(Report, Vec<Clinic>), Failure> {
    let local = Local::new(job, Digest::ZERO).map_err(unfit)?;
    assay_job::check_read(job, &local).map_err(unfit)?;
    let cast = Cast {
        trainers: rows.len(),
        auditors: 4,
        runners: Some(Box::new(runner)),
    };
    let trial = Trial::start(dir, cast, output).await?;
    let outcome = async {
        let private = (&local.inputs, &local.private);
        let finished = trial.run(job, private, rows).await?;
        trial::write_result(&dir.join("adapter"), &finished.delivery)?;
        let clinics = told(&trial, &finished)?;
        Ok((trial.report(finished, None).await?, clinics))
    };
    let outcome = outcome.await;
    trial.stop().await;
    outcome
}

/// What came of each clinic.
fn told(trial: &Trial, finished: &Finished) -> Result<Vec<Clinic>, Failure> {
    let state = trial.state();
    let order = finished.order.head.id;
    let mut all = Vec::with_capacity(CLINICS.len());
    for (at, nature) in CLINICS.into_iter().enumerate() {
        let Some(account) = trial.account(&format!("provider-{at}")) else {
            continue;
        };
        let trainer = query::trainer(&*state, &order, &account).map_err(failed)?;
        let now = query::registration(&*state, Role::Provider, &account).map_err(failed)?;
        let began = trial.bond(&account);
        let bond = now.map_or(Amount::ZERO, |now| now.bond);
        all.push(Clinic {
            name: format!("clinic-{at}"),
            nature,
            rounds_paid: trainer.as_ref().map_or(0, |of| of.stood),
            bond_lost: began.checked_sub(bond).unwrap_or_default(),
            took_part_to_the_end: trainer.is_some_and(|of| of.stood > 0 && of.missed == 0),
        });
    }
    Ok(all)
}

fn show(dir: &Path, told: &Told<'_>, output: &Output) -> String {
    let mut text = format!("\n{}\n", output.strong("Result"));
    for line in figures(&told.report.run.figures).lines() {
        text += &format!("  {line}\n");
    }
    text += &format!("  {}\n\n", told.report.pace.told());
    let rows = told.clinics.iter().map(|of| {
        let end = match (of.bond_lost > Amount::ZERO, of.took_part_to_the_end) {
            (true, _) => format!("found out by an audit: lost {} of its bond", of.bond_lost),
            (false, true) => "paid to the end".to_owned(),
            (false, false) => "paid for its rounds, then let go".to_owned(),
        };
        [
            of.name.clone(),
            of.nature.told().to_owned(),
            of.rounds_paid.to_string(),
            end,
        ]
    });
    text += &table(
        [
            "clinic",
            "what it is like",
            "rounds paid",
            "what came of it",
        ],
        rows,
    );
    text += match told.audit_agrees {
        true => {
            "\nan auditor made every model again from the chain and the encrypted files: all equal\n"
        }
        false => "\nan auditor came to ANOTHER result from the files\n",
    };
    text += "no audit sees labels that are turned around: the rule that merges bears them\n";
    let at = next::quoted(dir);
    let history = next::quoted(&dir.with_extension("history"));
    let example = next::quoted(&dir.join("example/clinics.toml"));
    text += &format!("\n{}\n", output.strong("Next"));
    text + &next::list(&[
        (
            format!("assay audit --offline {at}"),
            "see every figure made again",
        ),
        (
            format!("assay archive {history} --copy {at}"),
            "keep the history for an auditor who comes late",
        ),
        (
            format!(
                "assay audit --archive {history} --network {at}/genesis.json --key {at}/nodes/provider-*/key.json"
            ),
            "with every clinic's key: also the lazy one's rounds in which it was not drawn",
        ),
        (
            format!("less {example}"),
            "the job; edit it for rows of your own",
        ),
        (
            format!("assay devnet --dir {at}"),
            "the same network again, to stay",
        ),
    ])
}
