use assay_crypto::tiles::TILE_BYTES;

use super::*;
use crate::{Counts, MAX_TX_BYTES};

const TILE: usize = TILE_BYTES;

fn key(n: u8) -> FileKey {
    FileKey([n; 32])
}

fn text(length: usize) -> Vec<u8> {
    let word = |at: u64| Digest::of("text", &[&at.to_le_bytes()]).0;
    let mut bytes: Vec<u8> = (0..length.div_ceil(32) as u64).flat_map(word).collect();
    bytes.truncate(length);
    bytes
}

fn counts() -> Counts {
    Counts {
        valid: 7,
        ..Counts::default()
    }
}

/// SliceRange slices as a provider stores them.
#[derive(Clone)]
struct Stored(Vec<Vec<u8>>);

impl Stored {
    fn seal(file: &[u8], key: &FileKey) -> Stored {
        let slices = (0..).zip(file.chunks(SLICE_BYTES));
        let sealed = slices.map(|(index, slice)| aead::encrypt(key, index, b"", slice).unwrap());
        Stored(sealed.collect())
    }

    /// Of these bytes, with something changed in the file.
    fn spoilt(state: &[u8], spoil: impl FnOnce(&mut Vec<u8>)) -> Stored {
        let mut file = StateFile::encode(&counts(), state.to_vec());
        spoil(&mut file);
        Stored::seal(&file, &key(1))
    }

    fn digests(&self) -> Vec<Digest> {
        self.0.iter().map(|slice| sealed_digest(slice)).collect()
    }

    fn promised(&self, state: &[u8]) -> Promised {
        Promised {
            state: Tiled::of(state),
            root: merkle::root(self.digests()),
            slices: self.0.len() as u32,
        }
    }

    fn examine(&self, state: &[u8]) -> Result<Examined, NotTheSlices> {
        let promised = self.promised(state);
        examine(&promised, &key(1), &self.digests(), |slice| {
            self.0.get(slice as usize).cloned().ok_or(NotTheSlices)
        })
    }

    /// The contradiction that is found in it, which counts and fits.
    fn contradiction(&self, state: &[u8]) -> Contradiction {
        let Ok(Examined::Bad(found)) = self.examine(state) else {
            panic!("nothing was found");
        };
        assert_eq!(found.check(&self.promised(state), &key(1)), Ok(()));
        let length = borsh::to_vec(&found).unwrap().len();
        assert!(length < MAX_TX_BYTES / 2, "{length} bytes");
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(
            serde_json::from_str::<Contradiction>(&json).unwrap(),
            *found
        );
        *found
    }
}

const LENGTHS: [usize; 9] = [
    0,
    1,
    32,
    TILE,
    TILE + 1,
    3 * TILE - 5,
    9 * TILE + 100,
    SLICE_BYTES - TILE,
    SLICE_BYTES + 3 * TILE + 7,
];

#[test]
fn what_was_promised_is_good_whatever_stands_beside_it() {
    for length in LENGTHS {
        let state = text(length);
        let good = Stored::spoilt(&state, |_| {});
        assert_eq!(good.examine(&state), Ok(Examined::Good(state.clone())));
        // Other nodes, counts, length, and zeros; other tags.
        let beside = Stored::spoilt(&state, |file| {
            for byte in &mut file[length..] {
                *byte ^= 1;
            }
        });
        assert_eq!(beside.examine(&state), Ok(Examined::Good(state.clone())));
        let mut untagged = good;
        for slice in &mut untagged.0 {
            *slice.last_mut().unwrap() ^= 1;
        }
        assert_eq!(untagged.examine(&state), Ok(Examined::Good(state.clone())));
    }
}

#[test]
fn garbage_in_one_tile_is_shown() {
    for length in LENGTHS.into_iter().filter(|length| *length > 0) {
        let state = text(length);
        for at in [0, length / 2, length - 1] {
            let stored = Stored::spoilt(&state, |file| file[at] ^= 0x40);
            let found = stored.contradiction(&state);
            let expected = (at / TILE) as u32;
            assert!(
                matches!(found, Contradiction::Tile { index, .. } if index == expected),
                "{length} {at} {found:?}"
            );
        }
    }
}

