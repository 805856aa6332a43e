//! Digests of everything that belongs together, and what shows one tile of it.
//!
//! ```text
//! tile    = H("assay/tile/v2", bytes)
//! tensor  = H("assay/tensor/v2", name, element, rows, columns, merkle root over its tiles)
//! whole   = H("assay/adapter/v2", head, merkle root over its tensors, in order)
//! ```
//!
//! of an adapter, with `assay/base/v2` for a base. The head is what is no tensor:
//! counters and settings, or the digest of settings.

use std::io;

use assay_crypto::merkle::{self, MAX_PATH, Path, Tree};
use assay_crypto::{Digest, Hasher};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::bytes;
use crate::tile::{
    Element, MAX_NAME, Shape, TILE, TILE_BYTES, bytes_digest, named_digest, tile_digests,
};

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 64;

/// A [`TileProof`] is never longer: what is left of 64 KiB holds two more tiles.
pub const MAX_PROOF_BYTES: usize = TILE_BYTES + MAX_NAME + MAX_HEAD + 2 * (4 + 32 * MAX_PATH) + 53;

/// What a digest is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// The frozen tensors of a model.
    Base,
    /// An adapter.
    Adapter,
}

impl Whole {
    fn domain(self) -> &'static str {
        match self {
            Self::Base => "assay/base/v2",
            Self::Adapter => "assay/adapter/v2",
        }
    }

    /// The digest of a whole with this head and this Merkle root over its tensors, which together
    /// show the head.
    pub fn digest(self, head: &[u8], root: &Digest) -> Digest {
        let mut hasher = Hasher::new(self.domain());
        hasher.part(head);
        hasher.part(root.as_bytes());
        hasher.finish()
    }
}

/// Head and tensors, by the digests of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensors {
    /// What is no tensor.
    pub head: Vec<u8>,
    /// [`tensor_digest`](crate::tensor_digest) of each tensor, in order.
    pub digests: Vec<Digest>,
}

impl Tensors {
    /// The digest of all of it.
    pub fn digest(self, whole: Whole) -> Digest {
        whole.digest(&self.head, &merkle::root(self.digests))
    }

    /// Shows tile `tile` of tensor `place`, whose name, shape and values are given; none when there
    /// is no such tile, or the head or the name is too long to be shown.
    pub fn prove(
        self,
        place: u64,
        name: &str,
        shape: Shape,
        values: &[f32],
        tile: u64,
    ) -> Option<TileProof> {
        let shown = values.chunks(TILE).nth(usize::try_from(tile).ok()?)?;
        if name.len() > MAX_NAME || self.head.len() > MAX_HEAD {
            return None;
        }
        let tensors = Tree::new(self.digests);
        Some(TileProof {
            head: self.head,
            tensors: tensors.count(),
            place,
            path: tensors.path(place)?,
            name: name.to_owned(),
            element: Element::Float32,
            shape,
            tile,
            tile_path: Tree::new(tile_digests(values)).path(tile)?,
            bytes: shown.iter().flat_map(|value| value.to_le_bytes()).collect(),
        })
    }
}

/// One tile with all that leads from it to the digest of a whole.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct TileProof {
    /// What is no tensor.
    pub head: Vec<u8>,
    /// How many tensors there are.
    pub tensors: u64,
    /// Which of them this is.
    pub place: u64,
    /// Its path among them.
    pub path: Path,
    /// Its name.
    pub name: String,
    /// How its values are written.
    pub element: Element,
    /// Its shape, which says how many tiles there are and how long each is.
    pub shape: Shape,
    /// Which of them this is.
    pub tile: u64,
    /// Its path among them.
    pub tile_path: Path,
    /// The tile.
    pub bytes: Vec<u8>,
}

impl BorshDeserialize for TileProof {
    /// Refuses anything longer than [`MAX_PROOF_BYTES`] before allocating for it.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self {
            head: bytes::bytes::<MAX_HEAD, R>(reader)?,
            tensors: BorshDeserialize::deserialize_reader(reader)?,
            place: BorshDeserialize::deserialize_reader(reader)?,
            path: BorshDeserialize::deserialize_reader(reader)?,
            name: bytes::text::<MAX_NAME, R>(reader)?,
            element: BorshDeserialize::deserialize_reader(reader)?,
            shape: BorshDeserialize::deserialize_reader(reader)?,
            tile: BorshDeserialize::deserialize_reader(reader)?,
            tile_path: BorshDeserialize::deserialize_reader(reader)?,
            bytes: bytes::bytes::<TILE_BYTES, R>(reader)?,
        })
    }
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The shape has no such tile.
    #[error("a tensor of this shape has no tile {0}")]
    NoSuchTile(u64),
    /// The tile has another length than the shape says.
    #[error("the tile has {found} bytes, and its tensor's shape says {expected}")]
    Length {
        /// Bytes there must be.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// The paths lead to another digest.
    #[error("the tile does not lead to the digest")]
    OtherDigest,
}

impl TileProof {
    /// Checks that the tile is where it claims to be in what has this digest.
    ///
    /// # Errors
    /// [`Unproven`] says what does not fit.
    pub fn verify(&self, whole: Whole, digest: &Digest) -> Result<(), Unproven> {
        let values = self.shape.values();
        let all = values.and_then(|values| values.checked_mul(self.element.bytes()));
        let all = all.ok_or(Unproven::NoSuchTile(self.tile))?;
        let before = self.tile.checked_mul(TILE_BYTES as u64);
        let left = before.and_then(|before| all.checked_sub(before));
        let expected = match left {
            Some(left) if left > 0 => left.min(TILE_BYTES as u64),
            _ => return Err(Unproven::NoSuchTile(self.tile)),
        };
        let found = self.bytes.len() as u64;
        if found != expected {
            return Err(Unproven::Length { expected, found });
        }
        let tiles = all.div_ceil(TILE_BYTES as u64);
        let leaf = bytes_digest(&self.bytes);
        let root = self.tile_path.root(self.tile, tiles, &leaf);
        let led = root.and_then(|root| {
            let tensor = named_digest(&self.name, self.element, self.shape, &root);
            self.path.root(self.place, self.tensors, &tensor)
        });
        match led.map(|root| whole.digest(&self.head, &root)) {
            Some(found) if found == *digest => Ok(()),
            _ => Err(Unproven::OtherDigest),
        }
    }

    /// The values of the tile.
    pub fn values(&self) -> Vec<f32> {
        let (words, _) = self.bytes.as_chunks::<4>();
        words.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }
}
