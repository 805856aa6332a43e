//! `assay-sim`: run scenarios and repeat what a seed brought about.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use assay_sim::{Report, Scenario, ScenarioError, WorldError, run};
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
        /// An order with its terms and liars, and not a network with faults.
        #[arg(long)]
        order: bool,
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
