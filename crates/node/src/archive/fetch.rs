//! An archive of what the nodes of a network hand out.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::{Digest, PublicKey, merkle};
use assay_ledger::{Call, FileCall, FileId, FileRecord, Height, Transaction};
use assay_vault::wire::{Request as VaultRequest, Response as VaultResponse};

use super::{Archive, ArchiveError, Stretch, Writer};
use crate::{
    client::protocol::{Request, Response},
    told,
    transport::Transport,
};

/// What came of fetching files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Files of which everything is there now.
    pub files: u64,
    /// Files that no node hands out any more.
    pub missing: Vec<FileId>,
}

/// Fetches the final blocks that are missing, at least to the one at height `until`, from `nodes` one after the other;
/// and then what storage nodes hold of all files that the chain names. `progress` hears what is fetched, how much of
/// it, and of how much. The chain may go on meanwhile.
///
/// No node is believed: blocks are kept with the evidence that they are final, pieces under their digests.
///
/// # Errors
/// [`ArchiveError`]; what was fetched stays, and the next call goes on from there.
pub async fn fetch(
    into: &mut Writer,
    transport: &Transport,
    (nodes, until): (&[PublicKey], Height),
    mut progress: impl FnMut(&'static str, u64, u64) + Send,
) -> Result<Fetched, ArchiveError> {
    blocks(into, transport, (nodes, until), &mut progress).await?;
    let records = records(into.archive())?;
    let mut fetched = Fetched::default();
    for (at, (file, records)) in (1..).zip(&records) {
        progress("files", at, records.len() as u64);
        match file_of(into, transport, records).await? {
            true => fetched.files += 1,
            false => fetched.missing.push(*file),
        }
    }
    Ok(fetched)
}

async fn blocks(
    into: &mut Writer,
    transport: &Transport,
    (nodes, until): (&[PublicKey], Height),
    progress: &mut impl FnMut(&'static str, u64, u64),
) -> Result<(), ArchiveError> {
    let mut reason = "it was given no node to ask".to_owned();
    for node in nodes {
        match blocks_of(into, transport, (*node, until), progress).await? {
            Ok(()) => return Ok(()),
            Err(why) => reason = why,
        }
    }
    let first = into.next();
    Err(ArchiveError::Nodes { first, reason })
}

/// Fetches what is missing from one node. What is wrong with the node, in words, where something is.
async fn blocks_of(
    into: &mut Writer,
    transport: &Transport,
    (node, until): (PublicKey, Height),
    progress: &mut impl FnMut(&'static str, u64, u64),
) -> Result<Result<(), String>, ArchiveError> {
    while into.next() <= until {
        let first = into.next();
        progress("blocks", first.0, until.0);
        let answer = transport.request(node, &Request::Blocks { first }).await;
        let stretch = match answer {
            Ok(Response::Blocks { blocks, evidence }) => match evidence {
                Some(evidence) => Stretch::of(&blocks, &evidence),
                None => Err("it has no more".to_owned()),
            },
            Ok(_) => Err("it answered something else".to_owned()),
            Err(error) => Err(told(&error)),
        };
        match stretch.map(|stretch| into.put(&stretch)) {
            Ok(Ok(())) => {}
            Ok(Err(error @ (ArchiveError::Broken(_) | ArchiveError::Light(_)))) => {
                return Ok(Err(told(&error)));
            }
            Ok(Err(error)) => return Err(error),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(()))
}

/// Every record of a file that the chain in an archive ever took, by file.
fn records(archive: &Archive) -> Result<BTreeMap<FileId, Vec<FileRecord>>, ArchiveError> {
    let mut records: BTreeMap<FileId, Vec<FileRecord>> = BTreeMap::new();
    let (stretches, _) = archive.stretches()?;
    for first in stretches {
        let blocks = archive.stretch(first)?.blocks;
        for bytes in blocks.iter().flat_map(|block| &block.transactions) {
            // What does not decode is for an audit to say.
            let call = Transaction::decode(bytes).map(|transaction| transaction.call);
            if let Ok(Call::File(FileCall::Put { record, .. })) = call {
                records.entry(record.id).or_default().push(*record);
            }
        }
    }
    Ok(records)
}

/// Fetches what is missing of a file by one of its records, the latest first. Whether everything is there.
async fn file_of(
    into: &Writer,
    transport: &Transport,
    records: &[FileRecord],
) -> Result<bool, ArchiveError> {
    let mut tried = BTreeSet::new();
    for record in records.iter().rev() {
        // Who recorded the same file at the same nodes is answered alike.
        if !tried.insert((record.root, record.placement.to_vec())) {
            continue;
        }
        if let Some(slices) = slices(into, transport, record).await? {
            let mut whole = piece(into, transport, (record, record.id.0)).await?;
            for slice in slices {
                whole &= piece(into, transport, (record, slice)).await?;
            }
            if whole {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a piece is there now: it was before, or a node of the record's placement handed it out.
async fn piece(
    into: &Writer,
    transport: &Transport,
    (record, digest): (&FileRecord, Digest),
) -> Result<bool, ArchiveError> {
    if into.has(&digest) {
        return Ok(true);
    }
    for node in record.placement.iter() {
        let asked = VaultRequest::Get { digest };
        if let Ok(VaultResponse::Piece { piece }) = transport.request(*node, &asked).await
            && piece.digest() == digest
        {
            into.keep(&piece)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of which slices a file consists, as was kept or a node of the record's placement says.
async fn slices(
    into: &Writer,
    transport: &Transport,
    record: &FileRecord,
) -> Result<Option<Vec<Digest>>, ArchiveError> {
    if let Some(slices) = into.slices(&record.root) {
        return Ok(Some(slices));
    }
    let (file, root) = (record.id, record.root);
    for node in record.placement.iter() {
        let asked = VaultRequest::Slices { file, root };
        if let Ok(VaultResponse::Slices { slices }) = transport.request(*node, &asked).await
            && merkle::root(slices.as_slice().to_vec()) == root
        {
            let slices = slices.into_vec();
            into.keep_slices(&slices)?;
            return Ok(Some(slices));
        }
    }
    Ok(None)
}
