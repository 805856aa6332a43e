//! `assay audit --offline`: recompute what a trial claims, from its files alone.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use assay_ledger::{Order, query};
use assay_node::{
    config::NodeConfig,
    devnet::{blob_dirs, chain_dir},
    keys,
    offline::{self, Blobs, Ledger},
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::Global,
    commands::train::bar,
    failure::{Failure, Kind},
    output::{Output, table},
    trial::{self, Report},
};

/// Recompute everything a finished trial says, from chain, blobs and the requester's key file
///
/// Executes the ledger again from its genesis, repeats every training step of the orders and
/// judges the result anew; then compares with DIR/result.json and says where it differs. Exits
/// with 5 if anything does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay demo --dir /tmp/demo && assay audit --offline /tmp/demo")]
pub(crate) struct Audit {
    /// Directory of a trial, as `assay demo` and `assay try` leave it
    #[arg(long, value_name = "DIR")]
    offline: PathBuf,
}

/// One figure, told and recomputed.
#[derive(Debug, Serialize)]
struct Check {
    figure: String,
    told: serde_json::Value,
    recomputed: serde_json::Value,
    equal: bool,
}

/// What was recomputed.
#[derive(Debug, Serialize)]
struct Findings {
    /// Whether everything told is true.
    agrees: bool,
    /// Blocks executed again.
    blocks: u64,
    /// Seconds that repeating the honest run took here.
    replay_seconds: f64,
    /// Everything recomputed, under the names of `result.json`.
    #[serde(flatten)]
    recomputed: serde_json::Map<String, serde_json::Value>,
    /// Figure by figure.
    checks: Vec<Check>,
}

impl Audit {
    pub(crate) fn run(self, _global: &Global, output: &Output) -> Result<(), Failure> {
        let dir = std::path::absolute(&self.offline).map_err(trial::failed)?;
        let told = read_report(&dir)?;
        let findings = examine(&dir, &told, output)?;
        let agrees = findings.agrees;
        output.result(&findings, |findings| {
            let rows = findings.checks.iter().map(|check| {
                let verdict = if check.equal { "equal" } else { "DIFFERS" };
                let shown = |value: &serde_json::Value| {
                    value
                        .to_string()
                        .trim_matches('"')
                        .chars()
                        .take(44)
                        .collect::<String>()
                };
                let recomputed = shown(&check.recomputed);
                [
                    check.figure.clone(),
                    shown(&check.told),
                    recomputed,
                    verdict.to_owned(),
                ]
            });
            let mut text = table(["figure", "told", "recomputed", ""], rows);
            text += &format!(
                "{} blocks executed, every run repeated: {}\n",
                findings.blocks,
                if findings.agrees {
                    "all of it is true"
                } else {
                    "NOT all of it is true"
                }
            );
            text
        })?;
        if agrees {
            return Ok(());
        }
        let failure = Failure::say(Kind::Untrue, "the files do not say what result.json says");
        Err(failure.hint("the table above shows each figure; believe the recomputed ones"))
    }
}

fn read_report(dir: &Path) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let path = dir.join("result.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        let context = format!("cannot read {}", path.display());
        let failure = anyhow::Error::from(error).context(context);
        Failure::new(Kind::NotFound, failure).hint("name the --dir of an `assay demo` or `try`")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let context = format!("{} is not the result of a trial", path.display());
        Failure::new(Kind::Usage, anyhow::Error::from(error).context(context))
    })
}

