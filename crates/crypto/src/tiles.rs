//! Bytes that are hashed tile by tile, so that a difference can be shown by one tile or by two hashes.
//!
//! ```text
//! tile    = H("assay/stored-tile/v1", at most 16,384 bytes)      the last one is shorter
//! node    = as in a Merkle tree over the tiles (see merkle)
//! state   = H("assay/stored-state/v1", length u64, Merkle root)
//! ```
//!
//! Whoever is handed the bytes together with the inner nodes of the tree, and finds another root than was
//! promised, finds a place at which what it was handed contradicts itself: a tile and the node above it, or
//! two nodes and the one above them (Dziembowski, Eckey and Faust, *FairSwap*, CCS 2018, section 4).
//! [`nodes`] says in which order they are handed over.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Digest, merkle};

/// Bytes of a tile: sixteen chunks of BLAKE3, which a processor with 512-bit vectors hashes side by side.
pub const TILE_BYTES: usize = 16_384;

/// What bytes that were cut into tiles hash to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Tiled {
    /// Bytes in all.
    pub length: u64,
    /// Merkle root over the tiles.
    pub root: Digest,
}

impl Tiled {
    /// That of bytes in memory.
    pub fn of(bytes: &[u8]) -> Tiled {
        Tiles::of(bytes).tiled()
    }

    /// One digest of both.
    pub fn digest(&self) -> Digest {
        let parts: [&[u8]; 2] = [&self.length.to_le_bytes(), &self.root.0];
        Digest::of("assay/stored-state/v1", &parts)
    }

    /// Into how many tiles the bytes are cut; no bytes are one empty tile.
    pub fn count(&self) -> u64 {
        count(self.length)
    }
}

/// Into how many tiles so many bytes are cut.
fn count(length: u64) -> u64 {
    length.div_ceil(TILE_BYTES as u64).max(1)
}

/// The tree over the tiles of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    length: u64,
    tree: merkle::Tree,
}

impl Tiles {
    /// That of bytes in memory.
    pub fn of(bytes: &[u8]) -> Tiles {
        Tiles::written(|to| to.put(bytes))
    }

    /// That of the bytes that `write` writes. A tile at a time is in memory.
    pub fn written(write: impl FnOnce(&mut Writer<'_>)) -> Tiles {
        let (mut length, mut leaves) = (0, Vec::new());
        let mut take = |tile: &[u8]| {
            length += tile.len() as u64;
            leaves.push(hash(tile));
        };
        let mut writer = Writer::new(&mut take);
        write(&mut writer);
        writer.finish();
        if leaves.is_empty() {
            leaves.push(hash(&[]));
        }
        let tree = merkle::Tree::new(leaves);
        Tiles { length, tree }
    }

    /// Length and root.
    pub fn tiled(&self) -> Tiled {
        Tiled {
            length: self.length,
            root: self.tree.root(),
        }
    }

    /// The nodes below the top, in the order of [`nodes`].
    pub fn nodes(&self) -> impl Iterator<Item = &Digest> {
        let levels = self.tree.levels();
        let below = levels.split_last().map_or(levels, |(_, below)| below);
        below.iter().enumerate().flat_map(|(level, nodes)| {
            let count = match level.checked_sub(1).and_then(|below| levels.get(below)) {
                // An odd last node that moved up stands one level further down.
                Some(below) => below.len() / 2,
                None => nodes.len(),
            };
            nodes.iter().take(count)
        })
    }

    /// The node of a level, counted from the left; level 0 are the hashed tiles.
    pub fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let level = self.tree.levels().get(level as usize)?;
        level.get(usize::try_from(index).ok()?).copied()
    }
}

/// The node above a tile.
pub fn hashed(tile: &[u8]) -> Digest {
    merkle::hash_leaf(&hash(tile))
}

/// The node above two.
pub fn joined(left: &Digest, right: &Digest) -> Digest {
    merkle::hash_node(left, right)
}

/// The root that bytes of this length have whose topmost node is `top`.
pub fn rooted(length: u64, top: Digest) -> Digest {
    merkle::hash_root(count(length), top)
}

fn hash(tile: &[u8]) -> Digest {
    Digest::of_bytes("assay/stored-tile/v1", tile)
}

/// Where the nodes of the tree over so many bytes stand, if those below the top are written one after the
/// other: the hashed tiles first, then level by level what was made of two below. An odd last node, which
/// moves up as it is, is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes {
    tiles: u64,
}

/// Where a node is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It is the topmost one, and follows from the root alone.
    Top,
    /// In this place among the nodes below the top.
    At(u64),
}

/// The nodes of the tree over so many bytes.
pub fn nodes(length: u64) -> Nodes {
    let tiles = count(length);
    Nodes { tiles }
}

impl Nodes {
    /// How many stand below the top.
    pub fn below(self) -> u64 {
        // Every one below the top, and the top itself, is a tile or was made of two.
        2 * (self.tiles - 1)
    }

    /// The levels above the tiles.
    pub fn levels(self) -> u32 {
        self.tiles.next_power_of_two().ilog2()
    }

    fn width(self, level: u32) -> u64 {
        match 1_u64.checked_shl(level) {
            Some(under) => self.tiles.div_ceil(under),
            None => 1,
        }
    }

    /// How many nodes of a level are made of two below: those that stand there first.
    pub fn made(self, level: u32) -> u64 {
        match level.checked_sub(1) {
            Some(below) => self.width(below) / 2,
            None => 0,
        }
    }

