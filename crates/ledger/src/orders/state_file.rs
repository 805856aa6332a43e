//! The file in which a state of a run is stored, byte by byte.
//!
//! ```text
//! 0     n   the state, as its kind of job writes it
//! ..        zeros up to a multiple of 32
//! ..   32 m the nodes of the tree over the state's tiles, but for the top, as assay_crypto::tiles orders them
//! ..   32   what the steps up to the state came to (Counts::to_bytes)
//! ..    8   n, little-endian
//! ```
//!
//! Tiles have 16 KiB, slices of files 4 MiB: each tile and each node lies in one slice, and `n` alone says in
//! which and where. The leaf of a trace binds `n`, the tiles, and the counts. The nodes follow from the
//! tiles; they are there so that whoever is handed something else can show it ([`Contradiction`](crate::Contradiction)).
//! A reader for whom the state is the right one does not look at them.

use std::ops::Range;

use assay_crypto::aead;
use assay_crypto::content::SLICE_BYTES;
use assay_crypto::tiles::{self, Nodes, Stands, TILE_BYTES, Tiles};

use crate::Counts;

/// Bytes of a node.
const NODE: u64 = 32;
/// Bytes after the nodes: the counts, and the length of the state.
const TAIL: u64 = Counts::BYTES as u64 + 8;
const SLICE: u64 = SLICE_BYTES as u64;

/// Where things stand in the file of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFile {
    state: u64,
}

/// A range of a file that lies in one of its slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InSlice {
    /// Which slice.
    pub slice: u32,
    /// The range, counted from its beginning.
    pub range: Range<u64>,
}

/// Where a node of the tree over a state stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePlace {
    /// It is the topmost one: the leaf binds it, and no file holds it.
    Top,
    /// In the file.
    Stored(InSlice),
}

/// Bytes that are no state's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes are not the file of a state that is as long as they say")]
pub struct NotAStateFile {
    /// How many there are.
    pub length: usize,
}

impl StateFile {
    /// The longest state, in bytes.
    pub const MAX_STATE: u64 = 256 << 20;

    /// The longest file of a state, in bytes.
    pub const MAX_BYTES: u64 = {
        let tiles = StateFile::MAX_STATE / TILE_BYTES as u64;
        StateFile::MAX_STATE + 2 * (tiles - 1) * NODE + TAIL
    };

    /// That of a state of so many bytes; none, where no state may be as long.
    pub fn new(state: u64) -> Option<StateFile> {
        (state <= StateFile::MAX_STATE).then_some(StateFile { state })
    }

    fn nodes(self) -> Nodes {
        tiles::nodes(self.state)
    }

    /// Where the nodes begin.
    fn nodes_at(self) -> u64 {
        self.state.next_multiple_of(NODE)
    }

    /// Its length in bytes.
    pub fn length(self) -> u64 {
        self.nodes_at() + self.nodes().below() * NODE + TAIL
    }

    /// The bytes of its nodes.
    pub fn nodes_range(self) -> Range<u64> {
        let from = self.nodes_at();
        from..from + self.nodes().below() * NODE
    }

    /// The bytes of the state.
    pub fn state_range(self) -> Range<u64> {
        0..self.state
    }

    /// Into how many slices it is cut.
    pub fn slices(self) -> u32 {
        // At most 65.
        self.length().div_ceil(SLICE) as u32
    }

    /// How long a slice is when it is sealed; none beyond the last one.
    pub fn sealed_length(self, slice: u32) -> Option<u64> {
        let from = u64::from(slice).checked_mul(SLICE)?;
        let left = self.length().checked_sub(from).filter(|left| *left > 0)?;
        Some(left.min(SLICE) + aead::OVERHEAD as u64)
    }

    /// Into how many tiles the state is cut.
    pub fn tiles(self) -> u64 {
        self.state.div_ceil(TILE_BYTES as u64).max(1)
    }

    /// Levels of nodes above the tiles'.
    pub fn levels(self) -> u32 {
        self.nodes().levels()
    }

    /// How many nodes of a level, from the left, are made of two below.
    pub fn made(self, level: u32) -> u64 {
        self.nodes().made(level)
    }

    /// Where a tile stands.
    pub fn tile(self, index: u64) -> Option<InSlice> {
        if index >= self.tiles() {
            return None;
        }
        let from = index * TILE_BYTES as u64;
        Some(in_slice(from..(from + TILE_BYTES as u64).min(self.state)))
    }

    /// Where a node stands, by its level, of which the tiles' is 0, and its place in it.
    pub fn node(self, level: u32, index: u64) -> Option<NodePlace> {
        Some(match self.nodes().find(level, index)? {
            Stands::Top => NodePlace::Top,
            Stands::At(place) => {
                let from = self.nodes_at() + place * NODE;
                NodePlace::Stored(in_slice(from..from + NODE))
            }
        })
    }