#[test]
fn a_tile_that_fits_its_own_node_contradicts_the_nodes_above() {
    for length in [
        TILE + 1,
        3 * TILE - 5,
        9 * TILE + 100,
        SLICE_BYTES + 3 * TILE + 7,
    ] {
        let state = text(length);
        let layout = StateFile::new(length as u64).unwrap();
        // The whole of another state, with its own nodes: only the top differs.
        let mut other = state.clone();
        other[length - 1] ^= 1;
        let stored = Stored::spoilt(&other, |_| {});
        let found = stored.contradiction(&state);
        let top = layout.levels() as u8;
        assert!(
            matches!(found, Contradiction::Node { level, index: 0, node: None, .. } if level == top),
            "{found:?}"
        );
        // With the nodes of another state up to some level, and those of the promised one above.
        for upto in 0..layout.levels() {
            let mut other = state.clone();
            other[0] ^= 1;
            let tiles = Tiles::of(&other);
            let stored = Stored::spoilt(&other, |file| {
                let honest = Tiles::of(&state);
                for level in 0..layout.levels() {
                    let from = if level <= upto { &tiles } else { &honest };
                    let Some(NodePlace::Stored(at)) = layout.node(level, 0) else {
                        panic!("a top below the top");
                    };
                    let begin = at.slice as usize * SLICE_BYTES;
                    let begin = begin + at.range.start as usize;
                    let node = from.node(level, 0).unwrap();
                    file[begin..begin + 32].copy_from_slice(&node.0);
                }
            });
            let found = stored.contradiction(&state);
            let expected = upto as u8 + 1;
            assert!(
                matches!(found, Contradiction::Node { level, .. } if level == expected),
                "{length} {upto} {found:?}"
            );
        }
    }
}

#[test]
fn garbage_nodes_are_shown_where_the_state_is_garbage_too() {
    let state = text(9 * TILE + 100);
    let stored = Stored::spoilt(&state, |file| {
        for byte in &mut file[..] {
            *byte = !*byte;
        }
    });
    stored.contradiction(&state);
    // Everything, under another key.
    let file = StateFile::encode(&counts(), state.clone());
    let elsewhere = Stored::seal(&file, &key(2));
    elsewhere.contradiction(&state);
}

#[test]
fn a_slice_of_another_length_is_shown() {
    for length in [32, SLICE_BYTES + 3 * TILE + 7] {
        let state = text(length);
        let good = Stored::spoilt(&state, |_| {});
        for slice in 0..good.0.len() {
            for by in [-40_i32, -1, 1, 2_000] {
                let mut stored = good.clone();
                let piece = &mut stored.0[slice];
                let other = (piece.len() as i32 + by).max(0) as usize;
                piece.resize(other, 9);
                let found = stored.contradiction(&state);
                assert!(
                    matches!(found, Contradiction::Length { slice: at, .. } if at as usize == slice)
                );
            }
        }
        let mut empty = good.clone();
        empty.0[0].clear();
        empty.contradiction(&state);
    }
}

#[test]
fn other_slices_than_the_recorded_ones_are_not_judged() {
    let state = text(100);
    let good = Stored::spoilt(&state, |_| {});
    let bad = Stored::spoilt(&state, |file| file[0] ^= 1);
    let swapped = examine(&good.promised(&state), &key(1), &good.digests(), |_| {
        Ok::<_, NotTheSlices>(bad.0[0].clone())
    });
    assert_eq!(swapped, Err(NotTheSlices));
    let renamed = examine(&good.promised(&state), &key(1), &bad.digests(), |_| {
        Ok::<_, NotTheSlices>(bad.0[0].clone())
    });
    assert_eq!(renamed, Err(NotTheSlices));
    let mut fewer = good.promised(&state);
    fewer.slices = 2;
    let fewer = examine(&fewer, &key(1), &good.digests(), |_| Ok(good.0[0].clone()));
    assert_eq!(fewer, Err(NotTheSlices));
}

