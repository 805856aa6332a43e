//! How a result that is not the final state contradicts itself.
//!
//! A provider stores the state of its last leaf together with the nodes of the tree over it ([`StateFile`]). If
//! what it stored does not hash to the root that the leaf binds, there is a tile that does not have the
//! node above it, or two nodes that are not those of the one above them: otherwise the
//! root would follow (Dziembowski, Eckey and Faust, *FairSwap*, CCS 2018, section 4). So whoever was
//! handed it under the released key shows that one place, and the ledger judges it by itself: the slices
//! lie under the root of the file's record, and ranges of them open under their digests.
//!
//! The tag of a slice is not looked at, nor the manifest: what the bytes decrypt to counts, be they
//! authentic or not.

use std::ops::Range;

use assay_crypto::aead::{self, FileKey};
use assay_crypto::content::SLICE_BYTES;
use assay_crypto::tiles::{self, Tiled, Tiles};
use assay_crypto::{Digest, RangeOpening, merkle};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::state_file::{InSlice, NodePlace, StateFile};

/// What a sealed slice's digest is hashed in; see [`sealed_digest`].
const SEALED: &str = "assay/vault/piece/v1";

/// The digest of a sealed slice, by which records of files and storage nodes name it.
pub fn sealed_digest(sealed: &[u8]) -> Digest {
    Digest::of(SEALED, &[sealed])
}

/// A range of a sealed slice of a file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SliceRange {
    /// The digest of the slice.
    pub digest: Digest,
    /// From the digest up to the root of the file's record.
    pub path: merkle::Path,
    /// The range under the digest. Which range it is follows from what is shown.
    pub opening: RangeOpening,
}

/// The place at which a stored result contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// A tile does not hash to the node above it.
    Tile {
        /// Which tile.
        index: u32,
        /// The tile.
        tile: SliceRange,
        /// The node, but where it is the topmost one, which the leaf binds.
        node: Option<SliceRange>,
    },
    /// A node is not made of the two below it.
    Node {
        /// Its level, of which the tiles' is 0.
        level: u8,
        /// Its place in the level.
        index: u32,
        /// The two below it.
        below: [SliceRange; 2],
        /// The node, but where it is the topmost one, which the leaf binds.
        node: Option<SliceRange>,
    },
    /// A slice is not as long as that of a file of the state is.
    Length {
        /// Which slice.
        slice: u32,
        /// How many bytes it has when it is sealed.
        length: u32,
        /// Its beginning.
        first: SliceRange,
    },
}

/// What is known of a result without looking into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// What the state in the last leaf hashes to.
    pub state: Tiled,
    /// Merkle root over the sealed slices, as the file's record says.
    pub root: Digest,
    /// How many slices there are, as the file's record says.
    pub slices: u32,
}

/// Why something shows no contradiction.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    thiserror::Error,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum NoContradiction {
    /// No file of the state has such a place.
    #[error("no file of such a state has a tile, a node or a slice there")]
    NoSuchPlace,
    /// A slice or a range of one is not shown to be the file's.
    #[error("what is shown is not what the result's record names there")]
    NotRecorded,
    /// It is as it should be.
    #[error("what is shown there is as it should be")]
    Consistent,
}

impl Contradiction {
    /// Whether this shows that what is recorded is not the promised state.
    ///
    /// # Errors
    /// [`NoContradiction`].
    pub fn check(&self, promised: &Promised, key: &FileKey) -> Result<(), NoContradiction> {
        let nowhere = NoContradiction::NoSuchPlace;
        let file = StateFile::new(promised.state.length).ok_or(nowhere)?;
        let within = Within {
            promised,
            file,
            key,
        };
        let contradicts = match self {
            Contradiction::Tile { index, tile, node } => {
                let index = u64::from(*index);
                let place = file.tile(index).ok_or(nowhere)?;
                let made = tiles::hashed(&within.read(tile, place)?);
                within.differs(made, (0, index), node.as_ref())?
            }
            Contradiction::Node {
                level,
                index,
                below,
                node,
            } => {
                let (level, index) = (u32::from(*level), u64::from(*index));
                if index >= file.made(level) {
                    return Err(nowhere);
                }
                let [left, right] = below;
                let left = within.node(left, (level - 1, 2 * index))?;
                let right = within.node(right, (level - 1, 2 * index + 1))?;
                within.differs(tiles::joined(&left, &right), (level, index), node.as_ref())?
            }
            Contradiction::Length {
                slice,
                length,
                first,
            } => {
                let expected = file.sealed_length(*slice).ok_or(nowhere)?;
                within.recorded(first, *slice)?;
                let under = (SEALED, &first.digest);
                let found = first.opening.verify_length(under, u64::from(*length));
                let found = found.filter(|found| *found == u64::from(*length));
                found.ok_or(NoContradiction::NotRecorded)? != expected
            }
        };
        match contradicts {
            true => Ok(()),
            false => Err(NoContradiction::Consistent),
        }
    }
}

