//! A key that its holder keeps to itself and later hands to one receiver in public: everybody can check
//! that it is the very key it bound itself to, and the receiver alone can read it.
//!
//! The group is Ristretto255 (RFC 9496) with base point `G`; `B` is the image of what the key is for under
//! the map of section 4.3.4.
//!
//! ```text
//! lock       A = a G                      before: the holder's commitment
//! key        S = a B                      only the holder can compute it
//! release    C1 = r G,  C2 = S + r R      ElGamal encryption of S to the receiver's key R
//! proof      of (a, r):  A = a G,  C1 = r G,  C2 = a B + r R
//! shown      S, with a proof that log_G A = log_B S, or that log_G R = log_C1 (C2 - S)
//! ```
//!
//! Both proofs are Schnorr proofs for linear relations, made non-interactive by hashing (Maurer, *Unifying
//! zero-knowledge proofs of knowledge*, 2009, section 5; for `shown`: Chaum and Pedersen 1992). That `S`
//! cannot be told from a random point until then rests on the decisional Diffie-Hellman assumption, with
//! `B` as good as random.

mod same_log;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Digest;
use crate::aead::FileKey;
use crate::group::{encode, point, scalar, scalars, wide};
use crate::hex_text::hex_text;
use same_log::SameLog;

/// The public half of a [`LockSecret`]: a lock of somebody who will release a key, or where one is
/// released to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LockKey(pub [u8; 32]);

hex_text!(LockKey, 32);

/// A released key, encrypted to its receiver: `C1` and `C2`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Released(pub [u8; 64]);

hex_text!(Released, 64);

/// That a [`Released`] holds the key of a lock: challenge and two responses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ReleaseProof(pub [u8; 96]);

hex_text!(ReleaseProof, 96);

/// A released key and the proof that it is the right one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Release {
    /// The key, for its receiver.
    pub released: Released,
    /// The proof, for everybody.
    pub proof: ReleaseProof,
}

/// A secret scalar; erased from memory when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LockSecret(Scalar);

/// The key itself; erased from memory when dropped, never printed. Keys of files are derived from it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct LockedKey([u8; 32]);

/// A key that somebody shows to a third party, with the proof that it is the right one.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shown {
    key: [u8; 32],
    proof: [u8; 64],
}

/// A lock that locks nothing: no canonical encoding of a point, or the neutral element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is no Ristretto255 point of full order in its canonical encoding")]
pub struct BadLock(pub LockKey);

/// A release that does not hold the key of its lock, or not for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the release does not prove that it holds the key behind the lock")]
pub struct BadRelease;

impl std::fmt::Debug for LockSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockSecret")
    }
}

impl std::fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockedKey")
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

/// As hexadecimal text, key first: who puts it where everybody can read it wants everybody to know the key.
impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode([&self.key[..], &self.proof].concat()))
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Shown, D::Error> {
        let mut bytes = [0; 96];
        let text = <String as Deserialize>::deserialize(from)?;
        hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Shown {
            key: std::array::from_fn(|at| bytes[at]),
            proof: std::array::from_fn(|at| bytes[32 + at]),
        })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl LockKey {
    /// Refuses a key that locks nothing or to which nothing can be released.
    ///
    /// # Errors
    /// [`BadLock`].
    pub fn check(&self) -> Result<(), BadLock> {
        point(&self.0).map(drop).ok_or(BadLock(*self))
    }
}

impl LockSecret {
    /// The secret that `seed` stands for.
    pub fn from_seed(seed: &[u8; 32]) -> LockSecret {
        LockSecret(scalar("assay/lock/secret/v1", &[seed]))
    }

    /// The matching public key.
    pub fn public(&self) -> LockKey {
        LockKey(encode(&(self.0 * G)))
    }

    /// The key that this secret locks for one use.
    pub fn key(&self, of: &Digest) -> LockedKey {
        LockedKey(encode(&(self.0 * base(of))))
    }

    /// Releases the key of one use to a receiver. `rng32` must be fresh and secret.
    ///
    /// # Errors
    /// [`BadLock`] for a receiver to which nothing can be released.
    pub fn release(&self, of: &Digest, to: &LockKey, rng32: &[u8; 32]) -> Result<Release, BadLock> {
        let receiver = point(&to.0).ok_or(BadLock(*to))?;
        let base = base(of);
        let drawn = |purpose: &[u8]| {
            let mut secret = self.0.to_bytes();
            let parts: [&[u8]; 5] = [purpose, &secret, rng32, &of.0, &to.0];
            let drawn = scalar("assay/lock/random/v1", &parts);
            secret.zeroize();
            drawn
        };
        let mut r = drawn(b"r");
        let first = r * G;
        let second = self.0 * base + r * receiver;
        let released = Released(join(encode(&first), encode(&second)));
        let (mut ka, mut kr) = (drawn(b"ka"), drawn(b"kr"));
        let commitments = [ka * G, kr * G, ka * base + kr * receiver];
        let challenge = release_challenge(of, (&self.public(), to), &released, &commitments);
        let responses = [ka + challenge * self.0, kr + challenge * r];
        for secret in [&mut r, &mut ka, &mut kr] {
            secret.zeroize();
        }
        let mut proof = [0; 96];
        let parts = [challenge, responses[0], responses[1]];
        for (place, part) in proof.chunks_exact_mut(32).zip(parts) {
            place.copy_from_slice(part.as_bytes());
        }
        let proof = ReleaseProof(proof);
        Ok(Release { released, proof })
    }

