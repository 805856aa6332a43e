//! A copy of a network's history that anybody can keep: final blocks and sealed pieces, as plain files.
//!
//! ```text
//! DIR/genesis.json               what the network began with
//! DIR/blocks/000000000001        a stretch of final blocks, named by the height of the first
//! DIR/vault/pieces/3f/3fa4...    sealed pieces, each named by its digest
//! DIR/vault/holdings/3f/3fa4...  digests of a file's slices, named by the root over them
//! ```
//!
//! A stretch is up to 64 blocks as the chain encodes them, and the evidence that the last one is final (Borsh: a
//! list of byte strings and a byte string). There is no byte in an archive that is not bound by a digest or a
//! signature, so a change of any is found ([`crate::offline`]). Whoever makes one is not believed for it, and
//! whoever keeps one reads nothing in it: pieces are sealed.

mod copy;
mod fetch;
mod write;

use std::{
    io,
    path::{Path, PathBuf},
};

use assay_api::{MAX_STRETCH, MAX_STRETCH_BYTES};
use assay_chain::{
    Block, BlockError, HEADER_BYTES, StoreError,
    light::{CertifiedHeader, LightError, MAX_CERTIFICATE_BYTES, MAX_DESCENDANTS},
};
use assay_crypto::{Digest, merkle};
use assay_ledger::{Genesis, Height};
use assay_vault::{MAX_SLICES, Piece, storage::BackendError};

pub use self::copy::copy;
pub use self::fetch::{Fetched, fetch};
pub use self::write::Writer;
use crate::{
    disk::{ASIDE, Files as _, System, read_bounded},
    node::{NodeError, read_genesis},
};

/// Longest file of a stretch: blocks as nodes hand them out, of which the first may be longer alone, and evidence.
const MAX_FILE_BYTES: u64 = (2 * MAX_STRETCH_BYTES
    + 8 * MAX_STRETCH
    + (MAX_DESCENDANTS + 1) * HEADER_BYTES
    + MAX_CERTIFICATE_BYTES
    + 64) as u64;

