//! Domain-separated hashing.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hex_text::hex_text;

/// A 32-byte BLAKE3 digest. Text form: 64 lower-case hexadecimal characters.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Digest(pub [u8; 32]);

hex_text!(Digest, 32);

impl Digest {
    /// All zero bytes: a placeholder, never the digest of anything known.
    pub const ZERO: Digest = Digest([0; 32]);

    /// Hashes `parts` in `domain`.
    ///
    /// BLAKE3 in its key-derivation mode separates domains; each part is preceded by its length
    /// (u64, little endian), so `["ab"]`, `["a", "b"]` and `["ab", ""]` differ.
    pub fn of(domain: &'static str, parts: &[&[u8]]) -> Digest {
        let mut hasher = Hasher::new(domain);
        for part in parts {
            hasher.part(part);
        }
        hasher.finish()
    }

    /// Hashes one byte string in `domain`, without its length before it: a string whose length is a
    /// multiple of 1,024 fills BLAKE3's chunks, which are then hashed side by side. A domain is for
    /// this function or for [`Digest::of`], never for both.
    pub fn of_bytes(domain: &'static str, bytes: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(domain);
        hasher.update(bytes);
        Digest(*hasher.finalize().as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// [`Digest::of`] for parts that arrive one after another.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher for `domain`.
    pub fn new(domain: &'static str) -> Hasher {
        Hasher(blake3::Hasher::new_derive_key(domain))
    }

    /// Adds one part, preceded by its length.
    pub fn part(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The digest of the parts added so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_domains_are_separated() {
        let all = [
            Digest::of("a", &[]),
            Digest::of("a", &[b""]),
            Digest::of("a", &[b"xy"]),
            Digest::of("a", &[b"x", b"y"]),
            Digest::of("a", &[b"xy", b""]),
            Digest::of("b", &[b"xy"]),
        ];
        for (i, left) in all.iter().enumerate() {
            for right in &all[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            Digest::of("assay/test/v1", &[b"one", b"two"]).to_string(),
            "141b9bebf409a03c98f445d634351f55173dc82452c6366441e00ae8358f386e"
        );
        let whole = blake3::derive_key("assay/test/bytes/v1", b"one");
        assert_eq!(
            Digest::of_bytes("assay/test/bytes/v1", b"one"),
            Digest(whole)
        );
    }

    #[test]
    fn one_text_form() {
        let digest = Digest::of("a", &[b"x"]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }
}