/// A result as far as it is shown.
struct Within<'a> {
    promised: &'a Promised,
    file: StateFile,
    key: &'a FileKey,
}

impl Within<'_> {
    /// Refuses a slice that the file's record does not have in this place.
    fn recorded(&self, shown: &SliceRange, slice: u32) -> Result<(), NoContradiction> {
        let (root, count) = (&self.promised.root, u64::from(self.promised.slices));
        let path = &shown.path;
        match path.verify(root, u64::from(slice), count, &shown.digest) {
            true => Ok(()),
            false => Err(NoContradiction::NotRecorded),
        }
    }

    /// What a range of a slice decrypts to.
    fn read(&self, shown: &SliceRange, place: InSlice) -> Result<Vec<u8>, NoContradiction> {
        let InSlice { slice, range } = place;
        self.recorded(shown, slice)?;
        let length = self.file.sealed_length(slice);
        let length = length.ok_or(NoContradiction::NoSuchPlace)?;
        let under = (SEALED, &shown.digest);
        let sealed = shown.opening.verify(under, length, range.clone());
        let mut bytes = sealed.ok_or(NoContradiction::NotRecorded)?.to_vec();
        let decrypted = aead::decrypt_range(self.key, slice.into(), range.start, &mut bytes);
        decrypted.map_err(|_| NoContradiction::NoSuchPlace)?;
        Ok(bytes)
    }

    /// A node below the top.
    fn node(&self, shown: &SliceRange, at: (u32, u64)) -> Result<Digest, NoContradiction> {
        match self.file.node(at.0, at.1) {
            Some(NodePlace::Stored(place)) => {
                let bytes = self.read(shown, place)?;
                let bytes = <[u8; 32]>::try_from(bytes);
                bytes.map(Digest).map_err(|_| NoContradiction::NoSuchPlace)
            }
            Some(NodePlace::Top) | None => Err(NoContradiction::NoSuchPlace),
        }
    }

    /// Whether a node is another one than what is below it makes.
    fn differs(
        &self,
        made: Digest,
        at: (u32, u64),
        shown: Option<&SliceRange>,
    ) -> Result<bool, NoContradiction> {
        let state = &self.promised.state;
        match (self.file.node(at.0, at.1), shown) {
            (Some(NodePlace::Top), None) => Ok(tiles::rooted(state.length, made) != state.root),
            (Some(NodePlace::Stored(_)), Some(shown)) => Ok(self.node(shown, at)? != made),
            _ => Err(NoContradiction::NoSuchPlace),
        }
    }
}

/// What somebody found who looked at a whole result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It holds the promised state: these bytes.
    Good(Vec<u8>),
    /// It does not, and here is where that shows.
    Bad(Box<Contradiction>),
}

