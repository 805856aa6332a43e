//! Sealed files open to the same bytes, or not at all.

use std::io::Cursor;

use crate::support::{COPIES, bytes, key, open, sealer};
use assay_crypto::Digest;
use assay_vault::{
    Expected, Manifest, OpenManifestError, Piece, SLICE_BYTES, SealError, SealedFile, Sealer,
    UnsealError, content_digest, length, slice_count,
};
use proptest::prelude::*;

struct Sealed {
    plain: Vec<u8>,
    file: SealedFile,
    slices: Vec<Piece>,
}

fn seal(length: usize, seed: u8) -> Sealed {
    let plain = bytes(length, seed);
    let mut sealer = sealer(&plain, key(seed));
    let mut slices = Vec::new();
    while let Some(slice) = sealer.next_slice().unwrap() {
        assert_eq!(slice.index as usize, slices.len());
        assert_eq!(slice.digest, slice.piece.digest());
        slices.push(slice.piece);
    }
    let file = sealer.finish().unwrap();
    Sealed {
        plain,
        file,
        slices,
    }
}

impl Sealed {
    fn expected(&self) -> Expected {
        self.file.expected()
    }

    fn open_with(&self, slices: Vec<Piece>) -> Result<Vec<u8>, UnsealError> {
        open(&self.expected(), key_of(self), &self.file.piece, slices)
    }
}

/// The seed of the key is the first byte of the plaintext's generator; see `seal`.
fn key_of(sealed: &Sealed) -> assay_crypto::aead::FileKey {
    let fits = (0..=255).find(|n| Manifest::open(&sealed.file.piece, &key(*n)).is_ok());
    key(fits.unwrap())
}

fn flipped(piece: &Piece, at: usize) -> Piece {
    let mut bytes = piece.bytes().to_vec();
    bytes[at] ^= 0x40;
    Piece::new(bytes).unwrap()
}

#[test]
fn sizes_around_the_slice_boundary() {
    for (length, slices) in [
        (0, 1),
        (1, 1),
        (SLICE_BYTES - 1, 1),
        (SLICE_BYTES, 1),
        (SLICE_BYTES + 1, 2),
        (2 * SLICE_BYTES, 2),
        (3 * SLICE_BYTES + 77, 4),
    ] {
        let sealed = seal(length, 1);
        assert_eq!(sealed.slices.len(), slices);
        assert_eq!(slice_count(length as u64), Some(slices as u64));
        assert_eq!(sealed.file.manifest.content, content_digest(&sealed.plain));
        // No padding: a piece is its plaintext and a tag.
        let stored: usize = sealed.slices.iter().map(Piece::len).sum();
        assert_eq!(stored, length + 16 * slices);
        assert!(sealed.open_with(sealed.slices.clone()).unwrap() == sealed.plain);
    }
}

#[test]
fn any_changed_byte_of_a_slice_is_noticed() {
    let sealed = seal(300, 2);
    for at in 0..sealed.slices[0].len() {
        let refused = sealed.open_with(vec![flipped(&sealed.slices[0], at)]);
        assert!(matches!(refused, Err(UnsealError::OtherSlice { index: 0 })));
    }
}

#[test]
fn any_changed_byte_of_the_manifest_is_noticed() {
    let sealed = seal(300, 3);
    for at in 0..sealed.file.piece.len() {
        let changed = flipped(&sealed.file.piece, at);
        let refused = open(&sealed.expected(), key(3), &changed, sealed.slices.clone());
        assert!(matches!(refused, Err(UnsealError::OtherManifest)));
        // Even where nobody compares digests.
        let reason = Manifest::open(&changed, &key(3)).unwrap_err();
        let place = match at {
            0 => OpenManifestError::Version(1 ^ 0x40),
            1..33 => OpenManifestError::WrongKey,
            _ => OpenManifestError::Altered,
        };
        assert_eq!(reason, place);
    }
}

