//! Run the project's chores: `cargo xtask NAME`, nothing to install.
#![allow(clippy::print_stdout, reason = "a chore reports on the terminal")]

mod aggregate;
mod bench;
mod cuda;
mod estimator;
mod federated;
mod floats;
mod full;
mod gemm;
mod large;
mod pages;
mod rooms;
mod shape;
mod smollm2;
mod suites;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Run the project's chores.")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check how the house is built: layers, forbidden dependencies and std modules, long files, circles.
    Rooms,
    /// Measure against the best available peer; writes target/bench/NAME.json.
    Bench {
        /// Which bench.
        #[arg(value_enum)]
        name: bench::Name,
    },
    /// Run every property and statistical suite at its full count.
    Full {
        /// Scale every count by this many percent.
        #[arg(long, default_value_t = 100, env = "ASSAY_SCALE")]
        scale: u32,
        /// Forget which suites already passed and start over.
        #[arg(long)]
        fresh: bool,
    },
    /// Fetch SmolLM2-135M-Instruct (Apache-2.0, 93 MB) and make a model folder of it.
    #[command(name = "fetch-smollm2")]
    FetchSmollm2(smollm2::Options),
}

fn main() -> Result<()> {
    match Cli::parse().chore {
        Chore::Rooms => rooms::check(),
        Chore::Bench { name } => bench::run(name),
        Chore::Full { scale, fresh } => full::run(scale, fresh),
        Chore::FetchSmollm2(options) => smollm2::fetch(&options),
    }
}
