//! `assay audit`: recompute what a trial claims from its files alone, or what a network did from an archive.

mod again;
mod checks;
mod files;
mod late;
mod page;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use assay_ledger::{ChainId, Genesis, Order, OrderId, query};
use assay_node::{
    config::NodeConfig,
    devnet::{blob_dirs, chain_dir},
    keys::{self, KeyError},
    node::read_genesis,
    offline::{self, Blobs, Ledger},
};
use clap::Args;
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value};

use self::again::{UNMADE, rounds_again, run_again};
use self::checks::{Check, Told, compare, unchecked};
use crate::{
    commands::train::bar,
    failure::{Failure, Kind},
    output::{Output, table},
    trial::{self, Report},
};

/// Do again what a network or a trial says was done, and say where it differs
///
/// --archive takes a network's history as `assay archive` keeps it: every block is executed again from the
/// genesis, models of orders with rounds are made again from their updates, and with the keys that you are entitled
/// to (--key) the steps of trainers and the runs of providers too. What nobody here can open is counted and not
/// believed. The verdict is one page, or with --json one object. --network says which network it has to be, from a
/// source that you trust. Exits with 5 if anything differs or is damaged.
///
/// --offline takes the directory of a finished trial instead: it repeats every step of its orders and judges the
/// result anew; then compares with DIR/result.json and the files in DIR/adapter and says
/// where they differ; a file too many there is a difference as well. A directory can hold a whole chain of its
/// maker's own: only --network ties it to a network that you know from elsewhere. What else lies there is not read:
/// other validators' chains, keys but the requester's, journals, copies of pieces that are not needed, the
/// example's files.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  assay demo --dir /tmp/demo && assay audit --offline /tmp/demo\n  \
                        assay audit --offline /tmp/demo --network genesis.json\n  \
                        assay archive history && assay audit --archive history --network genesis.json\n  \
                        assay audit --archive history --network genesis.json --light 100 --key my/key.json"
)]
#[group(id = "what", required = true, multiple = false, args = ["offline", "archive"])]
pub(crate) struct Audit {
    /// Directory of a trial, as `assay demo` and `assay try` leave it
    #[arg(long, value_name = "DIR")]
    offline: Option<PathBuf>,
    /// The network it must be of: its name (64 hex digits, as `assay network` prints it) or its
    /// genesis file, from a source that you trust
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "offline")]
    network: Option<String>,
    #[command(flatten)]
    late: late::Late,
}

/// What was recomputed.
#[derive(Debug, Serialize)]
struct Findings {
    /// Whether everything told is true.
    agrees: bool,
    /// The network, by the digest of its genesis.
    network: ChainId,
    /// Whether that name came from outside the directory.
    network_proven: bool,
    /// Blocks executed again: all that are covered by a certificate.
    blocks: u64,
    /// Blocks above them, which no certificate covers and nothing here rests on.
    blocks_unproven: u64,
    /// Seconds that repeating the honest run took here.
    replay_seconds: f64,
    /// Everything recomputed, under the names of `result.json`.
    #[serde(flatten)]
    recomputed: Map<String, Value>,
    /// Figure by figure.
    checks: Vec<Check>,
}

impl Audit {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let network = self.network.as_deref().map(named).transpose()?;
        let Some(dir) = self.offline else {
            return self.late.run(network, output);
        };
        let dir = std::path::absolute(dir).map_err(trial::failed)?;
        let told = read_report(&dir.join(files::RESULT))?;
        let findings = examine(&dir, &told, network, output)?;
        let agrees = findings.agrees;
        output.result(&findings, |findings| {
            let rows = findings.checks.iter().flat_map(Check::rows);
            let mut text = table(["figure", "told", "recomputed", ""], rows);
            text += &ending(findings);
            text
        })?;
        if agrees {
            return Ok(());
        }
        let failure = Failure::say(Kind::Untrue, "the files do not say what result.json says");
        let hint = "the table above shows each figure; believe the recomputed ones";
        Err(failure.hint(hint).in_result())
    }
}

/// Whether everything that a trial's directory says is true, and all of its rounds could be made again.
pub(super) fn agrees(dir: &Path, output: &Output) -> Result<bool, Failure> {
    let told = read_report(&dir.join(files::RESULT))?;
    let findings = examine(dir, &told, None, output)?;
    let made = findings.checks.iter().all(|of| of.figure != UNMADE);
    Ok(findings.agrees && made)
}