#[test]
fn order_and_number_of_slices_are_fixed() {
    let sealed = seal(2 * SLICE_BYTES + 5, 4);
    let [a, b, c] = [0, 1, 2].map(|n| sealed.slices[n].clone());
    let swapped = sealed.open_with(vec![b.clone(), a.clone(), c.clone()]);
    assert!(matches!(swapped, Err(UnsealError::OtherSlice { index: 0 })));
    let cut = sealed.open_with(vec![a.clone(), b.clone()]);
    assert!(matches!(
        cut,
        Err(UnsealError::CutShort {
            expected: 3,
            given: 2
        })
    ));
    let longer = sealed.open_with(vec![a.clone(), b.clone(), c.clone(), c]);
    assert!(matches!(longer, Err(UnsealError::OutOfOrder { .. })));
    let other = seal(2 * SLICE_BYTES + 5, 5);
    let foreign = sealed.open_with(vec![a, other.slices[1].clone()]);
    assert!(matches!(foreign, Err(UnsealError::OtherSlice { index: 1 })));
}

/// An owner who lists the right digests in the wrong way still cannot make a reader accept them:
/// each slice knows its place and whether it is the last.
#[test]
fn a_slice_opens_only_in_its_place() {
    let plain = bytes(2 * SLICE_BYTES, 6);
    let sealed = seal(2 * SLICE_BYTES, 6);
    let digests: Vec<Digest> = sealed.slices.iter().map(Piece::digest).collect();
    let length = plain.len() as u64;
    let content = content_digest(&plain);

    let lie = |digests: Vec<Digest>, length: u64, slices: Vec<Piece>| {
        let manifest = Manifest::new(COPIES, length, content, digests).unwrap();
        let piece = manifest.seal(&key(6)).unwrap();
        let file = SealedFile {
            id: assay_vault::file_id(&piece),
            manifest,
            piece,
        };
        open(&file.expected(), key(6), &file.piece, slices)
    };
    let [a, b] = [0, 1].map(|n| sealed.slices[n].clone());
    let honest = lie(digests.clone(), length, vec![a.clone(), b.clone()]);
    assert!(honest.unwrap() == plain);
    let reordered = lie(
        vec![digests[1], digests[0]],
        length,
        vec![b.clone(), a.clone()],
    );
    assert!(matches!(reordered, Err(UnsealError::Sealed { index: 0 })));
    let truncated = lie(vec![digests[0]], SLICE_BYTES as u64, vec![a.clone()]);
    assert!(matches!(truncated, Err(UnsealError::Sealed { index: 0 })));
    let shorter = lie(digests.clone(), length - 1, vec![a, b]);
    assert!(matches!(shorter, Err(UnsealError::Contradiction("length"))));
}

#[test]
fn record_and_manifest_must_agree() {
    let sealed = seal(10, 7);
    let honest = sealed.expected();
    for lie in [
        Expected {
            root: Digest::ZERO,
            ..honest
        },
        Expected {
            slices: 2,
            ..honest
        },
        Expected {
            length_class: 12,
            ..honest
        },
    ] {
        let refused = open(&lie, key(7), &sealed.file.piece, sealed.slices.clone());
        assert!(matches!(refused, Err(UnsealError::Contradiction(_))));
    }
    assert_eq!(honest.length_class, length::class(10));
}

#[test]
fn a_content_digest_that_lies_is_noticed() {
    let sealed = seal(10, 8);
    let digests = sealed.file.manifest.slices().to_vec();
    let manifest = Manifest::new(COPIES, 10, Digest::ZERO, digests).unwrap();
    let piece = manifest.seal(&key(8)).unwrap();
    let file = SealedFile {
        id: assay_vault::file_id(&piece),
        manifest,
        piece,
    };
    let refused = open(&file.expected(), key(8), &file.piece, sealed.slices);
    assert!(matches!(refused, Err(UnsealError::OtherContent)));
}