/// Longest list of a file's slices, in bytes.
pub(crate) const MAX_LIST_BYTES: u64 = 32 * MAX_SLICES as u64;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system said so.
    #[error("{} cannot be used", path.display())]
    Disk {
        /// What.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Its genesis cannot be read.
    #[error("there is no archive")]
    Genesis(#[from] NodeError),
    /// It is of another network.
    #[error("{} is an archive of network {found}, not of {wanted}", path.display())]
    Network {
        /// Which archive.
        path: PathBuf,
        /// Digest of its genesis.
        found: Digest,
        /// Digest of the genesis given.
        wanted: Digest,
    },
    /// A stretch is not what was written.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The chain that is copied cannot be read.
    #[error("the chain that is copied cannot be read")]
    Chain(#[from] StoreError),
    /// The genesis names no validators that could sign anything.
    #[error("the genesis cannot be used")]
    Light(#[source] LightError),
    /// What is copied is no chain.
    #[error("what is copied does not go on from block {0}")]
    Broken(Height),
    /// A piece cannot be kept.
    #[error("the pieces cannot be kept")]
    Pieces(#[from] BackendError),
    /// No node handed out the chain.
    #[error("no node handed out the blocks from {first} on: {reason}")]
    Nodes {
        /// Height of the first that is missing.
        first: Height,
        /// What the last one said or did.
        reason: String,
    },
}

/// Consecutive final blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// The last one's header, with the evidence that it is final.
    pub evidence: CertifiedHeader,
}

impl Stretch {
    /// What a file of an archive holds: Borsh, of the blocks' bytes and the evidence's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let blocks: Vec<Vec<u8>> = self.blocks.iter().map(Block::to_bytes).collect();
        // Writing into memory cannot fail.
        borsh::to_vec(&(blocks, self.evidence.to_bytes())).unwrap_or_default()
    }

    /// Reads what a file of an archive holds. What it says is not checked.
    ///
    /// # Errors
    /// In words, when the bytes are no stretch, or not as this program writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (blocks, evidence) = borsh::from_slice::<(Vec<Vec<u8>>, Vec<u8>)>(bytes)
            .map_err(|error| error.to_string())?;
        Self::of(&blocks, &evidence)
    }

    /// A stretch as a node hands it out. What it says is not checked.
    fn of(blocks: &[Vec<u8>], evidence: &[u8]) -> Result<Self, String> {
        if blocks.len() > MAX_STRETCH {
            return Err(format!("a stretch has {MAX_STRETCH} blocks at most"));
        }
        let blocks = blocks.iter().map(|bytes| Block::decode(bytes));
        let blocks = blocks.collect::<Result<Vec<_>, BlockError>>();
        let blocks = blocks.map_err(|error| crate::told(&error))?;
        let evidence = CertifiedHeader::decode(evidence).map_err(|error| crate::told(&error))?;
        match blocks.last() {
            Some(last) if last.header == evidence.header => Ok(Self { blocks, evidence }),
            _ => Err("its evidence is not about its last block".to_owned()),
        }
    }

    /// Height of its last block.
    pub fn last(&self) -> Height {
        self.evidence.header.height
    }
}

/// An archive, for reading.
#[derive(Debug, Clone)]
pub struct Archive {
    root: PathBuf,
    genesis: Genesis,
}

impl Archive {
    /// Opens the archive in `root`.
    ///
    /// # Errors
    /// [`ArchiveError::Genesis`] when there is none.
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        Ok(Self {
            genesis: read_genesis(&root.join("genesis.json"))?,
            root: root.to_owned(),
        })
    }

    /// What its network began with, as it says.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Whether the file of the genesis is, to the byte, as an archive has it.
    pub fn genesis_is_whole(&self) -> bool {
        let bytes = System.read(&self.root.join("genesis.json"));
        bytes.is_ok_and(|bytes| bytes == written(&self.genesis))
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its pieces are: a folder as a storage node has it.
    pub fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    fn blocks(&self) -> PathBuf {
        self.root.join("blocks")
    }

    fn path(&self, first: Height) -> PathBuf {
        self.blocks().join(format!("{:012}", first.0))
    }

    /// Heights of the first blocks of its stretches, ascending, and files there that are none.
    ///
    /// # Errors
    /// [`ArchiveError::Disk`].
    pub fn stretches(&self) -> Result<(Vec<Height>, Vec<PathBuf>), ArchiveError> {
        let folder = self.blocks();
        let names = match System.list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(disk(&folder))?,
        };
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for (name, _) in names {
            // What a process that was killed had not finished.
            if Path::new(&name).extension().is_some_and(|of| of == ASIDE) {
                continue;
            }
            let first = name.to_str().and_then(|name| name.parse().ok()).map(Height);
            match first.filter(|first| self.path(*first).file_name() == Some(&name)) {
                Some(first) => found.push(first),
                None => others.push(folder.join(name)),
            }
        }
        found.sort_unstable();
        Ok((found, others))
    }

    /// The stretch that begins at `first`. What it says is not checked.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], also for one that begins elsewhere.
    pub fn stretch(&self, first: Height) -> Result<Stretch, ArchiveError> {
        let path = self.path(first);
        let damaged = |reason: String| ArchiveError::Damaged {
            path: path.clone(),
            reason,
        };
        let bytes = read_bounded(&path, MAX_FILE_BYTES).map_err(disk(&path))?;
        let bytes =
            bytes.ok_or_else(|| damaged("it is no file of a stretch's length".to_owned()))?;
        let stretch = Stretch::decode(&bytes).map_err(damaged)?;
        match stretch.blocks.first() {
            Some(block) if block.header.height == first => Ok(stretch),
            _ => Err(damaged("it begins with another block".to_owned())),
        }
    }
}

fn disk(path: &Path) -> impl Fn(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Disk {
        path: path.clone(),
        source,
    }
}

/// The digests of a file's slices, if these bytes are the list that has this root.
pub(crate) fn listed(root: &Digest, bytes: &[u8]) -> Option<Vec<Digest>> {
    let (whole, rest) = bytes.as_chunks::<32>();
    let slices: Vec<Digest> = whole.iter().copied().map(Digest).collect();
    (rest.is_empty() && merkle::root(slices.clone()) == *root).then_some(slices)
}

/// The piece of this digest, if these are its bytes.
pub(crate) fn whole(digest: &Digest, bytes: Vec<u8>) -> Option<Piece> {
    let piece = Piece::new(bytes).ok()?;
    (piece.digest() == *digest).then_some(piece)
}

/// A genesis as its file has it.
fn written(genesis: &Genesis) -> Vec<u8> {
    // A value that was read from JSON can be written as JSON.
    serde_json::to_vec_pretty(genesis).unwrap_or_default()
}
