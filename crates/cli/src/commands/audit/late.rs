//! `assay audit --archive`: a network's history, done again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use assay_crypto::{Digest, SecretKey};
use assay_ledger::{AccountId, ChainId, Genesis, Lasting, OrderId};
use assay_node::{
    archive::Archive,
    disk::{System, replace},
    files::fresh_seed,
    keys,
    offline::{self, Blobs, Executed, Found, Item, Kept, Repeater, Start},
};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{page, untrue};
use crate::{
    args::place,
    commands::train::{bar, seed},
    failure::{Failure, Kind},
    output::Output,
    trial::failed,
};

/// Shares of bad items for which the verdict says how likely a light audit finds one.
const SHARES: [f64; 3] = [0.01, 0.05, 0.1];

/// How a network's history is audited.
#[derive(Debug, Args)]
pub(super) struct Late {
    /// A network's history, as `assay archive` keeps it
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Where to begin: `genesis`, or a checkpoint that an audit wrote, of which nothing is believed but what validators
    /// signed; what was done before it is not looked at
    #[arg(
        long,
        value_name = "genesis|FILE",
        default_value = "genesis",
        requires = "archive",
        hide_default_value = true
    )]
    from: String,
    /// Key files: a trainer's opens its rows, a requester's the inputs and results of its orders
    #[arg(long = "key", value_name = "FILE", num_args = 1.., requires = "archive")]
    keys: Vec<PathBuf>,
    /// Do only so many again, drawn at random among all that can be; each may be drawn twice
    #[arg(long, value_name = "COUNT", requires = "archive", value_parser = clap::value_parser!(u32).range(1..))]
    light: Option<u32>,
    /// What the drawn ones follow from, to draw the same again; left out it is fresh, so that nobody can know before which are looked at
    #[arg(long, value_name = "HEX", requires = "light")]
    seed: Option<String>,
    /// Your own directory, in which the audit keeps what it has come to: the same command goes on from there after an
    /// interruption
    #[arg(long, value_name = "DIR", requires = "archive", value_parser = place())]
    work: Option<PathBuf>,
    /// Write the state at the end to this file, for a later audit to begin with
    #[arg(long, value_name = "FILE", requires = "archive", value_parser = place())]
    checkpoint: Option<PathBuf>,
}

/// What an audit comes to.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    /// Whether nothing differs and nothing is damaged.
    pub(super) holds: bool,
    pub(super) network: ChainId,
    pub(super) chain_name: String,
    /// Height of the state it began with; 0 is the genesis.
    pub(super) from: u64,
    /// Height of the last block, its digest, and the time it says, in milliseconds since 1970.
    pub(super) height: u64,
    pub(super) head: Digest,
    pub(super) time_ms: u64,
    pub(super) transactions: u64,
    pub(super) supply_conserved: bool,
    pub(super) pieces: Pieces,
    /// How many were drawn, in a light audit.
    pub(super) light: Option<Light>,
    pub(super) all: Tally,
    pub(super) orders: Vec<OrderFound>,
    /// Each thing that differs, in words.
    pub(super) differences: Vec<String>,
    /// Each thing that could not be done again, in words.
    pub(super) unproven: Vec<String>,
    /// Accounts whose keys would open more, and how much.
    pub(super) keys_missing: BTreeMap<AccountId, u64>,
    pub(super) seconds: f64,
}

/// What lies in the archive.
#[derive(Debug, Serialize)]
pub(super) struct Pieces {
    /// Whether all of it was read.
    pub(super) read: bool,
    pub(super) whole: u64,
    pub(super) bytes: u64,
    /// Names of what is not what it should be.
    pub(super) damaged: Vec<String>,
}

/// How a light audit drew.
#[derive(Debug, Serialize)]
pub(super) struct Light {
    pub(super) drawn: u32,
    pub(super) seed: Digest,
    /// If such a share of what could be drawn were bad, the chance to see it.
    pub(super) found_with: Vec<(f64, f64)>,
}

/// How many things came to what.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tally {
    /// The same as the ledger says.
    pub(super) equal: u64,
    pub(super) different: u64,
    /// What it takes is not in the archive, or this machine cannot do it.
    pub(super) unproven: u64,
    /// None of the keys opens what it takes.
    pub(super) closed: u64,
    /// Not drawn.
    pub(super) left: u64,
}

/// What was found of an order.
#[derive(Debug, Serialize)]
pub(super) struct OrderFound {
    pub(super) order: OrderId,
    pub(super) kind: String,
    pub(super) phase: String,
    pub(super) outcome: Option<String>,
    /// Models of orders with rounds.
    pub(super) models: Tally,
    /// Steps of trainers, and runs of providers.
    pub(super) runs: Tally,
}

