//! Reading a file.

use std::{
    collections::VecDeque,
    io::{self, Write},
    time::Duration,
};

use assay_crypto::aead::FileKey;
use assay_ledger::FileRecord;
use assay_vault::{
    Content, Expected, Piece, UnsealError,
    download::{Download, DownloadConfig, DownloadError, Input, Output, Part},
    placement::Placement,
};
use tokio::{task::JoinSet, time::sleep};
use tracing::debug;

use super::{ask, spool::Spool};
use crate::{clock, transport::Transport};

/// Fetches the file that `record` describes from its storage nodes, opens it with `key` and
/// writes its plaintext to `sink`, slice by slice as it verifies.
///
/// Nodes that are gone, slow or lying are passed over while another copy can be had. What was
/// written before an error is authentic but incomplete.
///
/// # Errors
/// [`DownloadError`], naming what each storage node did; a `sink` that fails shows up as
/// [`assay_vault::UnsealError::Sink`].
pub async fn download(
    transport: &Transport,
    config: DownloadConfig,
    record: &FileRecord,
    key: FileKey,
    sink: &mut (dyn Write + Send),
) -> Result<Content, DownloadError> {
    let machine = machine(config, record, key);
    drive(transport, machine, VecDeque::new(), record, |_, plain| {
        sink.write_all(plain)
    })
    .await
}

/// [`download`] into a `spool`, which keeps the pieces as the nodes gave them: encrypted, and there
/// to go on from when the process is gone. What it has already is not fetched again.
///
/// Also returns how many bytes were fetched.
///
/// # Errors
/// As [`download`]; a disk that fails shows up as [`assay_vault::UnsealError::Sink`].
pub async fn fetch(
    transport: &Transport,
    config: DownloadConfig,
    record: &FileRecord,
    key: FileKey,
    spool: &mut Spool,
) -> Result<(Content, u64), DownloadError> {
    let broken = |error: io::Error| DownloadError::Unseal(UnsealError::Sink(error));
    let mut machine = machine(config, record, key);
    let mut outputs = VecDeque::new();
    spool.rewind().map_err(broken)?;
    let mut parts = std::iter::once(Part::Manifest).chain((0..).map(Part::Slice));
    while let (Some(piece), Some(part)) = (spool.next().map_err(broken)?, parts.next()) {
        let told = machine.step(clock::now(), Input::Known { part, piece });
        if told.is_empty() {
            spool.unread().map_err(broken)?;
            break;
        }
        let ended = told.into_iter().find_map(|output| match output {
            Output::Finished(result) => Some(result),
            _ => None,
        });
        if let Some(result) = ended {
            return result.map(|content| (content, 0));
        }
    }
    spool.cut().map_err(broken)?;
    outputs.extend(machine.step(clock::now(), Input::Tick));
    let mut fetched = 0;
    let content = drive(transport, machine, outputs, record, |piece, _| {
        fetched += piece.len() as u64;
        spool.push(piece)
    })
    .await?;
    Ok((content, fetched))
}

fn machine(config: DownloadConfig, record: &FileRecord, key: FileKey) -> Download {
    let (expected, placement) = (Expected::from(record), Placement::from(record));
    Download::new(config, expected, placement, key)
}

/// Runs a download to its end; `take` gets every piece that came with what was in it.
async fn drive(
    transport: &Transport,
    mut machine: Download,
    mut outputs: VecDeque<Output>,
    record: &FileRecord,
    mut take: impl FnMut(&Piece, &[u8]) -> io::Result<()>,
) -> Result<Content, DownloadError> {
    let mut replies = JoinSet::new();
    let mut wake = None;
    if outputs.is_empty() {
        outputs.extend(machine.step(clock::now(), Input::Tick));
    }
    loop {
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send { tag, to, request } => {
                    let transport = transport.clone();
                    replies.spawn(async move {
                        Input::Reply {
                            tag,
                            reply: ask(&transport, to, request).await,
                        }
                    });
                }
                Output::WakeAt(at) => wake = Some(at),
                Output::Report { node, part, fault } => {
                    debug!(%node, %part, %fault, file = %record.id, "storage node failed");
                }
                Output::Opened { piece } => take(&piece, &[]).map_err(UnsealError::Sink)?,
                Output::Deliver { plain, piece, .. } => {
                    take(&piece, &plain).map_err(UnsealError::Sink)?;
                }
                Output::Finished(result) => return result,
            }
        }
        let pause = wake.map_or(1_000, |at| at.0.saturating_sub(clock::now().0).max(1));
        let input = tokio::select! {
            Some(reply) = replies.join_next() => reply.unwrap_or(Input::Tick),
            () = sleep(Duration::from_millis(pause)) => Input::Tick,
        };
        outputs.extend(machine.step(clock::now(), input));
    }
}