/// Looks at all slices of a result, in order; `sealed` hands out each as it is stored, at most two times.
///
/// # Errors
/// Those of `sealed`; and [`NotTheSlices`] where it hands out others than `digests` names, or these are not
/// those of the record.
pub fn examine<E: From<NotTheSlices>>(
    promised: &Promised,
    key: &FileKey,
    digests: &[Digest],
    mut sealed: impl FnMut(u32) -> Result<Vec<u8>, E>,
) -> Result<Examined, E> {
    let file = StateFile::new(promised.state.length).ok_or(NotTheSlices)?;
    let tree = merkle::Tree::new(digests.to_vec());
    let counted = [promised.slices, file.slices()].map(u64::from);
    if tree.root() != promised.root || counted != [tree.count(); 2] {
        return Err(NotTheSlices.into());
    }
    let mut read = |slice: u32| {
        let bytes = sealed(slice)?;
        match digests.get(slice as usize) == Some(&sealed_digest(&bytes)) {
            true => Ok(bytes),
            false => Err(E::from(NotTheSlices)),
        }
    };
    // A slice as it is stored, of which ranges can be shown.
    let show = |slice: u32, bytes: &[u8], range: Range<u64>| {
        Some(SliceRange {
            digest: *digests.get(slice as usize)?,
            path: tree.path(slice.into())?,
            opening: RangeOpening::new(SEALED, bytes, range)?,
        })
    };
    let mut bytes = Vec::new();
    for slice in 0..file.slices() {
        let mut piece = read(slice)?;
        let length = piece.len() as u64;
        if file.sealed_length(slice) != Some(length) {
            let first = show(slice, &piece, 0..0).ok_or(NotTheSlices)?;
            let length = u32::try_from(length).map_err(|_| NotTheSlices)?;
            let contradiction = Contradiction::Length {
                slice,
                length,
                first,
            };
            return Ok(Examined::Bad(Box::new(contradiction)));
        }
        piece.truncate(piece.len() - aead::OVERHEAD);
        let decrypted = aead::decrypt_range(key, slice.into(), 0, &mut piece);
        decrypted.map_err(|_| NotTheSlices)?;
        bytes.extend_from_slice(&piece);
    }
    let state = promised.state.length as usize;
    let found = Tiles::of(&bytes[..state]);
    if found.tiled() == promised.state {
        bytes.truncate(state);
        return Ok(Examined::Good(bytes));
    }
    let stored = |of: &InSlice| {
        let from = of.slice as usize * SLICE_BYTES;
        &bytes[from + of.range.start as usize..from + of.range.end as usize]
    };
    let is_as_stored = |made: Digest, at: (u32, u64)| match file.node(at.0, at.1) {
        Some(NodePlace::Stored(place)) => *stored(&place) == made.0,
        _ => tiles::rooted(promised.state.length, made) == promised.state.root,
    };
    let node_at = |level, index| match file.node(level, index) {
        Some(NodePlace::Stored(place)) => Some(place),
        _ => None,
    };
    let mut shown = |place: InSlice| {
        let piece = read(place.slice)?;
        let shown = show(place.slice, &piece, place.range);
        shown.ok_or_else(|| E::from(NotTheSlices))
    };
    for index in 0..file.tiles() {
        let made = found.node(0, index).ok_or(NotTheSlices)?;
        if is_as_stored(made, (0, index)) {
            continue;
        }
        let tile = file.tile(index).ok_or(NotTheSlices)?;
        let contradiction = Contradiction::Tile {
            index: index as u32,
            tile: shown(tile)?,
            node: node_at(0, index).map(&mut shown).transpose()?,
        };
        return Ok(Examined::Bad(Box::new(contradiction)));
    }
    for level in 1..=file.levels() {
        for index in 0..file.made(level) {
            let below = [2 * index, 2 * index + 1].map(|at| node_at(level - 1, at));
            let [Some(left), Some(right)] = below else {
                return Err(NotTheSlices.into());
            };
            let digest = |of: &InSlice| <[u8; 32]>::try_from(stored(of)).map(Digest);
            let (Ok(first), Ok(second)) = (digest(&left), digest(&right)) else {
                return Err(NotTheSlices.into());
            };
            if is_as_stored(tiles::joined(&first, &second), (level, index)) {
                continue;
            }
            let contradiction = Contradiction::Node {
                level: level as u8,
                index: index as u32,
                below: [shown(left)?, shown(right)?],
                node: node_at(level, index).map(&mut shown).transpose()?,
            };
            return Ok(Examined::Bad(Box::new(contradiction)));
        }
    }
    // Nodes that all fit the state and make the root would make it the promised one.
    Err(NotTheSlices.into())
}

/// What was handed out are not the slices of the recorded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are not the slices of the result that is recorded")]
pub struct NotTheSlices;

#[cfg(test)]
#[path = "contradiction_tests.rs"]
mod tests;