impl Late {
    pub(super) fn run(self, network: Option<ChainId>, output: &Output) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        let (Some(root), Some(network)) = (&self.archive, network) else {
            return Err(Failure::say(Kind::Usage, "--archive takes --network"));
        };
        let archive = Archive::open(root).map_err(|error| {
            let (kind, hint) = match root.join("genesis.json").exists() {
                true => (Kind::Untrue, "bring it back from whoever has it whole"),
                false => (Kind::NotFound, "make one with `assay archive`"),
            };
            Failure::new(kind, error).hint(hint)
        })?;
        let genesis = archive.genesis().clone();
        let found = genesis.chain_id();
        if found != network {
            let text = format!("{} holds network {found}, not {network}", root.display());
            return Err(Failure::say(Kind::Untrue, text)
                .hint("the archive was made by or for another network: do not believe it"));
        }
        let keys = self.keys()?;
        let mut kept = self.kept(&genesis)?;
        let progress = bar(0, output);
        let pieces = self.pieces(&archive, &progress)?;
        let start = self.start()?;
        let executed = offline::execute(&archive, &genesis, start, kept.as_mut(), |at, end| {
            told(&progress, "blocks", at, end)
        });
        let executed = executed.map_err(untrue)?;
        if let Some(path) = &self.checkpoint {
            replace(&System, path, &executed.checkpoint()).map_err(failed)?;
        }
        let blobs = Blobs::open(&[archive.vault()]).map_err(failed)?;
        let mut repeater = Repeater::new(&executed, &blobs, keys);
        let (open, closed) = repeater.items();
        let light = self.drawn()?;
        let chosen = match &light {
            None => open.clone(),
            Some(light) => offline::draw(&open, light.drawn, light.seed),
        };
        let mut results = BTreeMap::new();
        for (at, item) in (1..).zip(&chosen) {
            told(&progress, "done again", at, chosen.len() as u64);
            let claim = repeater.claim(item).map_err(untrue)?;
            let known = kept.as_ref().and_then(|kept| kept.found(item, claim));
            let known = known.cloned();
            let found = match known {
                Some(found) => found,
                None => {
                    let found = repeater.check(item, &mut |_| ()).map_err(untrue)?;
                    if let Some(kept) = &mut kept {
                        kept.note(*item, claim, &found).map_err(failed)?;
                    }
                    found
                }
            };
            results.insert(*item, found);
        }
        progress.finish_and_clear();
        let mut verdict = verdict(&executed, pieces, light, (&open, &closed, &results));
        verdict.seconds = began.elapsed().as_secs_f64();
        output.result(&verdict, |verdict| page::of(verdict, output))?;
        if verdict.holds {
            return Ok(());
        }
        let failure = Failure::say(Kind::Untrue, "the history is not what the ledger says");
        let hint = "the verdict above names everything that differs";
        Err(failure.hint(hint).in_result())
    }

    fn keys(&self) -> Result<Vec<SecretKey>, Failure> {
        let keys = self.keys.iter().map(|path| keys::load(path));
        keys.map(|key| key.map_err(Failure::from)).collect()
    }

    /// Where the audit keeps what it has come to. Not in the archive: whoever made that may have put it there.
    fn kept(&self, genesis: &Genesis) -> Result<Option<Kept>, Failure> {
        let (Some(work), Some(archive)) = (&self.work, &self.archive) else {
            return Ok(None);
        };
        let archive = archive.canonicalize().map_err(failed)?;
        let absolute = std::path::absolute(work).map_err(failed)?;
        // The folder itself may not be there yet, and the one above it may be called by another name.
        let real = absolute.ancestors().find_map(|of| of.canonicalize().ok());
        if absolute.starts_with(&archive) || real.is_some_and(|of| of.starts_with(&archive)) {
            let text = format!("{} lies in the archive", work.display());
            return Err(Failure::say(Kind::Usage, text)
                .hint("name a directory of your own with --work: what lies there is believed"));
        }
        let kept = Kept::open(work, genesis.digest());
        kept.map(Some).map_err(|error| {
            Failure::new(Kind::Usage, error).hint("name another directory with --work")
        })
    }

    /// Reads all of the archive, unless only a few things are looked at.
    fn pieces(&self, archive: &Archive, progress: &ProgressBar) -> Result<Pieces, Failure> {
        let mut pieces = Pieces {
            read: self.light.is_none(),
            whole: 0,
            bytes: 0,
            damaged: Vec::new(),
        };
        let (_, others) = archive.stretches().map_err(failed)?;
        let others = others.iter().map(|path| path.display().to_string());
        pieces.damaged.extend(others);
        if !archive.genesis_is_whole() {
            pieces.damaged.push("genesis.json".to_owned());
        }
        if pieces.read {
            let piled = offline::pile(&archive.vault(), |at, all| {
                told(progress, "pieces", at, all)
            });
            let piled = piled.map_err(failed)?;
            (pieces.whole, pieces.bytes) = (piled.pieces, piled.bytes);
            let damaged = piled.damaged.iter().map(|name| format!("piece {name}"));
            pieces.damaged.extend(damaged);
        }
        Ok(pieces)
    }

    fn start(&self) -> Result<Start, Failure> {
        if self.from == "genesis" {
            return Ok(Start::Genesis);
        }
        let bytes = std::fs::read(&self.from).map_err(|error| {
            let context = format!("cannot read the checkpoint {}", self.from);
            let failure = anyhow::Error::from(error).context(context);
            Failure::new(Kind::NotFound, failure)
                .hint("write `--from genesis`, or name a file that `--checkpoint` wrote")
        })?;
        Start::checkpoint(&bytes).map_err(|error| Failure::new(Kind::Untrue, error))
    }

    fn drawn(&self) -> Result<Option<Light>, Failure> {
        let Some(drawn) = self.light else {
            return Ok(None);
        };
        let seed = match &self.seed {
            Some(text) => seed(text)?,
            None => fresh_seed().map_err(failed)?,
        };
        let found_with = SHARES.map(|share| (share, offline::found_with(share, drawn)));
        Ok(Some(Light {
            drawn,
            seed,
            found_with: found_with.to_vec(),
        }))
    }
}

