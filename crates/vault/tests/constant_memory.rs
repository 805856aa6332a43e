//! A file larger than the memory it may use.
#![cfg(target_os = "linux")]
// Helpers outside test functions may unwrap too.
#![allow(clippy::unwrap_used)]

use std::io::Read;

use assay_crypto::{Digest, aead::FileKey, stream::Stream};
use assay_vault::{Coding, Piece, Sealer, content_digest};

const MIB: u64 = 1 << 20;

/// Bytes made on the way, never held.
struct Made {
    left: u64,
    stream: Stream,
}

fn made(length: u64) -> impl Read {
    Made {
        left: length,
        stream: Stream::new(Digest([5; 32]), "made", 0),
    }
}

impl Read for Made {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let take = self.left.min(buffer.len() as u64) as usize;
        self.stream.fill(&mut buffer[..take]);
        self.left -= take as u64;
        Ok(take)
    }
}

/// The most memory this process has held at once, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn sealing_and_opening_hold_a_few_slices() {
    let length = 300 * MIB + 1;
    let key = FileKey([1; 32]);
    let seal = || Sealer::new(made(length), key.clone(), Coding::Replicated { copies: 1 });

    let file = seal().finish().unwrap();
    let mut slices = seal();
    let slices = std::iter::from_fn(|| slices.next_slice().unwrap().map(|s| s.piece));
    let expected = file.expected();
    let opened = assay_vault::unseal(&expected, key.clone(), &file.piece, slices, std::io::sink());
    assert_eq!(opened.unwrap().length, length);
    assert!(peak() < 64 * MIB, "{} MiB", peak() / MIB);

    // The measure itself works: holding the pieces costs what they weigh.
    let mut all = seal();
    let held: Vec<Piece> =
        std::iter::from_fn(|| all.next_slice().unwrap().map(|s| s.piece)).collect();
    assert!(peak() > 300 * MIB);
    assert_eq!(held.len(), 76);
    assert_ne!(content_digest(held[0].bytes()), expected.root);
}
