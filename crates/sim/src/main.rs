//! `assay-sim`: run scenarios and repeat what a seed brought about.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use assay_sim::{OrderReport, Report, Rule, Scenario, ScenarioError, WorldError, run};
use clap::{Parser, Subcommand};

/// Runs the whole network in one thread from one seed.
#[derive(Parser)]
#[command(name = "assay-sim", version)]
struct Cli {
    /// Print the report as one JSON object.
    #[arg(long, global = true)]
    json: bool,
    /// Print every block too, one a line, when the first honest validator had it.
    #[arg(long, global = true, conflicts_with = "json")]
    blocks: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a scenario file once.
    Run {
        /// The scenario (TOML).
        file: PathBuf,
        /// Another seed than the file's.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Runs a scenario twice and compares both runs: every task must have done the same.
    Replay {
        /// A scenario file, or the seed of a scenario to draw.
        what: String,
    },
    /// Prints the scenario that a seed draws, as a file.
    Draw {
        /// The seed.
        seed: u64,
        /// Orders with their terms, liars and storage, and not a network with faults.
        #[arg(long)]
        order: bool,
    },
    /// Runs the drawn orders of many seeds, and names every seed in which somebody honest loses.
    Worlds {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 1_000)]
        count: u64,
        /// A rule that they do without, as scenario files spell it.
        #[arg(long)]
        without: Vec<String>,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("no rule is called `{0}`")]
    NoRule(String),
    #[error("two runs of one scenario differ: chains {0} and {1}, traces {2} and {3}")]
    Differs(String, String, String, String),
    #[error(
        "something happened that must not; forks, double votes, failures, honest losers and outcomes in the \
         report say what"
    )]
    Unsafe,
    #[error("cannot write the report")]
    Write(#[from] std::io::Error),
    #[error("cannot write the report as JSON")]
    Json(#[from] serde_json::Error),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    match answer(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut text = failure.to_string();
            let mut below = std::error::Error::source(&failure);
            while let Some(source) = below {
                text = format!("{text}: {source}");
                below = source.source();
            }
            // Nobody is left to be told if this fails.
            let _ = writeln!(std::io::stderr(), "assay-sim: {text}");
            ExitCode::FAILURE
        }
    }
}

fn answer(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Run { file, seed } => {
            let mut scenario = read(file)?;
            scenario.seed = seed.unwrap_or(scenario.seed);
            scenario.check()?;
            tell(cli, &run(&scenario)?)
        }
        Command::Replay { what } => {
            let scenario = match what.parse() {
                Ok(seed) => Scenario::drawn(seed),
                Err(_) => read(&PathBuf::from(what))?,
            };
            let (first, second) = (run(&scenario)?, run(&scenario)?);
            if first != second {
                return Err(Failure::Differs(
                    first.chain,
                    second.chain,
                    first.trace,
                    second.trace,
                ));
            }
            tell(cli, &first)
        }
        Command::Draw { seed, order } => {
            let drawn = match order {
                true => Scenario::drawn_order(*seed),
                false => Scenario::drawn(*seed),
            };
            write!(std::io::stdout(), "{}", drawn.to_toml())?;
            Ok(())
        }
        Command::Worlds {
            from,
            count,
            without,
        } => worlds(*from, *count, without),
    }
}

/// Runs the drawn orders of so many seeds.
fn worlds(from: u64, count: u64, without: &[String]) -> Result<(), Failure> {
    let rule = |name: &String| {
        let mut all = Rule::ALL.into_iter();
        let found = all.find(|rule| rule.name() == name);
        found.ok_or_else(|| Failure::NoRule(name.clone()))
    };
    let without: Vec<Rule> = without.iter().map(rule).collect::<Result<_, _>>()?;
    let mut out = std::io::stdout();
    let mut unsafe_ones = 0u64;
    for (done, seed) in (from..)
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .enumerate()
    {
        let scenario = Scenario::drawn_without(seed, &without);
        scenario.check()?;
        let report = run(&scenario)?;
        if !report.is_safe() {
            unsafe_ones += 1;
            let wrongs: Vec<String> = report.orders.iter().flat_map(OrderReport::wrongs).collect();
            writeln!(out, "seed {seed}: {}", wrongs.join("; "))?;
        }
        if (done + 1) % 1_000 == 0 {
            writeln!(
                out,
                "{} worlds up to seed {seed}: {unsafe_ones} are not sound",
                done + 1
            )?;
            out.flush()?;
        }
    }
    writeln!(
        out,
        "{count} worlds from seed {from}: {unsafe_ones} are not sound"
    )?;
    match unsafe_ones {
        0 => Ok(()),
        _ => Err(Failure::Unsafe),
    }
}

fn read(path: &PathBuf) -> Result<Scenario, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
        path: path.clone(),
        source,
    })?;
    Ok(Scenario::parse(&text)?)
}

/// Prints the report; fails if it says that something happened that must not.
fn tell(cli: &Cli, report: &Report) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    if cli.blocks {
        writeln!(
            out,
            "{:>9} {:>9} {:>12}  beacon",
            "ms", "height", "transactions"
        )?;
        for block in &report.seen {
            let beacon = if block.beacon { "yes" } else { "no" };
            let (at_ms, height, count) = (block.at_ms, block.height, block.transactions);
            writeln!(out, "{at_ms:>9} {height:>9} {count:>12}  {beacon}")?;
        }
    }
    match cli.json {
        true => writeln!(out, "{}", serde_json::to_string(report)?)?,
        false => writeln!(out, "{}", report.table())?,
    }
    match report.is_safe() {
        true => Ok(()),
        false => Err(Failure::Unsafe),
    }
}
