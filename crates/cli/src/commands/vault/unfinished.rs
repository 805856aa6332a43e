//! `assay vault ls --unfinished` and `assay vault delete`: what interrupted commands left.

use std::fs;

use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_ledger::{AccountId, FileId, Registration, Role, query};
use assay_node::{
    config::ByteSize,
    files::{self, Deleted, source::shown, spool, unfinished::UnfinishedError},
};
use assay_vault::SLICE_BYTES;
use serde::Serialize;
use tokio::task::JoinSet;

use super::{downloads, pieces, runtime, unfinished_failure, uploads};
use crate::{
    failure::{Failure, Kind},
    output::{Output, short, table},
    session::Session,
};

#[derive(Serialize)]
struct Leftovers {
    uploads: Vec<UploadLeft>,
    downloads: Vec<DownloadLeft>,
    /// What storage nodes keep of the account outside recorded files.
    nodes: Vec<NodeLeft>,
    /// Storage nodes that do not say.
    silent: Vec<PublicKey>,
}

#[derive(Serialize)]
struct UploadLeft {
    upload: String,
    name: Option<String>,
    path: Option<String>,
    /// Plaintext bytes in all.
    length: Option<u64>,
    /// Plaintext bytes that were sent, or were about to be.
    stored: u64,
    running: bool,
}

#[derive(Serialize)]
struct DownloadLeft {
    file: String,
    /// Encrypted bytes that are here.
    bytes: u64,
    running: bool,
}

#[derive(Serialize)]
struct NodeLeft {
    node: PublicKey,
    pieces: u64,
    bytes: u64,
    /// The most that they may come to.
    allowed: u64,
}

pub(super) fn list(session: &Session, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let listed = uploads(session).list(&key).map_err(failed)?;
    let found = listed.into_iter().map(|listed| {
        let plan = listed.plan;
        let left = plan
            .as_ref()
            .and_then(|plan| assay_vault::upload::leftover(&listed.past, &plan.key(&key)).ok());
        let length = plan.as_ref().map(|plan| plan.length);
        let stored = left.map_or(0, |left| left.slices.len() as u64 * SLICE_BYTES as u64);
        UploadLeft {
            upload: listed.id,
            name: plan.as_ref().map(|plan| plan.name.clone()),
            path: plan.as_ref().map(|plan| shown(&plan.path())),
            length,
            stored: stored.min(length.unwrap_or(u64::MAX)),
            running: listed.running,
        }
    });
    let uploads = found.collect();
    let downloads = spool::list(&downloads(session)).map_err(disk)?;
    let nodes = session.registered(Role::Storage)?;
    let (nodes, silent) = runtime()?.block_on(kept(session, &key, &nodes))?;
    let left = Leftovers {
        uploads,
        downloads: downloads
            .into_iter()
            .map(|spooled| DownloadLeft {
                file: spooled.file,
                bytes: spooled.bytes,
                running: spooled.running,
            })
            .collect(),
        nodes,
        silent,
    };
    output.result(&left, told)
}

/// What every storage node keeps of the account, and which do not say.
async fn kept(
    session: &Session,
    key: &SecretKey,
    nodes: &[(AccountId, Registration)],
) -> Result<(Vec<NodeLeft>, Vec<PublicKey>), Failure> {
    let transport = session.dial(key, nodes).await?;
    let accounts: Vec<_> = nodes.iter().map(|(account, _)| *account).collect();
    let mut kept = Vec::new();
    for room in files::rooms(&transport, &accounts, accounts.len()).await {
        let Ok(found) = files::pending(&transport, room.node).await else {
            continue;
        };
        kept.push(NodeLeft {
            node: room.node,
            pieces: found.len() as u64,
            bytes: room.pending,
            allowed: room.allowed,
        });
    }
    transport.close().await;
    kept.sort_by_key(|left| left.node);
    let silent = accounts
        .into_iter()
        .filter(|node| kept.iter().all(|left| left.node != *node));
    let silent = silent.collect();
    Ok((kept, silent))
}

fn told(left: &Leftovers) -> String {
    let running = |running| if running { "running" } else { "interrupted" };
    let uploads = left.uploads.iter().map(|upload| {
        let length = upload.length.unwrap_or(0);
        let name = upload.path.clone().unwrap_or_default();
        [
            upload.upload.clone(),
            "put".to_owned(),
            name,
            format!("{} of {}", ByteSize(upload.stored), ByteSize(length)),
            running(upload.running).to_owned(),
        ]
    });
    let downloads = left.downloads.iter().map(|download| {
        [
            download.file.clone(),
            "get".to_owned(),
            String::new(),
            ByteSize(download.bytes).to_string(),
            running(download.running).to_owned(),
        ]
    });
    let mut text = table(
        ["id", "command", "source", "done", "state"],
        uploads.chain(downloads),
    );
    let nodes = left.nodes.iter().map(|node| {
        [
            node.node.to_string(),
            node.pieces.to_string(),
            format!("{} of {}", ByteSize(node.bytes), ByteSize(node.allowed)),
        ]
    });
    text += &table(["storage node", "pieces", "outside recorded files"], nodes);
    for node in &left.silent {
        text += &format!("storage node {node} does not answer\n");
    }
    text
}

#[derive(Default, Serialize)]
struct DeleteReport {
    uploads: Vec<String>,
    downloads: Vec<String>,
    /// Pieces that storage nodes forgot.
    pieces: u64,
    /// Pieces that they keep for now, because they belong to a file that was put together but not
    /// recorded, or to others as well.
    kept: u64,
    /// Storage nodes that did not answer; what they have goes a day after it came.
    silent: Vec<PublicKey>,
}