    /// The file of a state.
    pub fn encode(counts: &Counts, state: Vec<u8>) -> Vec<u8> {
        let (length, tiles) = (state.len() as u64, Tiles::of(&state));
        let mut bytes = state;
        let file = StateFile { state: length };
        bytes.reserve_exact((file.length() - length) as usize);
        bytes.resize(file.nodes_at() as usize, 0);
        for node in tiles.nodes() {
            bytes.extend_from_slice(&node.0);
        }
        bytes.extend_from_slice(&counts.to_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Reads counts and state. Whether they are those of some leaf, and whether the nodes are the state's, is
    /// not looked at.
    ///
    /// # Errors
    /// [`NotAStateFile`].
    pub fn decode(bytes: &[u8]) -> Result<(Counts, &[u8]), NotAStateFile> {
        read(bytes).ok_or(NotAStateFile {
            length: bytes.len(),
        })
    }
}

fn read(bytes: &[u8]) -> Option<(Counts, &[u8])> {
    let (rest, length) = bytes.split_last_chunk::<8>()?;
    let (rest, counts) = rest.split_last_chunk::<{ Counts::BYTES }>()?;
    let state = u64::from_le_bytes(*length);
    let file = StateFile::new(state).filter(|file| file.length() == bytes.len() as u64)?;
    let state = rest.get(..usize::try_from(file.state).ok()?)?;
    Some((Counts::from_bytes(counts), state))
}

/// A range of a file that does not cross from one slice to the next.
fn in_slice(range: Range<u64>) -> InSlice {
    // An empty range at the end of a slice lies in that one.
    let slice = range.start / SLICE;
    let from = slice * SLICE;
    InSlice {
        slice: slice as u32,
        range: range.start - from..range.end - from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [u64; 14] = [
        0,
        1,
        31,
        32,
        33,
        TILE_BYTES as u64,
        TILE_BYTES as u64 + 1,
        5 * TILE_BYTES as u64 - 7,
        SLICE - 40,
        SLICE - 1,
        SLICE,
        SLICE + 1,
        3 * SLICE - 4_000,
        StateFile::MAX_STATE,
    ];

    #[test]
    fn tiles_and_nodes_lie_in_one_slice_each_and_do_not_overlap() {
        for state in LENGTHS {
            let file = StateFile::new(state).unwrap();
            let mut ranges = Vec::new();
            let mut take = |of: InSlice| {
                let length = file.sealed_length(of.slice).unwrap() - 16;
                assert!(of.range.start <= of.range.end && of.range.end <= length);
                let from = u64::from(of.slice) * SLICE;
                ranges.push(from + of.range.start..from + of.range.end);
            };
            for index in 0..file.tiles() {
                take(file.tile(index).unwrap());
            }
            assert_eq!(file.tile(file.tiles()), None);
            for level in 0..=file.levels() {
                let count = match level {
                    0 => file.tiles(),
                    _ => file.made(level),
                };
                for index in 0..count {
                    match file.node(level, index).unwrap() {
                        NodePlace::Top => assert_eq!((level, index), (file.levels(), 0)),
                        NodePlace::Stored(at) => take(at),
                    }
                }
            }
            let covered: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let nodes = file.nodes_range();
            assert_eq!(covered, state + nodes.end - nodes.start);
            ranges.sort_by_key(|range| (range.start, range.end));
            for pair in ranges.windows(2) {
                assert!(pair[0].end <= pair[1].start, "{state}");
            }
            assert_eq!(file.length(), nodes.end + TAIL);
            let sealed = (0..file.slices()).map(|slice| file.sealed_length(slice).unwrap() - 16);
            assert_eq!(sealed.sum::<u64>(), file.length());
            assert_eq!(file.sealed_length(file.slices()), None);
        }
        let largest = StateFile::new(StateFile::MAX_STATE).unwrap();
        assert_eq!(largest.length(), StateFile::MAX_BYTES);
        assert_eq!(largest.slices(), 65);
        assert_eq!(StateFile::new(StateFile::MAX_STATE + 1), None);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let counts = Counts {
            valid: 3,
            invalid: 2,
            idle: 1,
            in_row: 2,
        };
        for length in [0, 1, 32, 40_000] {
            let state: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let bytes = StateFile::encode(&counts, state.clone());
            let file = StateFile::new(length as u64).unwrap();
            assert_eq!(bytes.len() as u64, file.length());
            assert_eq!(StateFile::decode(&bytes), Ok((counts, &state[..])));
            for wrong in [&bytes[1..], &bytes[..bytes.len() - 1], &[]] {
                let length = wrong.len();
                assert_eq!(StateFile::decode(wrong), Err(NotAStateFile { length }));
            }
            let tiles = Tiles::of(&state);
            let nodes = file.nodes_range();
            let stored = bytes[nodes.start as usize..nodes.end as usize].chunks(32);
            assert!(stored.eq(tiles.nodes().map(|node| &node.0[..])));
        }
    }
}
