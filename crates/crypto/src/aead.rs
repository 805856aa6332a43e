//! Encryption of one file's slices: ChaCha20-Poly1305 (RFC 8439), nonce = slice index.
//!
//! A nonce must never repeat under one key. Slice indices are distinct within a file and a
//! [`FileKey`] belongs to one file, whose bytes never change, so none does.

use borsh::{BorshDeserialize, BorshSerialize};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes a ciphertext is longer than its plaintext: the tag.
pub const OVERHEAD: usize = 16;

/// The key of one file; erased from memory when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop, BorshSerialize, BorshDeserialize)]
pub struct FileKey(pub [u8; 32]);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

impl PartialEq for FileKey {
    fn eq(&self, other: &FileKey) -> bool {
        // Without an early exit, so that timing does not tell how many bytes agree.
        self.0
            .iter()
            .zip(other.0)
            .fold(0, |acc, (a, b)| acc | (a ^ b))
            == 0
    }
}

impl Eq for FileKey {}

impl FileKey {
    /// The `index`-th key for `purpose` under a 32-byte `secret`.
    pub fn derive(secret: &[u8; 32], purpose: &str, index: u64) -> FileKey {
        let mut hasher = blake3::Hasher::new_derive_key("assay/file key/v1");
        hasher.update(secret);
        hasher.update(&index.to_le_bytes());
        hasher.update(purpose.as_bytes());
        FileKey(*hasher.finalize().as_bytes())
    }
}

/// A slice too long for the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot encrypt {length} bytes under one nonce: the cipher's limit is 256 GiB")]
pub struct EncryptError {
    /// Length of the plaintext in bytes.
    pub length: usize,
}

/// A slice that is not what its owner encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("slice {index} does not decrypt: wrong key, wrong place, or altered bytes")]
pub struct DecryptError {
    /// Index of the slice in its file.
    pub index: u64,
}

/// Encrypts slice `index`; `aad` is authenticated with it but not stored in the result.
///
/// # Errors
/// [`EncryptError`] above 256 GiB.
pub fn encrypt(
    key: &FileKey,
    index: u64,
    aad: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    encrypt_at(key, &nonce(index), aad, plain)
}

/// Decrypts what [`encrypt`] made with the same `key`, `index` and `aad`.
///
/// # Errors
/// [`DecryptError`] when any of the four differs.
pub fn decrypt(
    key: &FileKey,
    index: u64,
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, DecryptError> {
    ChaCha20Poly1305::new(&Key::from(key.0))
        .decrypt(
            &Nonce::from(nonce(index)),
            Payload {
                msg: ciphertext,
                aad,
            },
        )
        .map_err(|_| DecryptError { index })
}

/// Decrypts bytes of what [`encrypt`] made, which stand at `offset` in it, in place. Nothing is checked: the
/// tag, which is over the whole, is not looked at.
///
/// # Errors
/// [`DecryptError`] beyond the 256 GiB that are encrypted under one nonce.
pub fn decrypt_range(
    key: &FileKey,
    index: u64,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), DecryptError> {
    let mut cipher = ChaCha20::new(&key.0.into(), &nonce(index).into());
    // The first block of the key stream makes the key of the tag (RFC 8439, section 2.8).
    let at = offset.checked_add(64).ok_or(DecryptError { index })?;
    let sought = cipher.try_seek(at).ok();
    let applied = sought.and_then(|()| cipher.try_apply_keystream(bytes).ok());
    applied.ok_or(DecryptError { index })
}

fn encrypt_at(
    key: &FileKey,
    nonce: &[u8; 12],
    aad: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    ChaCha20Poly1305::new(&Key::from(key.0))
        .encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad })
        .map_err(|_| EncryptError {
            length: plain.len(),
        })
}

/// Four zero bytes, then the index in little endian.
fn nonce(index: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8439, section 2.8.2.
    #[test]
    fn rfc8439_vector() {
        let key = FileKey(std::array::from_fn(|i| 0x80 + i as u8));
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = encrypt_at(&key, &nonce, &aad, plain).unwrap();
        let (text, tag) = sealed.split_at(plain.len());
        assert_eq!(hex::encode(&text[..16]), "d31a8d34648e60db7b86afbc53ef7ec2");
        assert_eq!(hex::encode(tag), "1ae10b594f09e26a7e902ecbd0600691");
    }

    #[test]
    fn no_range_lies_beyond_what_is_encrypted_under_one_nonce() {
        let key = FileKey([1; 32]);
        for offset in [256 << 30, u64::MAX - 64, u64::MAX - 10] {
            let ranged = decrypt_range(&key, 3, offset, &mut [0; 65]);
            assert_eq!(ranged, Err(DecryptError { index: 3 }), "{offset}");
        }
    }

    #[test]
    fn derived_keys_differ() {
        let keys = [
            FileKey::derive(&[1; 32], "checkpoint", 0),
            FileKey::derive(&[1; 32], "checkpoint", 1),
            FileKey::derive(&[1; 32], "manifest", 0),
            FileKey::derive(&[2; 32], "checkpoint", 0),
        ];
        for (i, left) in keys.iter().enumerate() {
            for right in &keys[i + 1..] {
                assert_ne!(left, right);
            }
        }
        assert_eq!(format!("{:?}", keys[0]), "FileKey");
    }

    proptest! {
        #[test]
        fn decrypts_only_the_same_slice(
            key: [u8; 32], index: u64, aad: Vec<u8>, plain: Vec<u8>, at: prop::sample::Index,
        ) {
            let key = FileKey(key);
            let sealed = encrypt(&key, index, &aad, &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(&decrypt(&key, index, &aad, &sealed).unwrap(), &plain);
            prop_assert!(decrypt(&key, index ^ 1, &aad, &sealed).is_err());
            let mut damaged = sealed.clone();
            damaged[at.index(sealed.len())] ^= 1;
            prop_assert!(decrypt(&key, index, &aad, &damaged).is_err());
            let mut other = aad.clone();
            other.push(0);
            prop_assert!(decrypt(&key, index, &other, &sealed).is_err());
        }

        #[test]
        fn every_range_is_decrypted_alone(
            key: [u8; 32], index: u64, plain in prop::collection::vec(any::<u8>(), 0..1_000),
            a: prop::sample::Index, b: prop::sample::Index,
        ) {
            let key = FileKey(key);
            let sealed = encrypt(&key, index, b"", &plain).unwrap();
            let (a, b) = (a.index(plain.len() + 1), b.index(plain.len() + 1));
            let (a, b) = (a.min(b), a.max(b));
            let mut range = sealed[a..b].to_vec();
            decrypt_range(&key, index, a as u64, &mut range).unwrap();
            prop_assert_eq!(&range, &plain[a..b]);
        }

        #[test]
        fn never_panics_on_bytes(key: [u8; 32], bytes: Vec<u8>) {
            prop_assert_eq!(decrypt(&FileKey(key), 3, b"", &bytes), Err(DecryptError { index: 3 }));
        }
    }
}
