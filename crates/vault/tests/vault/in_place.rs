//! Sealed files, read where their pieces lie.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use assay_crypto::{ReadAt, aead::FileKey};
use assay_vault::{Coding, InPlace, Opened, Piece, Pieces, SLICE_BYTES, Sealer};

/// Pieces that somebody may write to, and how often they were read.
#[derive(Default)]
struct Lying {
    pieces: Mutex<Vec<Piece>>,
    reads: AtomicUsize,
}

impl Pieces for Lying {
    fn piece(&self, index: u32) -> io::Result<Piece> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let pieces = self.pieces.lock().unwrap();
        let piece = pieces.get(index as usize).cloned();
        piece.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn sealed(plain: &[u8]) -> InPlace<Lying> {
    let key = FileKey([3; 32]);
    let mut sealer = Sealer::new(plain, key.clone(), Coding::Replicated { copies: 1 });
    let mut pieces = Vec::new();
    while let Some(slice) = sealer.next_slice().unwrap() {
        pieces.push(slice.piece);
    }
    let file = sealer.finish().unwrap();
    let opened = Opened::new(&file.expected(), &file.piece, key).unwrap();
    let lying = Lying {
        pieces: Mutex::new(pieces),
        ..Lying::default()
    };
    InPlace::new(opened, lying)
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn any_range_of_a_sealed_file_reads_as_its_plaintext() {
    let plain = plain(2 * SLICE_BYTES + 5_000);
    let file = sealed(&plain);
    assert_eq!(file.length(), plain.len() as u64);
    let ends = [
        0,
        1,
        SLICE_BYTES - 1,
        SLICE_BYTES,
        SLICE_BYTES + 1,
        plain.len(),
    ];
    for from in ends {
        for to in ends.into_iter().filter(|to| *to >= from) {
            let mut out = vec![0; to - from];
            file.read_at(from as u64, &mut out).unwrap();
            assert!(out == plain[from..to], "{from}..{to}");
        }
    }
    for at in [plain.len() as u64, u64::MAX] {
        let error = file.read_at(at, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    file.read_at(plain.len() as u64, &mut []).unwrap();
}

#[test]
fn whoever_reads_on_opens_each_slice_once() {
    let file = sealed(&plain(3 * SLICE_BYTES));
    for at in (0..3 * SLICE_BYTES).step_by(SLICE_BYTES / 8) {
        file.read_at(at as u64, &mut [0; 100]).unwrap();
    }
    assert_eq!(file.pieces().reads.load(Ordering::Relaxed), 3);
}

#[test]
fn a_piece_that_is_changed_cut_swapped_or_gone_is_an_error_and_no_other_bytes() {
    let plain = plain(2 * SLICE_BYTES + 9);
    type Damage = fn(&mut Vec<Piece>);
    let damages: [(&str, Damage); 4] = [
        ("changed", |pieces| {
            let mut bytes = pieces[1].bytes().to_vec();
            bytes[77] ^= 1;
            pieces[1] = Piece::new(bytes).unwrap();
        }),
        ("cut", |pieces| {
            pieces[1] = Piece::new(pieces[1].bytes()[..SLICE_BYTES].to_vec()).unwrap();
        }),
        ("swapped", |pieces| pieces.swap(0, 1)),
        ("gone", |pieces| pieces.truncate(1)),
    ];
    for (name, damage) in damages {
        let file = sealed(&plain);
        file.read_at(0, &mut [0; 10]).unwrap();
        damage(&mut file.pieces().pieces.lock().unwrap());
        let mut out = [0; 10];
        let error = file.read_at(SLICE_BYTES as u64 + 5, &mut out).unwrap_err();
        assert_eq!(out, [0; 10], "{name}: {error}");
    }
}
