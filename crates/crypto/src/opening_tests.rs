use proptest::prelude::*;

use super::*;

const DOMAIN: &str = "assay/test/opening/v1";

fn text(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    crate::stream::Stream::new(Digest::ZERO, "opening", length as u64).fill(&mut bytes);
    bytes
}

fn shown(bytes: &[u8], range: Range<u64>) -> (Digest, RangeOpening) {
    let opening = RangeOpening::new(DOMAIN, bytes, range).unwrap();
    (Digest::of(DOMAIN, &[bytes]), opening)
}

/// Lengths around what a chunk, a power of two of chunks, and a piece hold.
const LENGTHS: [usize; 16] = [
    0,
    1,
    7,
    1_015,
    1_016,
    1_017,
    1_024,
    2_040,
    2_041,
    3_000,
    4_088,
    16_384,
    16_400,
    65_536,
    (1 << 20) + 5,
    (4 << 20) + 16,
];

#[test]
fn ranges_of_awkward_lengths_open() {
    for length in LENGTHS {
        let bytes = text(length);
        let end = length as u64;
        let starts = [
            0,
            1,
            1_015,
            1_016,
            16_384,
            end / 2,
            end.saturating_sub(1),
            end,
        ];
        for start in starts.into_iter().filter(|start| *start <= end) {
            for count in [0, 1, 32, 1_016, 16_384] {
                let range = start..(start + count).min(end);
                let (digest, opening) = shown(&bytes, range.clone());
                let expected = &bytes[range.start as usize..range.end as usize];
                let found = opening.verify((DOMAIN, &digest), end, range.clone());
                assert_eq!(found, Some(expected), "{length} {range:?}");
            }
        }
        let (digest, opening) = shown(&bytes, 0..0);
        assert_eq!(opening.verify_length((DOMAIN, &digest), end), Some(end));
    }
}

#[test]
fn a_tile_of_the_largest_piece_is_small() {
    let bytes = text((4 << 20) + 16);
    let (_, opening) = shown(&bytes, 16_384 * 255..16_384 * 256);
    assert_eq!(opening.chunks.len(), 17 * 1_024 - 1_000);
    let length = borsh::to_vec(&opening).unwrap().len();
    assert!(length < 17_000, "{length} bytes");
    let (_, opening) = shown(&bytes, 16_384 * 85..16_384 * 86);
    assert_eq!(opening.chunks.len(), 17 * 1_024);
    let length = borsh::to_vec(&opening).unwrap().len();
    assert!(length < 18_000, "{length} bytes");
}

#[test]
fn what_is_not_there_or_too_long_is_not_shown() {
    let bytes = text(100_000);
    for range in [
        99_999..100_001,
        100_001..100_001,
        0..40_000,
        Range { start: 5, end: 4 },
    ] {
        assert_eq!(RangeOpening::new(DOMAIN, &bytes, range), None);
    }
    assert!(RangeOpening::new(DOMAIN, &bytes, 0..31_000).is_some());
}

#[test]
fn decoding_is_bounded() {
    let (_, opening) = shown(&text(5_000), 1_000..1_001);
    let bytes = borsh::to_vec(&opening).unwrap();
    assert_eq!(borsh::from_slice::<RangeOpening>(&bytes).unwrap(), opening);
    let json = serde_json::to_string(&opening).unwrap();
    assert_eq!(
        serde_json::from_str::<RangeOpening>(&json).unwrap(),
        opening
    );
    for wrong in [
        borsh::to_vec(&(u32::MAX, 0_u32)).unwrap(),
        borsh::to_vec(&(MAX_SHOWN as u32 + 1, 0_u32)).unwrap(),
        borsh::to_vec(&(0_u32, u32::MAX)).unwrap(),
        borsh::to_vec(&(0_u32, MAX_BESIDE as u32 + 1)).unwrap(),
    ] {
        assert!(borsh::from_slice::<RangeOpening>(&wrong).is_err());
    }
}

#[test]
fn a_length_that_is_not_the_one_that_was_hashed_is_not_proven() {
    let bytes = text(9_000);
    let (digest, opening) = shown(&bytes, 0..0);
    for length in [0, 1_000, 8_000, 9_001, 12_000, 1 << 40, u64::MAX] {
        let proven = opening.verify_length((DOMAIN, &digest), length);
        assert!(proven.is_none_or(|proven| proven == 9_000), "{length}");
    }
    // Not the first chunk.
    let (digest, opening) = shown(&bytes, 5_000..5_001);
    assert_eq!(opening.verify_length((DOMAIN, &digest), 9_000), None);
}

proptest! {
    #[test]
    fn every_range_opens_and_nothing_else(
        length in 0_usize..40_000, a: prop::sample::Index, b: prop::sample::Index,
        at: prop::sample::Index, by in 1_u8..,
    ) {
        let bytes = text(length);
        let end = length as u64;
        let (a, b) = (a.index(length + 1) as u64, b.index(length + 1) as u64);
        let range = a.min(b)..a.max(b).min(a.min(b) + 30_000);
        let (digest, opening) = shown(&bytes, range.clone());
        let expected = &bytes[range.start as usize..range.end as usize];
        let verify = |opening: &RangeOpening, domain, digest: &Digest, length, range| {
            opening.verify((domain, digest), length, range).map(<[u8]>::to_vec)
        };
        let found = verify(&opening, DOMAIN, &digest, end, range.clone());
        prop_assert_eq!(found.as_deref(), Some(expected));
        let other = verify(&opening, "assay/test/other/v1", &digest, end, range.clone());
        prop_assert_eq!(other, None);
        let mut wrong = digest;
        wrong.0[at.index(32)] ^= by;
        prop_assert_eq!(verify(&opening, DOMAIN, &wrong, end, range.clone()), None);

        let mut altered = opening.clone();
        let place = at.index(altered.chunks.len());
        altered.chunks[place] ^= by;
        prop_assert_eq!(verify(&altered, DOMAIN, &digest, end, range.clone()), None);
        for place in 0..opening.beside.len() {
            let mut altered = opening.clone();
            altered.beside[place].0[at.index(32)] ^= by;
            prop_assert_eq!(verify(&altered, DOMAIN, &digest, end, range.clone()), None);
            altered.beside.remove(place);
            prop_assert_eq!(verify(&altered, DOMAIN, &digest, end, range.clone()), None);
        }
        let mut longer = opening.clone();
        longer.beside.push(Digest::ZERO);
        prop_assert_eq!(verify(&longer, DOMAIN, &digest, end, range.clone()), None);
        let mut longer = opening.clone();
        longer.chunks.push(0);
        prop_assert_eq!(verify(&longer, DOMAIN, &digest, end, range.clone()), None);

        // Shown for another place, or of a string of another length, it is these bytes or nothing.
        for shift in [1, 1_024, 16_384] {
            let shifted = range.start + shift..range.end + shift;
            if let Some(found) = verify(&opening, DOMAIN, &digest, end, shifted.clone()) {
                let there = &bytes[shifted.start as usize..shifted.end as usize];
                prop_assert_eq!(&found[..], there);
            }
            if let Some(found) = verify(&opening, DOMAIN, &digest, end + shift, range.clone()) {
                prop_assert_eq!(&found[..], expected);
            }
        }
    }
}
