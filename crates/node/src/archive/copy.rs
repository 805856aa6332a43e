//! An archive of what lies on the disks of this machine.

use std::path::{Path, PathBuf};

use assay_api::{MAX_STRETCH, MAX_STRETCH_BYTES};
use assay_chain::history;
use assay_ledger::Height;
use assay_vault::storage::{Backend as _, Shelf};

use super::{ArchiveError, Stretch, Writer, disk, whole};
use crate::storage::DirectoryBackend;

/// Copies a stopped validator's chain in `chain` and the pieces in the folders `vaults` of storage nodes;
/// `progress` hears what is copied, how much of it, and of how much. What is there is not copied again.
///
/// # Errors
/// [`ArchiveError`]; what was copied stays.
pub fn copy(
    into: &mut Writer,
    chain: &Path,
    vaults: &[PathBuf],
    mut progress: impl FnMut(&'static str, u64, u64),
) -> Result<(), ArchiveError> {
    let history = history::open(chain)?;
    let (found, wanted) = (
        history.genesis().digest(),
        into.archive().genesis().digest(),
    );
    if found != wanted {
        let path = chain.to_owned();
        return Err(ArchiveError::Network {
            path,
            found,
            wanted,
        });
    }
    let last = history.last_certified()?;
    while into.next() <= last {
        progress("blocks", into.next().0, last.0);
        let stretch = cut(&history, into.next(), last)?;
        into.put(&stretch)?;
    }
    for path in vaults {
        let vault = DirectoryBackend::read_only(path).map_err(disk(path))?;
        let all = vault.list(Shelf::Pieces)?;
        for (at, (digest, _)) in (1..).zip(&all) {
            progress("pieces", at, all.len() as u64);
            if into.has(digest) {
                continue;
            }
            // A damaged copy is left out: another node may have a whole one.
            let bytes = vault.get(Shelf::Pieces, digest)?;
            if let Some(piece) = bytes.and_then(|bytes| whole(digest, bytes)) {
                into.keep(&piece)?;
            }
        }
    }
    Ok(())
}

/// The blocks from `first` on, as many as make a stretch.
fn cut(history: &history::History, first: Height, last: Height) -> Result<Stretch, ArchiveError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in (first.0..=last.0).take(MAX_STRETCH) {
        let found = history.block(Height(height))?;
        let block = found.ok_or(ArchiveError::Broken(Height(height)))?.block;
        bytes += block.encoded_len();
        if !blocks.is_empty() && bytes > MAX_STRETCH_BYTES {
            break;
        }
        blocks.push(block);
    }
    let end = Height(first.0 + blocks.len() as u64 - 1);
    let evidence = history.certified(end)?;
    let evidence = evidence.ok_or(ArchiveError::Broken(end))?;
    Ok(Stretch { blocks, evidence })
}
