//! Random numbers addressed by (key, purpose, index).
//!
//! A stream is ChaCha20 (RFC 8439) under a 32-byte key with the nonce `purpose || index`, both
//! little-endian, from block 0; its bytes are read as little-endian integers. Whoever knows the
//! key can recompute any stream without the ones before it.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use crate::arith::{Arith, Soft};
use crate::reference::elementary::log;

/// One stream of random numbers.
pub struct Stream {
    cipher: ChaCha20,
    block: [u8; 64],
    used: usize,
}

impl Stream {
    /// The stream at this address.
    pub fn new(key: &[u8; 32], purpose: u32, index: u64) -> Self {
        Self {
            cipher: cipher(key, purpose, index),
            block: [0; 64],
            used: 64,
        }
    }

    /// The next four bytes, little-endian.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == self.block.len() {
            self.block = [0; 64];
            self.cipher.apply_keystream(&mut self.block);
            self.used = 0;
        }
        let mut word = [0; 4];
        word.copy_from_slice(&self.block[self.used..self.used + 4]);
        self.used += 4;
        u32::from_le_bytes(word)
    }

    /// Two words, the low one first.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// A uniform integer below `n`: words at or above the largest multiple of `n` are skipped,
    /// the others reduced modulo `n`.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no integer lies below zero");
        let limit = (1u64 << 32) / u64::from(n) * u64::from(n);
        loop {
            let word = self.next_u32();
            if u64::from(word) < limit {
                return word % n;
            }
        }
    }

    /// Uniform in [0, 1): the upper 24 bits of a word times 2^-24.
    pub fn uniform01(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * f32::from_bits(0x3380_0000)
    }

    /// Uniform in [low, high): `fma(uniform01, high - low, low)`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        Soft::fma(self.uniform01(), high - low, low)
    }

    /// Standard normal: the inverse of the distribution function at the middle of one of 2^24
    /// equal steps, by the polynomials of Giles, "Approximating the erfinv function" (2010).
    pub fn normal(&mut self) -> f32 {
        let odd = (self.next_u32() >> 8) as i32 * 2 + 1 - (1 << 24);
        normal_quantile(odd as f32 * f32::from_bits(0x3380_0000))
    }

    /// The numbers below `n` in random order (Fisher-Yates from the last position down).
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i as usize, self.below(i + 1) as usize);
        }
        order
    }
}

fn cipher(key: &[u8; 32], purpose: u32, index: u64) -> ChaCha20 {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&purpose.to_le_bytes());
    nonce[4..].copy_from_slice(&index.to_le_bytes());
    ChaCha20::new(&(*key).into(), &nonce.into())
}

/// Words of a stream from any position on, a run of them at a time.
pub(crate) struct Words {
    cipher: ChaCha20,
}

impl Words {
    /// The most words one call gives.
    pub(crate) const MOST: usize = 1024;

    /// The words of a stream from number `first` on; a stream has 2^36 of them.
    pub(crate) fn starting_at(key: &[u8; 32], purpose: u32, index: u64, first: usize) -> Self {
        let mut cipher = cipher(key, purpose, index);
        cipher.seek(first as u64 * 4);
        Self { cipher }
    }

    /// The next words, as many as `out` holds.
    pub(crate) fn fill(&mut self, out: &mut [u32]) {
        let mut bytes = [0; 4 * Self::MOST];
        let bytes = &mut bytes[..4 * out.len()];
        self.cipher.apply_keystream(bytes);
        let (bytes, _) = bytes.as_chunks::<4>();
        for (word, bytes) in out.iter_mut().zip(bytes) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
}

/// Coefficients for w < 5, highest power first.
const CENTRE: [f32; 9] = [
    f32::from_bits(0x32f1_6588),
    f32::from_bits(0x34b8_4b36),
    f32::from_bits(0xb66c_7357),
    f32::from_bits(0xb693_5ac1),
    f32::from_bits(0x3965_32db),
    f32::from_bits(0xbaa4_5408),
    f32::from_bits(0xbb88_e4ef),
    f32::from_bits(0x3e7c_8f63),
    f32::from_bits(0x3fc0_2e2f),
];
/// Coefficients for w >= 5.
const TAIL: [f32; 9] = [
    f32::from_bits(0xb951_f09b),
    f32::from_bits(0x38d3_b56b),
    f32::from_bits(0x3ab0_dc72),
    f32::from_bits(0xbb70_bde7),
    f32::from_bits(0x3bbc_127b),
    f32::from_bits(0xbbf9_c5d7),
    f32::from_bits(0x3c1a_a57e),
    f32::from_bits(0x3f80_36db),
    f32::from_bits(0x4035_4f7e),
];

/// sqrt(2) erfinv(x) for x strictly between -1 and 1.
fn normal_quantile(x: f32) -> f32 {
    let w = -log::<Soft>(Soft::fma(-x, x, 1.0));
    let (w, table) = if w < 5.0 {
        (w - 2.5, &CENTRE)
    } else {
        (w.sqrt() - 3.0, &TAIL)
    };
    let mut p = table[0];
    for c in &table[1..] {
        p = Soft::fma(p, w, *c);
    }
    (p * x) * f32::from_bits(0x3fb5_04f3)
}

#[cfg(test)]
#[path = "random_tests.rs"]
mod tests;
