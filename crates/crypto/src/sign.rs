//! Ed25519 signatures with a domain per use.

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use thiserror::Error;

use crate::hex_text::hex_text;
use crate::{Digest, EncryptionSecret};

/// Prefix of every signed message, so that a key used elsewhere (a TLS certificate, say) can
/// never produce bytes that count as one of our signatures.
const PREFIX: &[u8; 18] = b"assay/signature/v1";

/// The name of a key holder: 32 bytes of an Ed25519 public key.
///
/// Any 32 bytes decode, because most keys are only compared; [`PublicKey::check`] and
/// [`PublicKey::verify`] accept canonical encodings of points of full order only, so each holder
/// has exactly one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

hex_text!(PublicKey, 32);
hex_text!(Signature, 64);

/// A signature that does not match its key, domain and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not match the key, the domain and the message")]
pub struct BadSignature;

/// Bytes that name no usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a public key: the bytes are no canonical point of full order; check for a typing error"
)]
pub struct BadPublicKey;

impl PublicKey {
    /// Whether somebody can hold the secret of this key.
    ///
    /// # Errors
    /// [`BadPublicKey`] for bytes that are no point, a non-canonical encoding, or a point of
    /// small order.
    pub fn check(&self) -> Result<(), BadPublicKey> {
        self.point().map(|_| ()).ok_or(BadPublicKey)
    }

    /// Verifies `signature` over `message` in `domain`.
    ///
    /// # Errors
    /// [`BadSignature`], also for a key that [`PublicKey::check`] refuses.
    pub fn verify(
        &self,
        domain: &'static str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_bytes(&to_sign(domain, message), signature)
    }

    fn verify_bytes(&self, bytes: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = self.point().ok_or(BadSignature)?;
        key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| BadSignature)
    }

    /// The point, if the encoding is canonical and the order full. `from_bytes` alone would
    /// accept a y coordinate at or above the field's modulus: a second name for the same key. The
    /// other odd encoding, a sign bit where x is 0, belongs to points of small order only.
    fn point(&self) -> Option<VerifyingKey> {
        if !self.is_reduced() {
            return None;
        }
        VerifyingKey::from_bytes(&self.0)
            .ok()
            .filter(|key| !key.is_weak())
    }

    /// Whether y is below the modulus 2^255 - 19; the top bit holds the sign of x.
    fn is_reduced(&self) -> bool {
        let [low, middle @ .., high] = &self.0;
        *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
    }
}

/// An account's secret: a 32-byte seed from which the signing and the decryption key follow.
/// Erased from memory when dropped, never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

impl SecretKey {
    /// The key of a uniformly random `seed`.
    pub fn from_seed(seed: [u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(&seed))
    }

    /// The seed, for the key file.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The matching public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` in `domain`.
    pub fn sign(&self, domain: &'static str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&to_sign(domain, message)).to_bytes())
    }

    /// The decryption key that belongs to this account, derived in a context of its own.
    pub fn encryption(&self) -> EncryptionSecret {
        let seed = self.seed();
        let ikm = zeroize::Zeroizing::new(blake3::derive_key("assay/encryption key/v1", &*seed));
        EncryptionSecret::from_seed(&ikm)
    }
}

/// What Ed25519 signs: the prefix and the digest of the message in its domain.
fn to_sign(domain: &'static str, message: &[u8]) -> [u8; 50] {
    let mut bytes = [0; 50];
    let (prefix, digest) = bytes.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    digest.copy_from_slice(&Digest::of(domain, &[message]).0);
    bytes
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