pub(super) fn delete(session: &Session, id: &str, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let mut report = DeleteReport::default();
    match uploads(session).take(id, &key) {
        Ok(found) => {
            let left = found.leftover(&key).unwrap_or_default();
            let nodes: Vec<_> = session
                .registered(Role::Storage)?
                .into_iter()
                .filter(|(account, _)| left.holders.contains(account))
                .collect();
            let pieces = Some(pieces(&left));
            runtime()?.block_on(forget(session, &key, &nodes, pieces, &mut report))?;
            report.uploads.push(found.plan.id());
            found.forget().map_err(failed)?;
        }
        Err(UnfinishedError::Unknown(_)) => delete_download(session, &key, id, &mut report)?,
        Err(error) => return Err(unfinished_failure(error, "end that command first")),
    }
    output.result(&report, deleted)
}

fn delete_download(
    session: &Session,
    key: &SecretKey,
    id: &str,
    report: &mut DeleteReport,
) -> Result<(), Failure> {
    let known = spool::list(&downloads(session)).map_err(disk)?;
    let fitting: Vec<_> = known
        .iter()
        .filter(|spooled| !id.is_empty() && spooled.file.starts_with(id))
        .collect();
    if let Some(running) = fitting.iter().find(|spooled| spooled.running) {
        let text = format!("another command is fetching {} just now", running.file);
        return Err(Failure::say(Kind::Failed, text).hint("end that command first"));
    }
    for spooled in &fitting {
        fs::remove_file(&spooled.path).map_err(disk)?;
        report.downloads.push(spooled.file.clone());
    }
    if !fitting.is_empty() {
        return Ok(());
    }
    if let Ok(file) = id.parse::<FileId>() {
        let owner = key.public();
        let recorded = session
            .light()
            .read(|store| query::file(store, &file, &owner))?;
        if recorded.is_some() {
            let text = format!("{file} is recorded on the ledger, and was not interrupted");
            return Err(Failure::say(Kind::Failed, text)
                .hint(format!("`assay vault forget {file}` ends its record")));
        }
    }
    let text = format!("nothing unfinished is called {id:?}");
    Err(Failure::say(Kind::NotFound, text)
        .hint("`assay vault ls --unfinished` lists what there is"))
}

pub(super) fn delete_all(session: &Session, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let mut report = DeleteReport::default();
    let listed = uploads(session).list(&key).map_err(failed)?;
    if let Some(running) = listed.iter().find(|listed| listed.running) {
        let text = format!("upload {} is running", running.id);
        return Err(Failure::say(Kind::Failed, text)
            .hint("end it first: storage nodes cannot tell its pieces from others of yours"));
    }
    let nodes = session.registered(Role::Storage)?;
    runtime()?.block_on(forget(session, &key, &nodes, None, &mut report))?;
    for listed in listed {
        uploads(session).forget(&listed.path).map_err(failed)?;
        report.uploads.push(listed.id);
    }
    for spooled in spool::list(&downloads(session)).map_err(disk)? {
        if !spooled.running {
            fs::remove_file(&spooled.path).map_err(disk)?;
            report.downloads.push(spooled.file);
        }
    }
    output.result(&report, deleted)
}

/// Has every node forget these pieces of ours, or all that it has outside recorded files.
async fn forget(
    session: &Session,
    key: &SecretKey,
    nodes: &[(AccountId, Registration)],
    pieces: Option<Vec<Digest>>,
    report: &mut DeleteReport,
) -> Result<(), Failure> {
    let transport = session.dial(key, nodes).await?;
    let mut asked = JoinSet::new();
    for (node, _) in nodes {
        let (transport, node, pieces) = (transport.clone(), *node, pieces.clone());
        asked.spawn(async move {
            let answer = match pieces {
                Some(pieces) => files::delete(&transport, node, pieces).await,
                None => files::delete_all(&transport, node).await,
            };
            (node, answer)
        });
    }
    for (node, answer) in asked.join_all().await {
        match answer {
            Ok(Deleted { gone, kept }) => {
                report.pieces += gone;
                report.kept += kept;
            }
            Err(_) => report.silent.push(node),
        }
    }
    transport.close().await;
    all_silent(nodes, report)
}

/// Nothing was deleted if nobody answered: that is no success.
fn all_silent(nodes: &[(AccountId, Registration)], report: &DeleteReport) -> Result<(), Failure> {
    if nodes.is_empty() || report.silent.len() < nodes.len() {
        return Ok(());
    }
    let text = "no storage node answers, so nothing was deleted";
    Err(Failure::say(Kind::Unreachable, text).hint("try again when they are there"))
}

fn deleted(report: &DeleteReport) -> String {
    let mut text = format!(
        "deleted {} uploads and {} downloads; storage nodes forgot {} pieces\n",
        report.uploads.len(),
        report.downloads.len(),
        report.pieces
    );
    if report.kept > 0 {
        text += &format!(
            "{} pieces stay until the nodes collect them, a day after they came\n",
            report.kept
        );
    }
    for node in &report.silent {
        text += &format!(
            "storage node {} does not answer: what it has goes a day after it came\n",
            short(node)
        );
    }
    text
}

fn failed(error: UnfinishedError) -> Failure {
    unfinished_failure(error, "end that command first")
}

fn disk(error: std::io::Error) -> Failure {
    let context = "the folder of downloads cannot be used";
    Failure::new(Kind::Failed, anyhow::Error::from(error).context(context))
}
