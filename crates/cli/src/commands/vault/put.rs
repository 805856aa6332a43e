//! `assay vault put`.
//!
//! Whatever can be found out before a byte leaves is found out first: whether the source can be
//! kept as it is, name and size, nodes and room on them, the fee. Then the upload runs with a
//! journal in the user's directory, so that the same command goes on after an interruption.

use std::path::{Path, PathBuf};

use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_ledger::{AccountId, FileCall, FileId, FileRecord, Registration, Role, TxId, query};
use assay_node::{
    files::{
        self, Kept, Known, NewFile, Room, StoreError, Stored,
        unfinished::{self, Plan, Unfinished},
    },
    transport::Transport,
};
use assay_vault::{
    Coding, MAX_SLICES, SLICE_BYTES,
    upload::{Leftover, UploadConfig, UploadError},
};
use serde::Serialize;

use super::{
    check::{check_balance, check_name, check_room},
    input::Input,
    record::Lasting,
    runtime, uploads,
};
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

/// What to store and how.
pub(super) struct Put {
    pub(super) path: PathBuf,
    pub(super) name: Option<String>,
    pub(super) copies: u8,
    pub(super) follow_links: bool,
    pub(super) lasting: Lasting,
}

#[derive(Serialize)]
struct PutReport {
    file: FileId,
    name: String,
    /// Bytes stored before encryption.
    length: u64,
    placement: Vec<PublicKey>,
    /// The transaction that recorded it; none if an interrupted command had come as far.
    tx: Option<TxId>,
    /// Bytes sent to storage nodes by this command.
    sent: u64,
    /// Whether this command went on with an interrupted one.
    resumed: bool,
}

pub(super) fn run(session: &Session, put: Put, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let name = match &put.name {
        Some(name) => name.clone(),
        None => last_part(&put.path)?,
    };
    check_name(&name)?;
    let input = Input::open(&put.path, put.follow_links, session.home().path())?;
    let most = u64::from(MAX_SLICES) * SLICE_BYTES as u64;
    if input.length > most {
        let text = format!(
            "{} has {} bytes, and a file in the vault at most {most}",
            files::source::shown(&put.path),
            input.length
        );
        return Err(Failure::say(Kind::Usage, text).hint("split it into several files"));
    }
    let nodes: Vec<_> = session
        .registered(Role::Storage)?
        .into_iter()
        .filter(|(_, registration)| !registration.leaving)
        .collect();
    let kept = put.lasting.kept(session)?;
    check_balance(session, &key, &name, input.media_type, (put.copies, kept))?;
    let plan = Plan {
        chain: session.light().genesis().digest(),
        owner: key.public(),
        path: input.place.clone(),
        name: name.clone(),
        media_type: input.media_type.to_owned(),
        copies: put.copies,
        length: input.length,
        identity: input.identity,
        salt: Digest::ZERO,
    };
    let unfinished = uploads(session)
        .begin(plan, &key)
        .map_err(|error| super::unfinished_failure(error, "wait until it is done"))?;
    let (length, resumed) = (input.length, unfinished.is_resumed());
    let (stored, tx) = match recorded(session, &key, &unfinished)? {
        Some(record) => {
            unfinished.forget().map_err(failed)?;
            (Stored { record, sent: 0 }, None)
        }
        None => store(session, &key, &nodes, (input, kept), unfinished)?,
    };
    let report = PutReport {
        file: stored.record.id,
        name,
        length,
        placement: stored.record.placement.to_vec(),
        tx,
        sent: stored.sent,
        resumed,
    };
    output.result(&report, |report| {
        facts([
            ("stored", output.strong(report.file)),
            ("name", report.name.clone()),
            ("bytes", report.length.to_string()),
            ("copies", report.placement.len().to_string()),
            (
                "read it again",
                output.next(&format!("assay vault get {}", report.file)),
            ),
        ])
    })
}

/// The record that an interrupted command has brought as far as the ledger.
fn recorded(
    session: &Session,
    key: &SecretKey,
    unfinished: &Unfinished,
) -> Result<Option<FileRecord>, Failure> {
    let Ok(Leftover {
        file: Some(file), ..
    }) = unfinished.leftover(key)
    else {
        return Ok(None);
    };
    let owner = key.public();
    Ok(session
        .light()
        .read(|store| query::file(store, &file, &owner))?)
}