fn read_report(path: &Path) -> Result<Told, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        let context = format!("cannot read {}", path.display());
        let failure = anyhow::Error::from(error).context(context);
        Failure::new(Kind::NotFound, failure).hint("name the --dir of an `assay demo` or `try`")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let context = format!("{} is not the result of a trial", path.display());
        Failure::new(Kind::Untrue, anyhow::Error::from(error).context(context))
            .hint("fetch the directory again from whoever ran the trial")
    })
}

/// The order that a field of `result.json` names, if it is there.
fn order_told(path: &Path, told: &Told, field: &str) -> Result<Option<OrderId>, Failure> {
    let order = told.get(field).map(OrderId::deserialize);
    order.transpose().map_err(|error| {
        let context = format!("{}: {field} names no order", path.display());
        Failure::new(Kind::Untrue, anyhow::Error::from(error).context(context))
    })
}

/// What the findings come to.
fn ending(findings: &Findings) -> String {
    let verdict = if findings.agrees {
        "all of it is true"
    } else {
        "NOT all of it is true"
    };
    let mut text = format!(
        "{} certified blocks executed, every run and merge that can be made again repeated: {verdict}\n",
        findings.blocks
    );
    let unchecked = findings.checks.iter().filter(|check| check.equal.is_none());
    text += &format!(
        "{} figures are the word of whoever made the directory and are marked \"not checked\"; \
         `assay audit --help` says which files are not read\n",
        unchecked.count()
    );
    if findings.blocks_unproven > 0 {
        text += &format!(
            "the last {} blocks have no certificate yet; nothing here rests on them\n",
            findings.blocks_unproven
        );
    }
    text += &if findings.network_proven {
        format!("it is network {}, as you said\n", findings.network)
    } else {
        format!(
            "unproven: that this is a network anybody else knows; it calls itself {}; compare \
             that name with one from elsewhere, or give it with --network\n",
            findings.network
        )
    };
    text
}

/// A network by name or genesis file.
fn named(text: &str) -> Result<ChainId, Failure> {
    if let Ok(name) = text.parse() {
        return Ok(name);
    }
    let genesis = read_genesis(Path::new(text)).map_err(|error| {
        Failure::new(Kind::Usage, anyhow::Error::new(error))
            .hint("give --network 64 hex digits, or the path of a genesis.json")
    })?;
    Ok(genesis.chain_id())
}