/// Every contradiction that there is in a file in which everything is wrong, held against a good one.
#[test]
fn nothing_is_shown_of_a_good_result() {
    use NoContradiction::{Consistent, NoSuchPlace, NotRecorded};
    let state = text(9 * TILE + 100);
    let good = Stored::spoilt(&state, |_| {});
    let (promised, digests) = (good.promised(&state), good.digests());
    let layout = StateFile::new(state.len() as u64).unwrap();
    let tree = merkle::Tree::new(digests.clone());
    let open = |place: &InSlice| SliceRange {
        digest: digests[place.slice as usize],
        path: tree.path(place.slice.into()).unwrap(),
        opening: RangeOpening::new(SEALED, &good.0[place.slice as usize], place.range.clone())
            .unwrap(),
    };
    let node = |level, index| match layout.node(level, index).unwrap() {
        NodePlace::Top => None,
        NodePlace::Stored(at) => Some(open(&at)),
    };
    let check = |of: &Contradiction| of.check(&promised, &key(1));
    for index in 0..layout.tiles() {
        let tile = Contradiction::Tile {
            index: index as u32,
            tile: open(&layout.tile(index).unwrap()),
            node: node(0, index),
        };
        assert_eq!(check(&tile), Err(Consistent));
        // The same bytes, said to be another tile's.
        let Contradiction::Tile { tile, node, .. } = tile else {
            unreachable!()
        };
        for other in [index + 1, u64::from(u32::MAX)] {
            let index = other as u32;
            let (tile, node) = (tile.clone(), node.clone());
            let moved = Contradiction::Tile { index, tile, node };
            let refused = check(&moved).unwrap_err();
            assert!(matches!(refused, NoSuchPlace | NotRecorded), "{refused}");
        }
        let missing = Contradiction::Tile {
            index: index as u32,
            tile,
            node: None,
        };
        assert_eq!(check(&missing), Err(NoSuchPlace));
    }
    for level in 1..=layout.levels() {
        for index in 0..layout.made(level) {
            let below = [2 * index, 2 * index + 1].map(|at| node(level - 1, at).unwrap());
            let made = Contradiction::Node {
                level: level as u8,
                index: index as u32,
                below: below.clone(),
                node: node(level, index),
            };
            assert_eq!(check(&made), Err(Consistent));
            let [left, right] = below;
            let turned = Contradiction::Node {
                level: level as u8,
                index: index as u32,
                below: [right, left],
                node: node(level, index),
            };
            assert!(check(&turned).is_err());
        }
        // One that is made of one below, and one that is not there.
        for index in [layout.made(level), u64::from(u32::MAX)] {
            let nowhere = Contradiction::Node {
                level: level as u8,
                index: index as u32,
                below: [node(0, 0).unwrap(), node(0, 1).unwrap()],
                node: None,
            };
            assert_eq!(check(&nowhere), Err(NoSuchPlace));
        }
    }
    for level in [0, 200] {
        let nowhere = Contradiction::Node {
            level,
            index: 0,
            below: [node(0, 0).unwrap(), node(0, 1).unwrap()],
            node: None,
        };
        assert_eq!(check(&nowhere), Err(NoSuchPlace));
    }
    let first = open(&InSlice {
        slice: 0,
        range: 0..0,
    });
    let right = good.0[0].len() as u32;
    for length in [0, 1, right - 1, right, right + 1, u32::MAX] {
        let said = Contradiction::Length {
            slice: 0,
            length,
            first: first.clone(),
        };
        let expected = match length == right {
            true => Consistent,
            false => NotRecorded,
        };
        assert_eq!(check(&said), Err(expected), "{length}");
    }
    let beyond = Contradiction::Length {
        slice: 1,
        length: 5,
        first,
    };
    assert_eq!(check(&beyond), Err(NoSuchPlace));
}

#[test]
fn what_is_shown_of_one_result_counts_for_no_other() {
    let state = text(3 * TILE);
    let bad = Stored::spoilt(&state, |file| file[7] ^= 1);
    let found = bad.contradiction(&state);
    let good = Stored::spoilt(&state, |_| {});
    let refused = found.check(&good.promised(&state), &key(1));
    assert_eq!(refused, Err(NoContradiction::NotRecorded));
    // Under another key everything decrypts to something else: which key counts, the caller says.
    assert_eq!(found.check(&bad.promised(&state), &key(2)), Ok(()));
    let mut fewer = bad.promised(&state);
    fewer.slices += 1;
    let refused = found.check(&fewer, &key(1));
    assert_eq!(refused, Err(NoContradiction::NotRecorded));
    let mut longer = bad.promised(&state);
    longer.state.length = StateFile::MAX_STATE + 1;
    let refused = found.check(&longer, &key(1));
    assert_eq!(refused, Err(NoContradiction::NoSuchPlace));
}

/// The bytes of what is shown, each of which counts.
#[test]
fn nothing_that_is_shown_can_be_altered() {
    let state = text(9 * TILE + 100);
    let bad = Stored::spoilt(&state, |file| file[2 * TILE + 7] ^= 1);
    let promised = bad.promised(&state);
    let found = bad.contradiction(&state);
    let bytes = borsh::to_vec(&found).unwrap();
    for at in (0..bytes.len()).step_by(61) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let Ok(altered) = borsh::from_slice::<Contradiction>(&altered) else {
            continue;
        };
        assert!(altered.check(&promised, &key(1)).is_err(), "byte {at}");
    }
}

/// For the longest state that there may be, with every path as long as it gets.
#[test]
fn the_longest_contradiction_fits_a_transaction() {
    let length = StateFile::MAX_STATE;
    let layout = StateFile::new(length).unwrap();
    let piece = text(SLICE_BYTES + aead::OVERHEAD);
    let open = |place: InSlice| SliceRange {
        digest: Digest::ZERO,
        path: merkle::Path(vec![Digest::ZERO; 7]),
        opening: RangeOpening::new(SEALED, &piece, place.range).unwrap(),
    };
    let node = |level, index| match layout.node(level, index).unwrap() {
        NodePlace::Top => panic!("a top"),
        NodePlace::Stored(at) => open(at),
    };
    let tile = Contradiction::Tile {
        index: 5_461,
        tile: open(layout.tile(5_461).unwrap()),
        node: Some(node(0, 5_461)),
    };
    let made = Contradiction::Node {
        level: 1,
        index: 2_730,
        below: [node(0, 5_460), node(0, 5_461)],
        node: Some(node(1, 2_730)),
    };
    let lengths = [tile, made].map(|of| borsh::to_vec(&of).unwrap().len());
    println!("a tile: {} bytes, a node: {} bytes", lengths[0], lengths[1]);
    assert!(lengths.into_iter().all(|length| length < MAX_TX_BYTES / 2));
}
