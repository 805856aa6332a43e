use assay_crypto::merkle::Tree;
use proptest::prelude::*;

use super::*;

fn bytes(length: usize) -> Vec<u8> {
    let mut word = 1_u64;
    let mut next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (word >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Every piece, by slice and holder.
fn coded(code: Code, bytes: &[u8]) -> (BlobHead, Vec<Vec<CodedPiece>>) {
    let mut all = Vec::new();
    let coded = encode(code, bytes, |slice, holder, bytes| {
        all.push((slice, holder, bytes.to_vec()));
    });
    let coded = coded.unwrap();
    let mut slices = vec![Vec::new(); coded.head().slices() as usize];
    for (slice, holder, bytes) in all {
        slices[slice as usize].push(coded.show(slice, holder, bytes).unwrap());
    }
    (coded.head(), slices)
}

fn restored(head: BlobHead, slices: &[Vec<CodedPiece>]) -> Result<Vec<u8>, RestoreError> {
    let mut restorer = Restorer::new(head)?;
    let mut bytes = Vec::new();
    for pieces in slices {
        bytes.extend(restorer.slice(pieces)?);
    }
    restorer.finish().map(|()| bytes)
}

#[test]
fn any_pieces_that_are_enough_restore_the_bytes_and_no_fewer_do() {
    let code = Code {
        needed: 3,
        total: 6,
    };
    let original = bytes(1_000);
    let (head, slices) = coded(code, &original);
    for chosen in 0_u32..1 << 6 {
        let taken = slices[0]
            .iter()
            .filter(|piece| chosen >> piece.holder & 1 == 1);
        let taken: Vec<CodedPiece> = taken.cloned().collect();
        let found = taken.len();
        let expected = match found >= 3 {
            true => Ok(original.clone()),
            false => Err(RestoreError::TooFew { found, needed: 3 }),
        };
        assert_eq!(restored(head, &[taken]), expected, "{chosen:06b}");
    }
}

proptest! {
    #[test]
    fn what_was_coded_comes_back(
        needed in 1_u16..20,
        more in 0_u16..20,
        length in 1_usize..3_000,
        from in any::<u16>(),
    ) {
        let total = needed + more;
        let original = bytes(length);
        let (head, slices) = coded(Code { needed, total }, &original);
        // As many as are needed, in any order, beginning anywhere.
        let order = (0..needed).map(|i| usize::from((from % total + i) % total));
        let taken: Vec<_> = order.map(|holder| slices[0][holder].clone()).collect();
        prop_assert!(slices[0].iter().all(|piece| piece.verify(&head)));
        prop_assert_eq!(restored(head, &[taken]), Ok(original));
    }
}

#[test]
fn a_blob_of_several_slices_is_restored_in_order() {
    let code = Code::among(7, 2).unwrap();
    assert_eq!(
        code,
        Code {
            needed: 3,
            total: 7
        }
    );
    let original = bytes(2 * SLICE_BYTES + 5);
    let (head, mut slices) = coded(code, &original);
    assert_eq!((head.slices(), head.slice_bytes(2)), (3, 5));
    // Other holders are gone for each slice.
    for (slice, pieces) in slices.iter_mut().enumerate() {
        pieces.rotate_left(2 * slice + 1);
        pieces.truncate(3);
    }
    assert!(restored(head, &slices) == Ok(original));
    let mut restorer = Restorer::new(head).unwrap();
    let (wanted, found) = (0, 1);
    assert_eq!(
        restorer.slice(&slices[1]),
        Err(RestoreError::Order { wanted, found })
    );
    restorer.slice(&slices[0]).unwrap();
    assert_eq!(restorer.next(), Some(1));
    let (found, wanted) = (1, 3);
    assert_eq!(
        restorer.finish(),
        Err(RestoreError::Unfinished { found, wanted })
    );
}

#[test]
fn a_piece_that_was_changed_or_is_another_is_named_and_another_one_serves() {
    let (head, slices) = coded(
        Code {
            needed: 2,
            total: 4,
        },
        &bytes(100),
    );
    let good = &slices[0];
    let changes: [&dyn Fn(&mut CodedPiece); 5] = [
        &|piece| piece.bytes[0] ^= 1,
        &|piece| piece.bytes.truncate(48),
        &|piece| piece.holder = 3,
        &|piece| piece.holder = 9,
        &|piece| piece.path.0.truncate(1),
    ];
    for change in changes {
        let mut bad = good[1].clone();
        change(&mut bad);
        let mut restorer = Restorer::new(head).unwrap();
        let given = [good[0].clone(), bad.clone()];
        assert_eq!(restorer.slice(&given), Err(RestoreError::Piece(bad.holder)));
        assert!(restorer.slice(&[good[0].clone(), good[3].clone()]).is_ok());
        assert_eq!(restorer.finish(), Ok(()));
    }
    // The same piece twice is one.
    let twice = vec![vec![good[2].clone(), good[2].clone()]];
    let (found, needed) = (1, 2);
    assert_eq!(
        restored(head, &twice),
        Err(RestoreError::TooFew { found, needed })
    );
}

/// A publisher that commits to pieces which encode nothing: whoever restores it, from whichever pieces,
/// finds that it did.
#[test]
fn pieces_that_encode_nothing_are_found_out_from_any_of_them() {
    let code = Code {
        needed: 2,
        total: 4,
    };
    let (honest, slices) = coded(code, &bytes(100));
    for spoilt in 0..4 {
        let mut pieces: Vec<Vec<u8>> = slices[0].iter().map(|piece| piece.bytes.clone()).collect();
        pieces[spoilt][7] ^= 1;
        let tree = Tree::new(pieces.iter().map(|bytes| piece_digest(bytes)).collect());
        let head = BlobHead {
            root: tree.root(),
            ..honest
        };
        let shown = pieces.iter().enumerate().map(|(i, bytes)| CodedPiece {
            slice: 0,
            holder: i as u16,
            bytes: bytes.clone(),
            path: tree.path(i as u64).unwrap(),
        });
        let shown: Vec<_> = shown.collect();
        for first in 0..4 {
            for second in (0..4).filter(|second| *second != first) {
                let taken = vec![vec![shown[first].clone(), shown[second].clone()]];
                assert_eq!(
                    restored(head, &taken),
                    Err(RestoreError::NoCode),
                    "{spoilt}"
                );
            }
        }
    }
}

/// Zeros behind the last byte are a part of the code: a publisher that puts something else there publishes
/// nothing.
#[test]
fn nothing_hides_behind_the_last_byte() {
    let code = Code {
        needed: 2,
        total: 3,
    };
    // Both have pieces of 50 bytes.
    let (longer, slices) = coded(code, &bytes(100));
    let head = BlobHead {
        length: 99,
        ..longer
    };
    assert_eq!(restored(head, &slices), Err(RestoreError::NoCode));
}

#[test]
fn codes_and_blobs_that_cannot_be_are_none() {
    assert_eq!(Code::among(4, 2), None);
    assert_eq!(Code::among(3, u16::MAX), None);
    assert_eq!(Code::among(MAX_HOLDERS + 1, 0), None);
    for (needed, total) in [(0, 0), (0, 3), (4, 3), (1, MAX_HOLDERS + 1)] {
        assert!(encode(Code { needed, total }, &[1], |_, _, _| ()).is_none());
    }
    let code = Code {
        needed: 1,
        total: 2,
    };
    assert!(encode(code, &[], |_, _, _| ()).is_none());
    let (head, slices) = coded(code, &[1]);
    for length in [0, MAX_BLOB_BYTES + 1, u64::MAX] {
        let head = BlobHead { length, ..head };
        assert!(!slices[0][0].verify(&head));
        assert!(matches!(Restorer::new(head), Err(RestoreError::Impossible)));
    }
}

/// It must hold for every version of `reed-solomon-simd`: another code would not restore what was published
/// with this one.
#[test]
fn the_pieces_and_the_name_of_a_blob_are_these() {
    let (head, slices) = coded(
        Code {
            needed: 3,
            total: 5,
        },
        &bytes(10),
    );
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let pieces: Vec<String> = slices[0].iter().map(|piece| hex(&piece.bytes)).collect();
    assert_eq!(
        pieces,
        ["58c0cbc7", "30209a50", "ab6c0000", "7b6e5606", "b8e20791"]
    );
    assert_eq!(
        head.name().to_string(),
        "898e04c7bf787c543c0beef21dc904ec2b281b17fcaa60f5cfefb3190470e3c0"
    );
}