    /// Shows the key of one use to somebody else, as the one who locked it.
    pub fn show(&self, of: &Digest) -> Shown {
        let base = base(of);
        let key = self.0 * base;
        self.shown(&key, &SameLog::of_lock(of, self.public(), base, key))
    }

    fn shown(&self, key: &RistrettoPoint, relation: &SameLog) -> Shown {
        Shown {
            key: encode(key),
            proof: relation.prove(&self.0),
        }
    }
}

impl Release {
    /// Whether it holds, for `to`, the key that `lock` locks for this use.
    ///
    /// # Errors
    /// [`BadRelease`].
    pub fn verify(&self, of: &Digest, lock: &LockKey, to: &LockKey) -> Result<(), BadRelease> {
        self.verified(of, lock, to).ok_or(BadRelease)
    }

    fn verified(&self, of: &Digest, lock: &LockKey, to: &LockKey) -> Option<()> {
        let (locked, receiver) = (point(&lock.0)?, point(&to.0)?);
        let (first, second) = self.released.points()?;
        let [challenge, za, zr] = scalars::<3>(&self.proof.0)?;
        let base = base(of);
        let minus = -challenge;
        let commitments = [
            RistrettoPoint::vartime_double_scalar_mul_basepoint(&minus, &locked, &za),
            RistrettoPoint::vartime_double_scalar_mul_basepoint(&minus, &first, &zr),
            RistrettoPoint::vartime_multiscalar_mul([za, zr, minus], [base, receiver, second]),
        ];
        let expected = release_challenge(of, (lock, to), &self.released, &commitments);
        (expected == challenge).then_some(())
    }
}

impl Released {
    /// Reads the key; `None` for what was not made as [`LockSecret::release`] makes it. Whether it is the
    /// right key only [`Release::verify`] says.
    pub fn open(&self, receiver: &LockSecret) -> Option<LockedKey> {
        Some(LockedKey(encode(&self.opened(receiver)?)))
    }

    /// Shows the key to somebody else, as the one to whom it was released.
    pub fn show(&self, receiver: &LockSecret) -> Option<Shown> {
        let key = self.opened(receiver)?;
        let relation = SameLog::of_release(self, receiver.public(), key)?;
        Some(receiver.shown(&key, &relation))
    }

    fn opened(&self, receiver: &LockSecret) -> Option<RistrettoPoint> {
        let (first, second) = self.points()?;
        Some(second - receiver.0 * first)
    }

    fn points(&self) -> Option<(RistrettoPoint, RistrettoPoint)> {
        let (first, second) = self.0.split_at(32);
        Some((
            point(first.try_into().ok()?)?,
            point(second.try_into().ok()?)?,
        ))
    }
}

impl Shown {
    /// The key, if it is the one that `lock` locks for this use.
    pub fn by_holder(&self, of: &Digest, lock: &LockKey) -> Option<LockedKey> {
        let relation = SameLog::of_lock(of, *lock, base(of), point(&self.key)?);
        self.under(&relation)
    }

    /// The key, if it is the one that was released to `to`.
    pub fn by_receiver(&self, released: &Released, to: &LockKey) -> Option<LockedKey> {
        let relation = SameLog::of_release(released, *to, point(&self.key)?)?;
        self.under(&relation)
    }

    fn under(&self, relation: &SameLog) -> Option<LockedKey> {
        relation.holds(&self.proof)?;
        Some(LockedKey(self.key))
    }
}

impl LockedKey {
    /// The `index`-th file key for `purpose` under it.
    pub fn file_key(&self, purpose: &str, index: u64) -> FileKey {
        FileKey::derive(&self.0, purpose, index)
    }
}

fn release_challenge(
    of: &Digest,
    (lock, to): (&LockKey, &LockKey),
    released: &Released,
    commitments: &[RistrettoPoint; 3],
) -> Scalar {
    let [a, b, c] = commitments.map(|point| encode(&point));
    let parts: [&[u8]; 7] = [&of.0, &lock.0, &to.0, &released.0, &a, &b, &c];
    scalar("assay/lock/release/v1", &parts)
}

/// The point that belongs to what a key is for. Nobody knows its logarithm.
fn base(of: &Digest) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&wide("assay/lock/base/v1", &[&of.0]))
}

fn join(first: [u8; 32], second: [u8; 32]) -> [u8; 64] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&first);
    both[32..].copy_from_slice(&second);
    both
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
