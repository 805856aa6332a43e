//! Numbers drawn from a key: the ChaCha20 key stream (RFC 8439), equal on every machine.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::Digest;

/// An endless stream of uniform bytes, fixed by its key, purpose and index.
pub struct Stream {
    key: Digest,
    cipher: ChaCha20,
    block: [u8; 64],
    used: usize,
}

impl Stream {
    /// The stream for (`key`, `purpose`, `index`). Distinct triples give independent streams.
    pub fn new(key: Digest, purpose: &str, index: u64) -> Stream {
        let key = Digest::of(
            "assay/stream/v1",
            &[&key.0, purpose.as_bytes(), &index.to_le_bytes()],
        );
        Stream {
            key,
            cipher: cipher(&key),
            block: [0; 64],
            used: 64,
        }
    }

    /// Fills `out` with the next bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                self.refill();
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// The next 8 bytes as a little-endian number.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A uniform number in `0..bound`, by rejection (no modulo bias); 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Values above the largest multiple of `bound` would favour small results.
        let excess = (u64::MAX % bound + 1) % bound;
        let last = u64::MAX - excess;
        loop {
            let value = self.next_u64();
            if value <= last {
                return value % bound;
            }
        }
    }

    fn refill(&mut self) {
        self.block = [0; 64];
        if self.cipher.try_apply_keystream(&mut self.block).is_err() {
            // The 32-bit block counter ends after 256 GiB: go on under the next key.
            self.key = Digest::of("assay/stream next/v1", &[&self.key.0]);
            self.cipher = cipher(&self.key);
            self.cipher.apply_keystream(&mut self.block);
        }
        self.used = 0;
    }
}

fn cipher(key: &Digest) -> ChaCha20 {
    ChaCha20::new(&key.0.into(), &[0; 12].into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8439, appendix A.1, test vector 1: key, nonce and counter all zero.
    #[test]
    fn rfc8439_key_stream() {
        let mut stream = Stream {
            key: Digest::ZERO,
            cipher: cipher(&Digest::ZERO),
            block: [0; 64],
            used: 64,
        };
        let mut block = [0; 64];
        stream.fill(&mut block);
        assert_eq!(
            hex::encode(block),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7\
             da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        );
    }

    #[test]
    fn golden() {
        let mut stream = Stream::new(Digest::of("golden", &[]), "test", 5);
        assert_eq!(stream.next_u64(), 16_560_444_389_086_571_214);
    }

    #[test]
    fn triples_are_independent() {
        let key = Digest::of("a", &[]);
        let first = |key, purpose, index| Stream::new(key, purpose, index).next_u64();
        let base = first(key, "x", 0);
        assert_eq!(base, first(key, "x", 0));
        for other in [
            first(key, "x", 1),
            first(key, "y", 0),
            first(Digest::ZERO, "x", 0),
        ] {
            assert_ne!(base, other);
        }
    }

    /// Chi-square over 7 cells, 70,000 draws, 6 degrees of freedom: 30 is beyond 1 in 20,000.
    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(Digest::ZERO, "chi", 0);
        let mut cells = [0i64; 7];
        for _ in 0..70_000 {
            cells[stream.below(7) as usize] += 1;
        }
        let chi: i64 = cells
            .iter()
            .map(|n| (n - 10_000) * (n - 10_000))
            .sum::<i64>()
            / 10_000;
        assert!(chi < 30, "{cells:?}");
    }

    proptest! {
        #[test]
        fn below_stays_below(bound in 1u64.., index: u64) {
            let mut stream = Stream::new(Digest::ZERO, "p", index);
            prop_assert!(stream.below(bound) < bound);
        }

        #[test]
        fn pieces_do_not_matter(cut in 0usize..300) {
            let mut whole = [0; 300];
            Stream::new(Digest::ZERO, "p", 0).fill(&mut whole);
            let mut pieces = [0; 300];
            let mut stream = Stream::new(Digest::ZERO, "p", 0);
            stream.fill(&mut pieces[..cut]);
            stream.fill(&mut pieces[cut..]);
            prop_assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn bound_zero_and_extremes() {
        let mut stream = Stream::new(Digest::ZERO, "edge", 0);
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.below(1), 0);
        assert!(stream.below(u64::MAX) < u64::MAX);
        assert!(stream.below(1 << 63) < 1 << 63);
    }
}
