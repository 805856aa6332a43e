//! Runs every suite at its full count, resumable: a suite that passed is remembered until `--fresh`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{large, suites};

/// One suite: what to run, and the count that "full" means for it.
struct Suite {
    name: &'static str,
    package: &'static str,
    filter: &'static str,
    count: u32,
}

impl Suite {
    /// One of five parts of the drawn worlds, each of which takes less than an hour.
    const fn worlds(name: &'static str) -> Suite {
        Suite {
            name,
            package: "assay-sim",
            filter: "property::whoever",
            count: 20_000,
        }
    }

    /// One of two parts of the networks of hosts, which take some two minutes each.
    const fn hosts(name: &'static str) -> Suite {
        Suite {
            name,
            package: "assay-cli",
            filter: "between_hosts",
            count: 25,
        }
    }

    /// The first seed, of a suite that is run in parts: each has a number at the end of its name.
    fn from(&self, count: u32) -> Option<u32> {
        let (_, part) = self.name.split_once(", part ")?;
        let part: u32 = part.parse().ok()?;
        part.checked_sub(1)?.checked_mul(count)
    }
}

/// Every suite reads its count from `ASSAY_CASES` and prints count and seed; one in parts reads its first
/// seed from `ASSAY_FROM`.
const SUITES: [Suite; 31] = [
    Suite::hosts("a federated job between hosts, part 1"),
    Suite::hosts("a federated job between hosts, part 2"),
    Suite {
        name: "bytes of a history changed one by one",
        package: "assay-cli",
        filter: "federated::trainers",
        count: 1_000,
    },
    Suite {
        name: "aggregation rules",
        package: "assay-aggregate",
        filter: "",
        count: 2_000,
    },
    Suite {
        name: "rounds of many trainers",
        package: "assay-rounds",
        filter: "",
        count: 2_000,
    },
    Suite {
        name: "ledger life cycles",
        package: "assay-ledger",
        filter: "",
        count: 10_000,
    },
    Suite {
        name: "mail across losses and kills",
        package: "assay-machine",
        filter: "kills",
        count: 3_000,
    },
    Suite {
        name: "the game in numbers",
        package: "assay-market",
        filter: "",
        count: 3_000,
    },
    Suite {
        name: "cheater detection",
        package: "assay-sim",
        filter: "statistics::detection",
        count: 1_000,
    },
    Suite {
        name: "honest runs",
        package: "assay-sim",
        filter: "statistics::honest",
        count: 10_000,
    },
    Suite {
        name: "cheater detection on real training",
        package: "assay-sim",
        filter: "training::",
        count: 200,
    },
    Suite::worlds("whoever keeps to the protocol loses nothing, part 1"),
    Suite::worlds("whoever keeps to the protocol loses nothing, part 2"),
    Suite::worlds("whoever keeps to the protocol loses nothing, part 3"),
    Suite::worlds("whoever keeps to the protocol loses nothing, part 4"),
    Suite::worlds("whoever keeps to the protocol loses nothing, part 5"),
    Suite {
        name: "mixtures of liars in orders",
        package: "assay-sim",
        filter: "mixed::",
        count: 200,
    },
    Suite {
        name: "parties killed between outputs and in writes",
        package: "assay-sim",
        filter: "interrupted::",
        count: 200,
    },
    Suite {
        name: "copies compared",
        package: "assay-sim",
        filter: "redundant::",
        count: 200,
    },
    Suite {
        name: "orders in scenario files",
        package: "assay-sim",
        filter: "scenarios::",
        count: 40,
    },
    Suite {
        name: "histories of storage nodes",
        package: "assay-vault",
        filter: "",
        count: 10_000,
    },
    Suite {
        name: "storage nodes on disks that forget",
        package: "assay-sim",
        filter: "storage::",
        count: 2_000,
    },
    Suite {
        name: "journals on disks that forget",
        package: "assay-sim",
        filter: "journals::",
        count: 2_000,
    },
    Suite {
        name: "uploads on disks that forget",
        package: "assay-sim",
        filter: "uploads::",
        count: 2_000,
    },
    Suite {
        name: "chain stores on disks that forget",
        package: "assay-sim",
        filter: "chain::",
        count: 2_000,
    },
    Suite {
        name: "a validator whose power fails",
        package: "assay-sim",
        filter: "validator::",
        count: 2_000,
    },
    Suite {
        name: "pools that strangers fill",
        package: "assay-chain",
        filter: "pool",
        count: 2_048,
    },
    Suite {
        name: "liars among validators",
        package: "assay-sim",
        filter: "liars::",
        count: 40,
    },
    Suite {
        name: "validators killed and cut off",
        package: "assay-sim",
        filter: "failures::",
        count: 40,
    },
    Suite {
        name: "validators that come and go",
        package: "assay-sim",
        filter: "churn::",
        count: 40,
    },
    Suite {
        name: "drawn histories of a network",
        package: "assay-sim",
        filter: "drawn::",
        count: 150,
    },
];

const DONE: &str = "target/full.json";

/// Runs what has not passed yet; stops at the first failure.
pub(crate) fn run(scale: u32, fresh: bool) -> Result<()> {
    let mut passed: BTreeMap<String, u32> = match std::fs::read(DONE) {
        Ok(bytes) if !fresh => serde_json::from_slice(&bytes).context(DONE)?,
        _ => BTreeMap::new(),
    };
    for suite in &SUITES {
        let count = (u64::from(suite.count) * u64::from(scale) / 100).max(1) as u32;
        if passed.get(suite.name).is_some_and(|done| *done >= count) {
            println!("{}: {count} cases passed before", suite.name);
            continue;
        }
        let start = Instant::now();
        let mut command = Command::new(env!("CARGO"));
        if let Some(from) = suite.from(count) {
            command.env("ASSAY_FROM", from.to_string());
        }
        command
            .args(["test", "--release", "--all-features", "-p", suite.package])
            .args(["--", "--nocapture", suite.filter])
            .env("ASSAY_CASES", count.to_string());
        if !suites::run(&mut command, |_| {})? {
            bail!(
                "{} failed at {count} cases; the seed is printed above",
                suite.name
            );
        }
        println!(
            "{}: {count} cases in {:.0} s",
            suite.name,
            start.elapsed().as_secs_f64()
        );
        remember(&mut passed, suite.name, count)?;
    }
    if passed.contains_key(large::NAME) {
        println!("{}: passed before", large::NAME);
    } else if scale >= 100 && large::run()? {
        remember(&mut passed, large::NAME, 1)?;
    }
    Ok(())
}

fn remember(passed: &mut BTreeMap<String, u32>, name: &str, count: u32) -> Result<()> {
    passed.insert(name.to_owned(), count);
    std::fs::create_dir_all(Path::new(DONE).parent().context("no parent folder")?)?;
    std::fs::write(DONE, serde_json::to_vec_pretty(passed)?)?;
    Ok(())
}