fn examine(
    dir: &Path,
    told: &Told,
    network: Option<ChainId>,
    output: &Output,
) -> Result<Findings, Failure> {
    let path = dir.join(files::RESULT);
    let job = order_told(&path, told, "job_id")?.ok_or_else(|| {
        let text = format!("{} lacks job_id, the order it is about", path.display());
        Failure::say(Kind::Untrue, text)
    })?;
    let cheated = order_told(&path, told, "cheater_job_id")?;
    let progress = bar(0, output);
    let ledger = Ledger::replay(&chain_dir(dir), |height, head| {
        progress.set_length(head);
        progress.set_position(height);
        progress.set_message("blocks");
    })
    .map_err(untrue)?;
    progress.finish_and_clear();
    let found = ledger.genesis().chain_id();
    if let Some(wanted) = network.filter(|wanted| *wanted != found) {
        let text = format!("{} holds network {found}, not {wanted}", dir.display());
        return Err(Failure::say(Kind::Untrue, text)
            .hint("the directory was made by or for another network: do not believe it"));
    }
    let blobs = Blobs::open(&blob_dirs(dir).map_err(trial::failed)?).map_err(trial::failed)?;
    let key = keys::load(&dir.join("requester/key.json")).map_err(|error| match error {
        KeyError::Missing(path) => {
            let text = format!(
                "{} is missing, and the order's inputs open with its requester's key alone",
                path.display()
            );
            Failure::say(Kind::NotFound, text).hint("copy the requester's key file there")
        }
        other => other.into(),
    })?;

    let honest = ledger.order(job).map_err(untrue)?;
    let rerun = |order: &Order| {
        let progress = bar(order.head.terms.steps, output);
        let done = offline::rerun(&ledger, &blobs, &key, order, |report| {
            progress.set_position(report.step.0);
            progress.set_message("steps");
        });
        progress.finish_and_clear();
        done.map_err(untrue)
    };
    let began = std::time::Instant::now();
    let again = match honest.head.rounds {
        None => run_again(rerun(&honest)?),
        Some(_) => {
            let progress = bar(0, output);
            let done = offline::remake(&ledger, &blobs, &key, &honest, |at, all| {
                progress.set_length(all);
                progress.set_position(at);
                progress.set_message("models");
            });
            progress.finish_and_clear();
            rounds_again(done.map_err(untrue)?)
        }
    };
    let replay_seconds = began.elapsed().as_secs_f64();
    let supply = query::counted_supply(ledger.state()).map_err(trial::failed)?;
    let mut accounts = accounts(dir, ledger.genesis())?;
    accounts.insert("requester".to_owned(), honest.head.requester);
    let cheater = match cheated {
        None => None,
        Some(cheated) => {
            let order = ledger.order(cheated).map_err(untrue)?;
            let second = rerun(&order)?;
            Some(trial::Cheater {
                cheater_job_id: order.head.id,
                slash_tx: ledger
                    .provider_slash(order.head.id)
                    .and_then(|slash| slash.tx),
                cheater_caught: trial::caught(&order)
                    && second.trace_agrees
                    && second.result_agrees,
                cheater_pace: ledger.pace(order.head.id),
            })
        }
    };
    let recomputed = Report {
        run: trial::Run::new(
            &honest,
            again.state,
            again.delivery.figures,
            again.delivery.warnings,
        ),
        adapter_dir: dir.join("adapter"),
        chain_dir: chain_dir(dir),
        blob_dir: dir.join("nodes"),
        balances: trial::balances(ledger.state(), &accounts).map_err(trial::failed)?,
        genesis_supply: supply.genesis,
        supply_conserved: supply.total == Some(supply.genesis),
        samples: again.delivery.samples,
        notes: again.delivery.notes,
        pace: ledger.pace(job),
        cheater,
    };
    let Value::Object(recomputed) = serde_json::to_value(&recomputed).map_err(trial::failed)?
    else {
        return Err(Failure::say(Kind::Failed, "a report is always an object"));
    };
    let mut checks = compare(told, &recomputed);
    // A balance is proved to be an account's; that the account is this node's, only a folder says.
    checks.push(unchecked(
        "accounts of the names in balances",
        Value::Null,
        serde_json::to_value(&accounts).map_err(trial::failed)?,
    ));
    checks.push(files::report(dir, told)?);
    checks.push(files::written_alike("genesis.json", dir, ledger.genesis())?);
    checks.extend(again.checks);
    checks.extend(files::result(&dir.join("adapter"), &again.delivery.files)?);
    Ok(Findings {
        agrees: checks.iter().all(|check| check.equal != Some(false)),
        network: found,
        network_proven: network.is_some(),
        blocks: ledger.blocks(),
        blocks_unproven: ledger.unproven(),
        replay_seconds,
        recomputed,
        checks,
    })
}

/// Accounts of the nodes by name. A node's configuration says where it listens, and the genesis
/// whose address that is, so nobody's key file is needed.
fn accounts(
    dir: &Path,
    genesis: &Genesis,
) -> Result<BTreeMap<String, assay_ledger::AccountId>, Failure> {
    let mut accounts = BTreeMap::new();
    for entry in std::fs::read_dir(dir.join("nodes")).map_err(trial::failed)? {
        let home = entry.map_err(trial::failed)?.path();
        let config = NodeConfig::load(&home.join("node.toml")).map_err(trial::failed)?;
        let address = config.public_address().to_string();
        let mut registrations = genesis.registrations.iter();
        let found = registrations.find(|r| r.address.as_str() == address);
        let name = home.file_name().unwrap_or_default().to_string_lossy();
        if let Some(registration) = found {
            accounts.insert(name.into_owned(), registration.account);
        }
    }
    Ok(accounts)
}

fn untrue(error: offline::OfflineError) -> Failure {
    use offline::OfflineError::{Blobs, Kept};
    let kind = match &error {
        // This machine's disk, and nobody's word.
        Kept(_) | Blobs { .. } => Kind::Failed,
        _ => Kind::Untrue,
    };
    Failure::new(kind, anyhow::Error::new(error))
}
