//! Messages only one key holder can open: HPKE (RFC 9180) in base mode with
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.

use std::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Hasher;
use crate::hex_text::hex_text;

/// Bytes a sealed message is longer than its plaintext: encapsulated key and tag.
pub const SEAL_OVERHEAD: usize = ENCAPSULATED + 16;

const ENCAPSULATED: usize = 32;

/// An X25519 public key to which messages are sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct EncryptionKey(pub [u8; 32]);

hex_text!(EncryptionKey, 32);

impl EncryptionKey {
    /// Refuses a key to which nothing can be sealed: a point of small order, such as all zeros (RFC
    /// 9180, section 7.1.4).
    ///
    /// # Errors
    /// [`SealError`].
    pub fn check(&self) -> Result<(), SealError> {
        // X25519 secrets are multiples of 8, so with a point of small order every one of them fails.
        seal(self, b"", b"", [0; 32]).map(drop)
    }
}

/// The secret of an [`EncryptionKey`]; erased from memory when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EncryptionSecret([u8; 32]);

/// A sealed message: encapsulated key (32 bytes), ciphertext, tag (16 bytes).
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sealed(pub Vec<u8>);

/// A key to which nothing can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot seal to encryption key {to}: it is no X25519 key of full order")]
pub struct SealError {
    /// The key that was refused.
    pub to: EncryptionKey,
}

/// A sealed message that this key and context do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message was not sealed to this key in this context, or it was altered")]
pub struct OpenError;

impl std::fmt::Debug for EncryptionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptionSecret")
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl EncryptionSecret {
    /// RFC 9180 `DeriveKeyPair` from 32 bytes of key material.
    pub fn from_seed(seed: &[u8; 32]) -> EncryptionSecret {
        let (secret, _) = X25519HkdfSha256::derive_keypair(seed);
        EncryptionSecret(secret.to_bytes().into())
    }

    /// The matching public key.
    pub fn public(&self) -> EncryptionKey {
        // Every 32 bytes are an X25519 secret, so the fallback is never taken.
        self.private().map_or(EncryptionKey([0; 32]), |secret| {
            EncryptionKey(X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into())
        })
    }

    /// Another secret, fixed by this one and by what it is for.
    pub fn derive(&self, domain: &'static str, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Hasher::new(domain);
        hasher.part(&self.0);
        parts.iter().for_each(|part| hasher.part(part));
        hasher.finish().0
    }

    fn private(&self) -> Option<<X25519HkdfSha256 as Kem>::PrivateKey> {
        <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.0).ok()
    }
}

/// Seals `plaintext` to `to`. The same `info` opens it; `rng32` must be fresh and secret.
///
/// # Errors
/// [`SealError`] when `to` is a point of small order (such as all zeros).
pub fn seal(
    to: &EncryptionKey,
    info: &[u8],
    plaintext: &[u8],
    rng32: [u8; 32],
) -> Result<Sealed, SealError> {
    seal_with_aad(to, info, plaintext, b"", rng32)
}

/// Opens what [`seal`] made for `secret` with the same `info`.
///
/// # Errors
/// [`OpenError`] for a message to another key, for other `info`, or damaged on the way.
pub fn open(secret: &EncryptionSecret, info: &[u8], sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
    let secret = secret.private().ok_or(OpenError)?;
    let (key, ciphertext) = sealed.0.split_at_checked(ENCAPSULATED).ok_or(OpenError)?;
    let key = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(key).map_err(|_| OpenError)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &key,
        info,
        ciphertext,
        b"",
    )
    .map_err(|_| OpenError)
}

fn seal_with_aad(
    to: &EncryptionKey,
    info: &[u8],
    plaintext: &[u8],
    aad: &[u8],
    rng32: [u8; 32],
) -> Result<Sealed, SealError> {
    let refuse = |_| SealError { to: *to };
    let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to.0).map_err(refuse)?;
    let (key, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            info,
            plaintext,
            aad,
            &mut Given::new(rng32),
        )
        .map_err(refuse)?;
    let mut sealed = key.to_bytes().to_vec();
    sealed.extend_from_slice(&ciphertext);
    Ok(Sealed(sealed))
}

/// The caller's 32 random bytes as the generator HPKE wants. HPKE draws exactly 32 bytes (the
/// ephemeral key material); any more would continue with bytes derived from them.
struct Given {
    unread: zeroize::Zeroizing<[u8; 32]>,
    used: usize,
}

impl Given {
    fn new(seed: [u8; 32]) -> Given {
        Given {
            unread: zeroize::Zeroizing::new(seed),
            used: 0,
        }
    }
}

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.used == self.unread.len() {
                *self.unread = blake3::derive_key("assay/seal refill/v1", &*self.unread);
                self.used = 0;
            }
            *byte = self.unread[self.used];
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
