//! Reading a file.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use assay_crypto::aead::FileKey;
use assay_ledger::FileRecord;
use assay_vault::{
    Content, Expected, Piece, UnsealError,
    download::{Answer, Ask, Download, DownloadConfig, DownloadError, Fetching, PartFailed},
    placement::Placement,
};
use tracing::debug;

use super::{ask, spool::Spool};
use crate::{
    drive::{self, DriveError, Nothing, Perform},
    transport::Transport,
};

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
    let content = run(transport, machine, record, |_, plain| sink.write_all(plain)).await?;
    opened(content)
}

/// Fetches the slices of the file that `record` describes as they are sealed, whatever opens, and hands
/// each to `take`.
///
/// # Errors
/// [`DownloadError`], naming what each storage node did.
pub async fn fetch_sealed(
    transport: &Transport,
    config: DownloadConfig,
    record: &FileRecord,
    mut take: impl FnMut(Piece) + Send,
) -> Result<(), DownloadError> {
    let (expected, placement) = (Expected::from(record), Placement::from(record));
    let machine = Download::sealed(config, expected, placement);
    let take = |piece: &Piece, _: &[u8]| {
        take(piece.clone());
        Ok(())
    };
    run(transport, machine, record, take).await.map(drop)
}

/// What is known of a file that was opened.
fn opened(content: Option<Content>) -> Result<Content, DownloadError> {
    let sealed = || UnsealError::Sink(io::Error::other("the file was not opened"));
    content.ok_or_else(|| sealed().into())
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
    spool.rewind().map_err(broken)?;
    while let Some(piece) = spool.next().map_err(broken)? {
        if !machine.known(&piece) {
            spool.unread().map_err(broken)?;
            break;
        }
        // There may be gigabytes of it, and others to serve meanwhile.
        tokio::task::yield_now().await;
    }
    spool.cut().map_err(broken)?;
    let mut fetched = 0;
    let content = run(transport, machine, record, |piece, _| {
        fetched += piece.len() as u64;
        spool.push(piece)
    })
    .await?;
    Ok((opened(content)?, fetched))
}

fn machine(config: DownloadConfig, record: &FileRecord, key: FileKey) -> Download {
    let (expected, placement) = (Expected::from(record), Placement::from(record));
    Download::new(config, expected, placement, key)
}

/// Runs a download to its end; `take` gets every piece that came with what was in it.
async fn run(
    transport: &Transport,
    mut machine: Download,
    record: &FileRecord,
    take: impl FnMut(&Piece, &[u8]) -> io::Result<()> + Send,
) -> Result<Option<Content>, DownloadError> {
    let doer = ForDownload {
        transport,
        take: Mutex::new(take),
    };
    let report = |PartFailed { node, part, fault }| {
        debug!(%node, %part, %fault, file = %record.id, "storage node failed");
    };
    let ended = drive::run(&mut machine, None, Nothing::default(), &doer, report).await;
    ended.unwrap_or_else(|error: DriveError| Err(UnsealError::Sink(io::Error::other(error)).into()))
}

/// Does for a download what it asks for.
struct ForDownload<'a, T> {
    transport: &'a Transport,
    take: Mutex<T>,
}

impl<T> Perform<Fetching> for ForDownload<'_, T>
where
    T: FnMut(&Piece, &[u8]) -> io::Result<()> + Send,
{
    async fn perform(&self, asked: Ask) -> Answer {
        match asked {
            Ask::Send { to, request } => Answer::Reply(ask(self.transport, to, request).await),
            Ask::Take { plain, piece, .. } => {
                let mut take = self.take.lock().unwrap_or_else(PoisonError::into_inner);
                Answer::Taken(take(&piece, &plain))
            }
        }
    }
}