fn examine(
    dir: &Path,
    told: &serde_json::Map<String, serde_json::Value>,
    output: &Output,
) -> Result<Findings, Failure> {
    let claim: Report = serde_json::from_value(serde_json::Value::Object(told.clone()))
        .map_err(|error| Failure::new(Kind::Usage, anyhow::Error::from(error)))?;
    let progress = bar(0, output);
    let ledger = Ledger::replay(&chain_dir(dir), |height, head| {
        progress.set_length(head);
        progress.set_position(height);
        progress.set_message("blocks");
    })
    .map_err(untrue)?;
    progress.finish_and_clear();
    let blobs = Blobs::open(&blob_dirs(dir).map_err(trial::failed)?).map_err(trial::failed)?;
    let key = keys::load(&dir.join("requester/key.json"))?;

    let honest = ledger.order(claim.run.job_id).map_err(untrue)?;
    let rerun = |order: &Order| {
        let progress = bar(order.terms.steps, output);
        let done = offline::rerun(&ledger, &blobs, &key, order, |report| {
            progress.set_position(report.step.0);
            progress.set_message("steps");
        });
        progress.finish_and_clear();
        done.map_err(untrue)
    };
    let run = rerun(&honest)?;
    let supply = query::supply(ledger.state()).map_err(trial::failed)?;
    let mut accounts = accounts(dir)?;
    accounts.insert("requester".to_owned(), key.public());
    let cheater = match &claim.cheater {
        None => None,
        Some(claimed) => {
            let order = ledger.order(claimed.cheater_job_id).map_err(untrue)?;
            let second = rerun(&order)?;
            Some(trial::Cheater {
                cheater_job_id: order.id,
                slash_tx: ledger.provider_slash(order.id).and_then(|slash| slash.tx),
                cheater_caught: trial::caught(&order)
                    && second.trace_agrees
                    && second.result_agrees,
            })
        }
    };
    let recomputed = Report {
        run: trial::Run::new(
            &honest,
            run.state_digest,
            run.delivery.figures,
            run.delivery.warnings,
        ),
        adapter_dir: dir.join("adapter"),
        chain_dir: chain_dir(dir),
        blob_dir: dir.join("nodes"),
        balances: trial::balances(ledger.state(), &accounts).map_err(trial::failed)?,
        genesis_supply: supply.genesis,
        supply_conserved: supply.total == Some(supply.genesis),
        samples: run.delivery.samples,
        notes: run.delivery.notes,
        cheater,
    };
    let serde_json::Value::Object(recomputed) =
        serde_json::to_value(&recomputed).map_err(trial::failed)?
    else {
        return Err(Failure::say(Kind::Failed, "a report is always an object"));
    };
    let mut checks = compare(told, &recomputed);
    checks.push(check(
        "trace root on the ledger",
        true.into(),
        run.trace_agrees.into(),
    ));
    checks.push(check(
        "result in the vault",
        true.into(),
        run.result_agrees.into(),
    ));
    for (name, bytes) in &run.delivery.files {
        let kept = std::fs::read(dir.join("adapter").join(name)).ok();
        // Where the base lies is the requester's word; the work knows it only by its bytes.
        let named: Option<serde_json::Value> = match (name == assay_model::ADAPTER_CONFIG, &kept) {
            (true, Some(kept)) => serde_json::from_slice(kept).ok(),
            _ => None,
        };
        let agrees = match named {
            None => kept.as_ref() == Some(bytes),
            Some(named) => {
                let base = named["base_model_name_or_path"].as_str();
                kept == Some(assay_model::name_base(bytes, base))
            }
        };
        checks.push(check(
            &format!("adapter/{name}"),
            true.into(),
            agrees.into(),
        ));
    }
    Ok(Findings {
        agrees: checks.iter().all(|check| check.equal),
        blocks: ledger.blocks(),
        replay_seconds: run.seconds,
        recomputed,
        checks,
    })
}

/// Every figure that either side names; directories are where the files lie now.
fn compare(
    told: &serde_json::Map<String, serde_json::Value>,
    found: &serde_json::Map<String, serde_json::Value>,
) -> Vec<Check> {
    let names: BTreeMap<&String, ()> = told.keys().chain(found.keys()).map(|k| (k, ())).collect();
    let moved = |name: &str| name.ends_with("_dir");
    let value = |side: &serde_json::Map<String, serde_json::Value>, name: &str| {
        side.get(name).cloned().unwrap_or(serde_json::Value::Null)
    };
    names
        .into_keys()
        .filter(|name| !moved(name))
        .map(|name| check(name, value(told, name), value(found, name)))
        .collect()
}

fn check(figure: &str, told: serde_json::Value, recomputed: serde_json::Value) -> Check {
    let equal = told == recomputed;
    Check {
        figure: figure.to_owned(),
        told,
        recomputed,
        equal,
    }
}

/// Accounts of the nodes by name, from their key files' public halves.
fn accounts(dir: &Path) -> Result<BTreeMap<String, assay_ledger::AccountId>, Failure> {
    let mut accounts = BTreeMap::new();
    for entry in std::fs::read_dir(dir.join("nodes")).map_err(trial::failed)? {
        let home = entry.map_err(trial::failed)?.path();
        let config = NodeConfig::load(&home.join("node.toml")).map_err(trial::failed)?;
        let name = home
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        accounts.insert(name, keys::load(&config.key)?.public());
    }
    Ok(accounts)
}

fn untrue(error: offline::OfflineError) -> Failure {
    Failure::new(Kind::Untrue, anyhow::Error::new(error))
}