#[test]
fn slices_can_be_sealed_again_in_any_order() {
    let sealed = seal(3 * SLICE_BYTES + 1, 9);
    let mut again = sealer(&sealed.plain, key(9));
    for index in [2, 0, 3, 3, 1] {
        let slice = again.slice(index).unwrap().unwrap();
        assert_eq!(slice.index, index);
        assert_eq!(slice.last, index == 3);
        assert_eq!(slice.piece, sealed.slices[index as usize]);
    }
    assert!(again.slice(4).unwrap().is_none());
    assert_eq!(again.finish().unwrap(), sealed.file);
}

#[test]
fn a_source_that_changes_is_noticed_when_sealed_again() {
    let shared = std::cell::RefCell::new(bytes(SLICE_BYTES + 1, 10));
    struct Changing<'a>(&'a std::cell::RefCell<Vec<u8>>, u64);
    impl std::io::Read for Changing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = self.0.borrow();
            let read = (&bytes[self.1 as usize..]).read(buffer)?;
            self.1 += read as u64;
            Ok(read)
        }
    }
    impl std::io::Seek for Changing<'_> {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            if let std::io::SeekFrom::Start(at) = to {
                self.1 = at;
            }
            Ok(self.1)
        }
    }
    let mut sealer = Sealer::new(Changing(&shared, 0), key(1), COPIES);
    sealer.slice(1).unwrap().unwrap();
    sealer.slice(0).unwrap().unwrap();
    shared.borrow_mut()[3] ^= 1;
    assert!(matches!(
        sealer.slice(0),
        Err(SealError::SourceChanged { index: 0 })
    ));
    assert!(sealer.slice(1).is_ok());
}

#[test]
fn a_short_read_is_not_an_end() {
    /// Gives one byte, then seven, then one ...
    struct Trickle(Cursor<Vec<u8>>, bool);
    impl std::io::Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            let most = if self.1 { 1_001 } else { 70_007 };
            let end = buffer.len().min(most);
            self.0.read(&mut buffer[..end])
        }
    }
    let sealed = seal(SLICE_BYTES + 9, 11);
    let source = Trickle(Cursor::new(sealed.plain.clone()), false);
    let mut sealer = Sealer::new(source, key(11), COPIES);
    assert_eq!(sealer.finish().unwrap(), sealed.file);
}

#[test]
fn the_format_is_frozen() {
    let mut sealer = sealer(b"assay", key(42));
    let slice = sealer.next_slice().unwrap().unwrap();
    let file = sealer.finish().unwrap();
    let golden = [
        slice.digest,
        file.id.0,
        file.manifest.root(),
        file.manifest.content,
    ];
    assert_eq!(golden.map(|d| d.to_string()), GOLDEN);
}

/// Slice, file, root, content.
const GOLDEN: [&str; 4] = [
    "1fc5f9ea70cca974a7074e14c6c4626d257de31133172abb106133df61be3410",
    "25134c24e26e02ec039906d3bf2980fcabea32c57aa5eb7dc906d2b868825f59",
    "597ed931f9e9abc036f89f0857f882b75025f229c95c5f2c4ccd97bad12888f7",
    "5343d2dd3888def410d90e25ba001aae92823bcd7bfe01f9cfecdaca5e6e4f88",
];

proptest! {
    #[test]
    fn whatever_the_bytes(plain: Vec<u8>, seed: u8) {
        let mut sealer = sealer(&plain, key(seed));
        let slice = sealer.next_slice().unwrap().unwrap();
        let file = sealer.finish().unwrap();
        let opened = open(&file.expected(), key(seed), &file.piece, vec![slice.piece]);
        prop_assert_eq!(opened.unwrap(), plain);
    }

    #[test]
    fn manifests_decode_or_refuse(bytes: Vec<u8>, seed: u8) {
        let _ = Manifest::decode(&bytes);
        let piece = Piece::new(bytes).unwrap();
        prop_assert!(Manifest::open(&piece, &key(seed)).is_err());
    }
}