fn told(progress: &ProgressBar, what: &'static str, at: u64, all: u64) {
    progress.set_length(all);
    progress.set_position(at);
    progress.set_message(what);
}

type Results = BTreeMap<Item, Found>;

fn verdict(
    executed: &Executed,
    pieces: Pieces,
    light: Option<Light>,
    (open, closed, results): (&[Item], &[(Item, AccountId)], &Results),
) -> Verdict {
    let mut orders: BTreeMap<OrderId, OrderFound> = BTreeMap::new();
    // Those of a trainer's round, by the order that has the rounds.
    let mut parents = BTreeMap::new();
    for order in executed.orders() {
        let head = &order.head;
        if let Some(of) = &head.audit_of {
            parents.insert(head.id, of.order);
        } else {
            let found = OrderFound {
                order: head.id,
                kind: head.terms.kind.to_string(),
                phase: head.phase.to_string(),
                outcome: head.outcome.map(|of| of.to_string()),
                models: Tally::default(),
                runs: Tally::default(),
            };
            orders.insert(head.id, found);
        }
    }
    let mut all = Tally::default();
    let (mut differences, mut unproven) = (Vec::new(), Vec::new());
    let mut count = |item: &Item, to: &dyn Fn(&mut Tally) -> &mut u64| {
        *to(&mut all) += 1;
        let order = parents.get(&item.order()).copied();
        if let Some(order) = orders.get_mut(&order.unwrap_or(item.order())) {
            let tally = match item {
                Item::FirstModel { .. } | Item::Merge { .. } => &mut order.models,
                Item::Steps { .. } | Item::Run { .. } => &mut order.runs,
            };
            *to(tally) += 1;
        }
    };
    for item in open {
        match results.get(item) {
            None => count(item, &|of| &mut of.left),
            Some(Found::Equal) => count(item, &|of| &mut of.equal),
            Some(Found::Differs(what)) => {
                count(item, &|of| &mut of.different);
                differences.push(format!("{item}: {what}"));
            }
            Some(Found::Missing(what) | Found::Unable(what)) => {
                count(item, &|of| &mut of.unproven);
                unproven.push(format!("{item}: {what}"));
            }
        }
    }
    let mut keys_missing = BTreeMap::new();
    for (item, account) in closed {
        count(item, &|of| &mut of.closed);
        *keys_missing.entry(*account).or_default() += 1;
    }
    let head = executed.head();
    let supply_conserved = executed.supply_conserved();
    Verdict {
        holds: differences.is_empty() && pieces.damaged.is_empty() && supply_conserved,
        network: executed.genesis().chain_id(),
        chain_name: executed.genesis().chain_name.to_string(),
        from: executed.from().0,
        height: head.height.0,
        head: head.digest(),
        time_ms: head.timestamp_ms,
        transactions: executed.transactions(),
        supply_conserved,
        pieces,
        light,
        all,
        orders: orders.into_values().collect(),
        differences,
        unproven,
        keys_missing,
        seconds: 0.0,
    }
}

/// How long an audit took, for people.
pub(super) fn lasted(seconds: f64) -> Lasting {
    Lasting((seconds * 1_000.0) as u64)
}
