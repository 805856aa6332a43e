//! `assay market`: what honesty and cheating bring, played on the ledger's own rules.

use std::path::PathBuf;

use assay_ledger::Amount;
use assay_market::{BreakEven, Kind as Way, Part, Plan, Report, Row, Settings, length, simulate};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    args::Global,
    commands::{job::network, train, try_job::load},
    failure::{Failure, Kind},
    output::{Output, table},
};

/// Most orders for each way to play, and most draws for each break-even bond.
const MOST: u64 = 10_000_000;

/// Play the market's game in numbers
#[derive(Debug, Subcommand)]
pub(crate) enum Market {
    /// Play honest parties against those who break the rules, and show what each of them earns
    ///
    /// A small network is founded in memory, with honest providers, auditors, validators and a requester,
    /// and the ledger's own rules. Each way to play, honest or not, is then played for so many orders,
    /// and what it has in the end is compared with what it had: pay, fees, bonds lost, and the cost of
    /// the work that it did. At last the bond is measured at which faking a run stops to pay, and held
    /// against the formula that `assay job check` uses.
    ///
    /// Prices, bonds and audits are those that a job file gets which says nothing of them, or a job's;
    /// the network's numbers are those with which networks begin, or those of the network in --dir. The
    /// same seed gives the same figures. What is left out of the model is in docs/market.md.
    #[command(after_help = "Examples:\n  \
        assay market simulate\n  \
        assay market simulate --orders 5000 --seed 7\n  \
        assay market simulate --cost 9            the work costs nearly all it pays\n  \
        assay market simulate --cost 9 --collusion 90   too many accomplices: a cheat pays\n  \
        assay market simulate examples/finetune.toml --json")]
    Simulate(Simulate),
}

/// What is played.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A job file, whose market and audit sections are played
    #[arg(value_name = "JOB.toml")]
    job: Option<PathBuf>,
    /// Orders for each way to play
    #[arg(long, default_value_t = 300, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=MOST))]
    orders: u64,
    /// Draws of auditors for each break-even bond; 0 measures none
    #[arg(long, default_value_t = 100_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(0..=MOST))]
    draws: u64,
    /// All draws and dice follow from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Per cent of the auditors' bonds that a cheater's accomplices hold
    #[arg(long, default_value_t = 30, value_name = "PERCENT",
          value_parser = clap::value_parser!(u32).range(0..=99))]
    collusion: u32,
    /// What the work of a run costs whoever does it, in tokens [default: 1.5, or a sixth of the job's price]
    #[arg(long, value_name = "TOKENS")]
    cost: Option<Amount>,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// The names of cheats that do not lose, and of split bonds that bring more: none, if the rules hold.
    failures: Vec<String>,
}

impl Market {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let Self::Simulate(options) = self;
        options.run(global, output)
    }
}

impl Simulate {
    fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let settings = self.settings(global)?;
        let plan = Plan {
            seed: self.seed,
            orders: self.orders,
            collusion_ppm: self.collusion * 10_000,
            draws: self.draws,
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let bar = train::bar(length(&plan), output);
        bar.set_message("orders");
        let played = simulate(&settings, &plan, threads, &|done| bar.inc(done));
        bar.finish_and_clear();
        let report = played.map_err(|error| Failure::new(Kind::Failed, error))?;
        let told = Told {
            failures: report
                .failures()
                .map(|row| format!("{}: {}", row.part.name(), row.name))
                .collect(),
            report: &report,
        };
        output.result(&told, |told| text(told.report, output))?;
        output.warn(&told.failures.iter().map(warning).collect::<Vec<_>>());
        Ok(())
    }

