//! `assay archive`: keep a network's history where anybody can audit it later.

use std::path::PathBuf;

use assay_ledger::{Height, Role, query};
use assay_node::{
    archive::{self, Archive, ArchiveError, Fetched, Writer},
    devnet::{blob_dirs, chain_dir},
    keys,
    node::read_genesis,
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::{Global, place},
    commands::train::bar,
    failure::{Failure, Kind},
    next,
    output::{Output, facts},
    session::{Session, runtime},
    trial::failed,
};

/// Keep a network's history, so that it can be audited when the network is gone
///
/// Fetches every final block from the network's validators, and what storage nodes hold of every file that the
/// chain names, as it lies there: encrypted. No node is believed: blocks are kept with the validators'
/// signature, pieces under their digests. The same command goes on after an interruption, and adds what is new.
/// With --copy everything is taken from the disks of a network on this machine that is not running.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  assay archive history --dir /tmp/net\n  \
                        assay demo federated --dir /tmp/clinics && assay archive history --copy /tmp/clinics\n\n\
                  Then: assay audit --archive history --network genesis.json")]
pub(crate) struct MakeArchive {
    /// Where to keep it; made if it is not there
    #[arg(value_name = "DIR", value_parser = place())]
    into: PathBuf,
    /// Directory of a devnet or trial on this machine that is not running
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
}

#[derive(Serialize)]
struct Kept {
    archive: PathBuf,
    network: assay_ledger::ChainId,
    /// Height of the last block.
    height: u64,
    /// Files of which everything is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    /// Files that no node hands out any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<assay_ledger::FileId>,
}

impl MakeArchive {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let progress = bar(0, output);
        let told = |what: &'static str, at: u64, all: u64| {
            progress.set_length(all);
            progress.set_position(at);
            progress.set_message(what);
        };
        let (writer, fetched) = match &self.copy {
            Some(dir) => {
                let genesis = read_genesis(&dir.join("genesis.json"))
                    .map_err(|error| Failure::new(Kind::NotFound, error))?;
                let mut writer = Writer::open(&self.into, &genesis).map_err(told_of)?;
                let vaults = blob_dirs(dir).map_err(failed)?;
                archive::copy(&mut writer, &chain_dir(dir), &vaults, told).map_err(told_of)?;
                (writer, None)
            }
            None => {
                let session = Session::open(global)?;
                let until = Height(session.status()?.head.height);
                let genesis = session.light().genesis();
                let mut writer = Writer::open(&self.into, genesis).map_err(told_of)?;
                let fetched = fetch(&session, &mut writer, until, told)?;
                (writer, Some(fetched))
            }
        };
        progress.finish_and_clear();
        let kept = Kept {
            network: writer.archive().genesis().chain_id(),
            height: writer.next().0 - 1,
            archive: self.into.clone(),
            files: fetched.as_ref().map(|of| of.files),
            missing: fetched.map_or_else(Vec::new, |of| of.missing),
        };
        output.result(&kept, |kept| show(kept, writer.archive()))
    }
}

fn fetch(
    session: &Session,
    writer: &mut Writer,
    until: Height,
    told: impl FnMut(&'static str, u64, u64) + Send,
) -> Result<Fetched, Failure> {
    let validators = session.light().read(query::validators)?;
    let storage = session.registered(Role::Storage)?;
    let mut nodes = session.registered(Role::Validator)?;
    nodes.retain(|(account, _)| validators.contains(account));
    let asked: Vec<_> = nodes.iter().map(|(account, _)| *account).collect();
    nodes.extend(storage);
    // Whoever reads needs a name to speak under, and no account.
    let key = keys::generate().map_err(failed)?;
    runtime()?.block_on(async {
        let transport = session.dial(&key, &nodes).await?;
        let fetched = archive::fetch(writer, &transport, (&asked, until), told).await;
        transport.close().await;
        fetched.map_err(told_of)
    })
}

fn told_of(error: ArchiveError) -> Failure {
    let (kind, hint) = match &error {
        ArchiveError::Nodes { .. } => (
            Kind::Unreachable,
            "run the same command again: it goes on where it was",
        ),
        ArchiveError::Network { .. } => (Kind::Usage, "name another directory"),
        ArchiveError::Damaged { .. } => (
            Kind::Untrue,
            "remove that file and those after it, and run the same command again",
        ),
        _ => (Kind::Failed, "the same command goes on where it was"),
    };
    Failure::new(kind, error).hint(hint)
}

fn show(kept: &Kept, archive: &Archive) -> String {
    let mut text = facts([
        ("archive", kept.archive.display().to_string()),
        ("network", kept.network.to_string()),
        ("blocks", format!("1 to {}", kept.height)),
    ]);
    if let Some(files) = kept.files {
        text += &format!("files    {files} whole\n");
    }
    if !kept.missing.is_empty() {
        text += &format!(
            "         {} that no node hands out any more, or not to everybody\n",
            kept.missing.len()
        );
    }
    let at = next::quoted(&kept.archive);
    let genesis = next::quoted(&archive.root().join("genesis.json"));
    text + &next::list(&[(
        format!("assay audit --archive {at} --network {genesis}"),
        "do again what can be done again; take the genesis from a source that you trust",
    )])
}