fn store(
    session: &Session,
    key: &SecretKey,
    nodes: &[(AccountId, Registration)],
    (input, kept): (Input, Kept),
    unfinished: Unfinished,
) -> Result<(Stored, Option<TxId>), Failure> {
    let Plan {
        name,
        media_type,
        copies,
        length,
        ..
    } = unfinished.plan.clone();
    let config = UploadConfig {
        copies,
        ..UploadConfig::default()
    };
    let file = NewFile {
        owner: key.public(),
        name,
        media_type,
        length,
        content: None,
        coding: Coding::Replicated { copies },
        key: unfinished.plan.key(key),
        envelope_to: Some(key.encryption().public()),
        kept,
    };
    let known = known(session, nodes)?;
    let journal = unfinished.file();
    let accounts: Vec<_> = nodes.iter().map(|(account, _)| *account).collect();
    let mut sent = None;
    let stored = runtime()?.block_on(async {
        let transport = session.dial(key, nodes).await?;
        if let Some(stale) = &unfinished.stale {
            // The source is another one by now: what was sent of the old one is of no more use.
            clean(&transport, stale).await;
        }
        let rooms = files::rooms(&transport, &accounts, copies.into()).await;
        let held = unfinished.leftover(key).unwrap_or_default();
        let enough = check_room(&rooms, &accounts, &held, length, copies);
        if let Err(failure) = enough {
            let resumed = unfinished.is_resumed();
            transport.close().await;
            if !resumed {
                unfinished.forget().map_err(failed)?;
            }
            return Err(failure);
        }
        let affordable = rooms.iter().filter(|room| room.price <= kept.most_price);
        let candidate = |room: &Room| {
            let known = known.iter().find(|of| of.node == room.node)?;
            Some(known.candidate(room))
        };
        let candidates: Vec<_> = affordable.filter_map(candidate).collect();
        let record = |_: FileRecord, call: FileCall| {
            // The chain is asked on this thread; the upload has nothing else to do meanwhile.
            let outcome = tokio::task::block_in_place(|| session.call(key, call));
            let outcome = outcome.map(|included| sent = Some(included.receipt.tx));
            std::future::ready(outcome.map_err(|failure| failure.to_string()))
        };
        let memory = unfinished.into_memory();
        let stored = files::upload(
            &transport,
            config,
            &candidates,
            file,
            input.source,
            Some(memory),
            record,
        )
        .await;
        let stored = match stored {
            Err(error) => Err(give_up(session, key, &transport, &journal, error).await),
            Ok(stored) => Ok(stored),
        };
        transport.close().await;
        stored
    })?;
    uploads(session).forget(&journal).map_err(failed)?;
    Ok((stored, sent))
}

/// The storage nodes as the ledger has them.
fn known(session: &Session, nodes: &[(AccountId, Registration)]) -> Result<Vec<Known>, Failure> {
    let all = nodes.iter().map(|(node, registration)| {
        let light = session.light();
        Ok(light.read(|store| Known::of(store, *node, registration))?)
    });
    all.collect()
}

/// What an upload that failed leaves: nothing, if it can never go on; else what to do about it.
async fn give_up(
    session: &Session,
    key: &SecretKey,
    transport: &Transport,
    journal: &Path,
    error: StoreError,
) -> Failure {
    let id = journal.file_stem().unwrap_or_default().to_string_lossy();
    let spoiled = matches!(
        &error,
        StoreError::Upload(
            UploadError::Source(_) | UploadError::SourceChanged { .. } | UploadError::Resume(_)
        )
    );
    let failure = Failure::from(error);
    if !spoiled {
        return failure.hint(format!(
            "run the same command again to go on where it was; `assay vault delete {id}` removes \
             what is stored of it so far"
        ));
    }
    if let Ok(unfinished) = uploads(session).take(&id, key) {
        if let Ok(left) = unfinished.leftover(key) {
            clean(transport, &left).await;
        }
        let _ = unfinished.forget();
    }
    failure.hint("nothing was recorded, and what was sent of it is deleted again")
}

/// Deletes what an upload left, as far as that works: nodes collect the rest themselves.
async fn clean(transport: &Transport, left: &Leftover) {
    for node in &left.holders {
        let _ = files::delete(transport, *node, super::pieces(left)).await;
    }
}

fn last_part(path: &Path) -> Result<String, Failure> {
    let named = path.file_name().map(ToOwned::to_owned);
    let named = named.or_else(|| Some(path.canonicalize().ok()?.file_name()?.to_owned()));
    named
        .as_ref()
        .and_then(|name| name.to_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            let text = format!(
                "{} has no name that can be recorded",
                files::source::shown(path)
            );
            Failure::say(Kind::Usage, text).hint("give one with --name")
        })
}

fn failed(error: unfinished::UnfinishedError) -> Failure {
    Failure::new(Kind::Failed, error)
}