    fn settings(&self, global: &Global) -> Result<Settings, Failure> {
        let mut settings = Settings {
            parameters: network(global)?.parameters,
            ..Settings::default()
        };
        if let Some(path) = &self.job {
            let job = load(path)?;
            if job.market.copies > 1 {
                let context = format!(
                    "{} is done in copies, which are not audited",
                    path.display()
                );
                let failure = Failure::new(Kind::Usage, anyhow::anyhow!(context));
                return Err(failure.hint("play a job with market.copies = 1"));
            }
            let steps = u64::from(job.audit.segment_steps.max(1));
            settings.price = job.market.price;
            settings.provider_bond = job.market.provider_bond;
            settings.auditor_bond = job.market.auditor_bond;
            settings.auditor_fee = job.market.auditor_fee;
            settings.attempts = job.market.attempts;
            settings.segments = u32::try_from(job.steps.div_ceil(steps)).unwrap_or(u32::MAX);
            settings.drawn = job.audit.segments;
            settings.auditors = job.audit.auditors;
            settings.cost = Amount(job.market.price.0 / 6);
        }
        settings.cost = self.cost.unwrap_or(settings.cost);
        Ok(settings)
    }
}

fn warning(failure: &String) -> String {
    format!("it does not lose money: {failure}")
}

fn text(report: &Report, output: &Output) -> String {
    let Report { orders, seed, .. } = report;
    let accomplices = report.collusion_ppm / 10_000;
    let mut text = format!(
        "{orders} orders for each way to play, seed {seed}; the work of a run costs {:.4}\n\
         accomplices hold {accomplices}% of the auditors' bonds; returns are in tokens, for each run, seat or order\n\n",
        report.cost
    );
    let heading = ["who", "how", "return", "+-", "pays if work costs", ""];
    text += &table(heading, report.rows.iter().map(|row| cells(report, row)));
    text += "\n";
    for part in Part::ALL {
        let (Some(honest), Some(best)) = (report.honest(part), report.best_cheat(part)) else {
            continue;
        };
        let verdict = if best.loses {
            "less than"
        } else {
            "NOT LESS THAN"
        };
        text += &format!(
            "{}: the best cheat ({}) brings {:.4}, {} the honest {:.4}\n",
            output.strong(part.name()),
            best.name,
            best.mean,
            output.strong(verdict),
            honest.mean
        );
    }
    text += &format!(
        "\nan honest provider earns while the work costs less than {:.2}, an honest auditor while it costs less than {:.2}\n\
         by the formula faking any share loses money while the work costs less than {:.2}\n",
        report.provider_earns_until, report.auditor_earns_until, report.deterred_cost
    );
    if !report.break_even.is_empty() {
        let heading = [
            "accomplices",
            "auditors",
            "bond measured",
            "+-",
            "formula",
            "off",
        ];
        text +=
            "\nthe bond at which faking a run that costs what it pays brings as much as working\n";
        text += &table(heading, report.break_even.iter().map(bond));
    }
    text
}

fn cells(report: &Report, row: &Row) -> [String; 6] {
    let honest = report.honest(row.part).map_or(0.0, |honest| honest.mean);
    let (more, less) = (row.mean - honest, honest - row.mean);
    let said = match (row.kind, row.loses, row.pays) {
        (Way::Honest, ..) => String::new(),
        (Way::Shirks, _, true) => format!("pays {more:.4}, not stopped"),
        (_, _, true) => format!("PAYS {more:.4}"),
        (_, true, _) => format!("loses {less:.4}"),
        _ => "no more".to_owned(),
    };
    let from = row.pays_from.filter(|_| row.kind == Way::Cheat);
    [
        row.part.name().to_owned(),
        row.name.to_owned(),
        format!("{:.4}", row.mean),
        format!("{:.4}", row.error),
        from.map_or(String::new(), |cost| format!("{cost:.2}")),
        said,
    ]
}

fn bond(case: &BreakEven) -> [String; 6] {
    [
        format!("{}%", case.dishonest_ppm / 10_000),
        case.auditors.to_string(),
        format!("{:.3}", case.measured),
        format!("{:.3}", case.error),
        format!("{:.3}", case.formula),
        format!("{:+.2}%", 100.0 * case.off()),
    ]
}