    /// Where the node of a level is found, counted from the left; none, where there is no such node.
    pub fn find(self, level: u32, index: u64) -> Option<Stands> {
        let (mut level, mut index) = (level, index);
        if level > self.levels() || index >= self.width(level) {
            return None;
        }
        while level > 0 && index >= self.made(level) {
            level -= 1;
            index = self.width(level) - 1;
        }
        if self.width(level) == 1 {
            return Some(Stands::Top);
        }
        let before = match level {
            0 => 0,
            _ => self.tiles + (1..level).map(|below| self.made(below)).sum::<u64>(),
        };
        Some(Stands::At(before + index))
    }
}

/// Takes bytes as they come and passes them on tile by tile, the last one as long as it is.
pub struct Writer<'a> {
    tile: Vec<u8>,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Writer<'a> {
    /// Passes on to `sink`.
    pub fn new(sink: &'a mut dyn FnMut(&[u8])) -> Writer<'a> {
        Writer {
            tile: Vec::with_capacity(TILE_BYTES),
            sink,
        }
    }

    /// Adds bytes.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tile.is_empty() && bytes.len() >= TILE_BYTES {
                let (tile, rest) = bytes.split_at(TILE_BYTES);
                (self.sink)(tile);
                bytes = rest;
                continue;
            }
            let room = TILE_BYTES - self.tile.len();
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.tile.extend_from_slice(now);
            bytes = rest;
            self.pass_full();
        }
    }

    /// Adds the bits of values, little-endian.
    pub fn put_values(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let room = (TILE_BYTES - self.tile.len()) / 4;
            if room == 0 {
                // What stood before was no multiple of four bytes: this value lies in two tiles.
                let (first, rest) = values.split_at(1);
                self.put(&first[0].to_le_bytes());
                values = rest;
                continue;
            }
            let (now, rest) = values.split_at(room.min(values.len()));
            let from = self.tile.len();
            self.tile.resize(from + 4 * now.len(), 0);
            let words = self.tile[from..].as_chunks_mut::<4>().0;
            for (word, value) in words.iter_mut().zip(now) {
                *word = value.to_le_bytes();
            }
            values = rest;
            self.pass_full();
        }
    }

    fn pass_full(&mut self) {
        if self.tile.len() == TILE_BYTES {
            (self.sink)(&self.tile);
            self.tile.clear();
        }
    }

    /// Passes on what is left.
    pub fn finish(self) {
        if !self.tile.is_empty() {
            (self.sink)(&self.tile);
        }
    }
}

/// All that `write` writes.
pub fn collected(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut take = |tile: &[u8]| bytes.extend_from_slice(tile);
    let mut writer = Writer::new(&mut take);
    write(&mut writer);
    writer.finish();
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        crate::stream::Stream::new(Digest::ZERO, "tiles", length as u64).fill(&mut bytes);
        bytes
    }

    #[test]
    fn golden() {
        let tiled = Tiled::of(&text(40_000));
        assert_eq!(
            tiled.digest().to_string(),
            "43f2f47c16164f494d6f4cf0d1c25137a4d748d942c045ec90338c372dfb206d"
        );
    }

    #[test]
    fn every_node_stands_where_it_is_said_to_stand() {
        for tiles in (0..40_usize).chain([255, 256, 257]) {
            let bytes = text((tiles * TILE_BYTES).saturating_sub(5));
            let all = Tiles::of(&bytes);
            let nodes = nodes(bytes.len() as u64);
            let stored: Vec<Digest> = all.nodes().copied().collect();
            assert_eq!(stored.len() as u64, nodes.below());
            assert_eq!(all.node(nodes.levels() + 1, 0), None);
            assert_eq!(nodes.find(nodes.levels() + 1, 0), None);
            for level in 0..=nodes.levels() {
                for index in 0.. {
                    let Some(node) = all.node(level, index) else {
                        assert_eq!(nodes.find(level, index), None);
                        break;
                    };
                    match nodes.find(level, index).unwrap() {
                        Stands::Top => {
                            let root = rooted(bytes.len() as u64, node);
                            assert_eq!(root, all.tiled().root);
                        }
                        Stands::At(place) => assert_eq!(stored[place as usize], node),
                    }
                    if index < nodes.made(level) {
                        let below = |at| all.node(level - 1, at).unwrap();
                        assert_eq!(joined(&below(2 * index), &below(2 * index + 1)), node);
                    }
                }
            }
            let tiles = bytes.chunks(TILE_BYTES).enumerate();
            for (index, tile) in tiles {
                assert_eq!(all.node(0, index as u64), Some(hashed(tile)));
            }
        }
    }

    #[test]
    fn bytes_of_other_lengths_have_other_digests() {
        let lengths = [
            0,
            1,
            2,
            TILE_BYTES - 1,
            TILE_BYTES,
            TILE_BYTES + 1,
            3 * TILE_BYTES,
        ];
        let digests = lengths.map(|length| Tiled::of(&vec![0; length]).digest());
        for (i, left) in digests.iter().enumerate() {
            for right in &digests[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_parts_bytes_come(
            cuts in prop::collection::vec(0_usize..20_000, 0..8), values in 0_usize..9_000,
        ) {
            let parts: Vec<Vec<u8>> = cuts.into_iter().map(text).collect();
            let values: Vec<f32> = (0..values).map(|value| value as f32).collect();
            let write = |to: &mut Writer<'_>| {
                for part in &parts {
                    to.put(part);
                    to.put_values(&values);
                }
            };
            let bits: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let whole: Vec<u8> = parts.iter().flat_map(|part| [&part[..], &bits].concat()).collect();
            prop_assert_eq!(&collected(write), &whole);
            prop_assert_eq!(Tiles::written(write), Tiles::of(&whole));
        }
    }
}
