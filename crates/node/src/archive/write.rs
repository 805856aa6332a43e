//! An archive that grows.

use std::path::Path;

use assay_chain::{Block, light::LightClient};
use assay_crypto::{Digest, merkle};
use assay_ledger::{Genesis, Height};
use assay_vault::{
    MAX_PIECE_BYTES, Piece,
    storage::{Backend as _, Shelf},
};

use super::{
    Archive, ArchiveError, MAX_FILE_BYTES, MAX_LIST_BYTES, Stretch, disk, listed, whole, written,
};
use crate::{
    disk::{Files as _, System, replace},
    storage::DirectoryBackend,
};

/// An archive that grows, in one process at a time. It holds what was put whenever the process ends.
#[derive(Debug)]
pub struct Writer {
    archive: Archive,
    pieces: DirectoryBackend,
    client: LightClient,
    /// The last block that is there, and where it is evident that it is final.
    last: Option<Digest>,
    next: Height,
}

impl Writer {
    /// Makes an archive of the network of `genesis` in `root`, or goes on with the one that is there.
    ///
    /// # Errors
    /// [`ArchiveError`], also when another process writes there.
    pub fn open(root: &Path, genesis: &Genesis) -> Result<Self, ArchiveError> {
        let vault = root.join("vault");
        let pieces = DirectoryBackend::open(&vault).map_err(disk(&vault))?;
        let path = root.join("genesis.json");
        if !path.exists() {
            replace(&System, &path, &written(genesis)).map_err(disk(&path))?;
        }
        let archive = Archive::open(root)?;
        let (found, wanted) = (archive.genesis.digest(), genesis.digest());
        if found != wanted {
            let path = root.to_owned();
            return Err(ArchiveError::Network {
                path,
                found,
                wanted,
            });
        }
        System
            .create_dir(&archive.blocks())
            .map_err(disk(&archive.blocks()))?;
        let (stretches, _) = archive.stretches()?;
        let last = stretches
            .last()
            .map(|first| archive.stretch(*first))
            .transpose()?;
        Ok(Self {
            client: LightClient::new(genesis).map_err(ArchiveError::Light)?,
            next: last.as_ref().map_or(Height(1), |of| of.last().after(1)),
            last: last.map(|of| of.evidence.header.digest()),
            archive,
            pieces,
        })
    }

    /// The archive.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Height of the first block that is missing.
    pub fn next(&self) -> Height {
        self.next
    }

    /// Keeps a stretch that goes on from what is there and is evidently final.
    ///
    /// # Errors
    /// [`ArchiveError::Broken`] when it does not, [`ArchiveError::Light`] when it is not.
    pub fn put(&mut self, stretch: &Stretch) -> Result<(), ArchiveError> {
        let mut parent = self.last;
        for (at, block) in (self.next.0..).zip(&stretch.blocks) {
            let follows = parent.is_none_or(|parent| block.header.parent == parent);
            let whole = block.header.tx_root == Block::tx_root(&block.transactions);
            if !follows || !whole || block.header.height.0 != at {
                return Err(ArchiveError::Broken(Height(at)));
            }
            parent = Some(block.header.digest());
        }
        self.client
            .verify(&stretch.evidence)
            .map_err(ArchiveError::Light)?;
        let path = self.archive.path(self.next);
        let bytes = stretch.to_bytes();
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ArchiveError::Broken(self.next));
        }
        replace(&System, &path, &bytes).map_err(disk(&path))?;
        self.next = stretch.last().after(1);
        self.last = parent;
        Ok(())
    }

    /// Whether a piece is there.
    pub fn has(&self, digest: &Digest) -> bool {
        let most = MAX_PIECE_BYTES as u64;
        let bytes = self
            .pieces
            .get_bounded(Shelf::Pieces, digest, most)
            .ok()
            .flatten();
        bytes.and_then(|bytes| whole(digest, bytes)).is_some()
    }

    /// Keeps a piece under its digest.
    ///
    /// # Errors
    /// [`ArchiveError::Pieces`].
    pub fn keep(&self, piece: &Piece) -> Result<(), ArchiveError> {
        let kept = self
            .pieces
            .put(Shelf::Pieces, &piece.digest(), piece.bytes());
        kept.map_err(ArchiveError::from)
    }

    /// The digests of the slices of a file, by the root over them, if they are there.
    pub fn slices(&self, root: &Digest) -> Option<Vec<Digest>> {
        let bytes = self
            .pieces
            .get_bounded(Shelf::Holdings, root, MAX_LIST_BYTES);
        let bytes = bytes.ok().flatten()?;
        listed(root, &bytes)
    }

    /// Keeps the digests of the slices of a file.
    ///
    /// # Errors
    /// [`ArchiveError::Pieces`].
    pub fn keep_slices(&self, slices: &[Digest]) -> Result<(), ArchiveError> {
        let root = merkle::root(slices.to_vec());
        let bytes: Vec<u8> = slices.iter().flat_map(|digest| digest.0).collect();
        let kept = self.pieces.put(Shelf::Holdings, &root, &bytes);
        kept.map_err(ArchiveError::from)
    }
}
