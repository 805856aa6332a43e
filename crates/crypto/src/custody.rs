//! A key in the custody of several people: so many of them open it together, and fewer learn nothing of it.
//!
//! Shamir's sharing (*How to share a secret*, 1979) over the scalars of Ristretto255 (RFC 9496, base point
//! `G`), with Feldman's commitments (*A practical scheme for non-interactive verifiable secret sharing*, 1987):
//!
//! ```text
//! polynomial   a(x) = a_0 + a_1 x + ... + a_(t-1) x^(t-1)      the dealer's; t is the threshold
//! key          a_0
//! points       P_j = a_j G                                     public: they fix the key and every share
//! share i      s_i = a(i + 1)                                  sealed to custodian i, counted from 0
//! check        s_i G = sum over j of (i + 1)^j P_j             by everybody, once the share is shown
//! opened       a_0 = sum over i of s_i L_i(0), with a_0 G = P_0     from any t shares, Lagrange's L_i
//! ```
//!
//! **What it gives.** All sets of t shares that pass the check give the same key, the one in `P_0`; a dealer
//! cannot have two groups open two keys. Fewer than t shares fit every key equally well; what the points say
//! of it rests on the discrete logarithm, and whoever derives from it through a hash ([`CustodyKey::file_key`])
//! learns nothing from them.
//!
//! **What it does not give.** That a *sealed* share is good, only its custodian can see, until it shows it.
//! Publicly verifiable schemes prove that too, and are to take this one's place.

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::aead::FileKey;
use crate::group::{encode, point, scalar, scalars};
use crate::hex_text::{hex_text, parse};
use crate::{Digest, EncryptionKey, EncryptionSecret, SEAL_OVERHEAD, SealError, Sealed};
use crate::{open, seal};

/// Most custodians of one key.
pub const MOST_CUSTODIANS: usize = 64;

/// Bytes of a sealed share.
pub const SEALED_SHARE: usize = 32 + SEAL_OVERHEAD;

/// One of the points that fix a key and its shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct CustodyPoint(pub [u8; 32]);

hex_text!(CustodyPoint, 32);

/// What a dealer draws a key and its shares from; erased from memory when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CustodySecret([u8; 32]);

/// One custodian's share; whoever shows it shows it to everybody. Erased from memory when dropped, never
/// printed by accident.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, BorshSerialize, BorshDeserialize)]
pub struct KeyShare([u8; 32]);

/// The key itself. Public once it is opened; never printed by accident.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, BorshSerialize, BorshDeserialize)]
pub struct CustodyKey([u8; 32]);

/// A key as it was dealt: public.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dealing {
    /// As many points as shares open the key.
    pub points: Vec<CustodyPoint>,
    /// A share for each custodian, in their order.
    pub sealed: Vec<Sealed>,
}

/// Why nothing can be dealt like this, or a dealing is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadDealing {
    /// The threshold is none.
    #[error(
        "a threshold of {threshold} among {custodians} custodians is none: it is from 1 to their number, of whom there are at most {MOST_CUSTODIANS}"
    )]
    Threshold {
        /// Shares that open the key.
        threshold: usize,
        /// Custodians.
        custodians: usize,
    },
    /// There are more or fewer points than the threshold.
    #[error("the dealing has {found} points, and {threshold} shares are to open it")]
    Points {
        /// Points.
        found: usize,
        /// Shares that open the key.
        threshold: usize,
    },
    /// There are more or fewer sealed shares than custodians.
    #[error("the dealing has {found} sealed shares for {custodians} custodians")]
    Shares {
        /// Sealed shares.
        found: usize,
        /// Custodians.
        custodians: usize,
    },
    /// A point is none.
    #[error("{0} is no Ristretto255 point of full order in its canonical encoding")]
    Point(CustodyPoint),
    /// A sealed share has another length than all have.
    #[error("a sealed share has {0} bytes, and every one has {SEALED_SHARE}")]
    Length(usize),
    /// A custodian has a key to which nothing can be sealed.
    #[error("{0}")]
    Key(#[from] SealError),
}

impl std::fmt::Debug for CustodySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustodySecret")
    }
}

impl std::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyShare")
    }
}

impl std::fmt::Debug for CustodyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustodyKey")
    }
}

/// Gives a type of 32 bytes a hexadecimal form in serde alone: what is written down is meant to be public.
macro_rules! hex_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let text = <String as Deserialize>::deserialize(from)?;
                let bytes = parse::<32>(&text).map_err(serde::de::Error::custom)?;
                Ok($name(bytes))
            }
        }
    };
}

hex_serde!(KeyShare);
hex_serde!(CustodyKey);

impl CustodyPoint {
    /// Refuses what is no point, or the neutral element: nobody's key is known by it.
    ///
    /// # Errors
    /// [`BadDealing::Point`].
    pub fn check(&self) -> Result<(), BadDealing> {
        match point(&self.0) {
            Some(_) => Ok(()),
            None => Err(BadDealing::Point(*self)),
        }
    }
}

impl CustodySecret {
    /// The secret that `seed` stands for; the seed must be fresh and secret.
    pub fn from_seed(seed: &[u8; 32]) -> CustodySecret {
        CustodySecret(Digest::of("assay/custody/secret/v1", &[seed]).0)
    }

    /// The key, which it has before it is dealt: whatever it encrypts may be stored first.
    pub fn key(&self) -> CustodyKey {
        CustodyKey(self.constant().to_bytes())
    }

    /// What the key will be known by: the first of its points, whoever it is dealt to.
    pub fn commitment(&self) -> CustodyPoint {
        CustodyPoint(encode(&(self.constant() * G)))
    }

    /// Deals the key to custodians, any `threshold` of whom can open it. `of` says what for: it binds every
    /// sealed share, so none counts anywhere else. The same secret deals the same for the same use.
    ///
    /// # Errors
    /// [`BadDealing`] for a threshold that is none, and a custodian to whom nothing can be sealed.
    pub fn deal(
        &self,
        of: &Digest,
        threshold: usize,
        to: &[EncryptionKey],
    ) -> Result<Dealing, BadDealing> {
        check_threshold(threshold, to.len())?;
        let drawn = |purpose: &[u8], index: usize| {
            let index = (index as u64).to_le_bytes();
            Digest::of("assay/custody/drawn/v1", &[&self.0, &of.0, purpose, &index])
        };
        let higher = (1..threshold).map(|index| {
            let drawn = drawn(b"coefficient", index);
            scalar("assay/custody/coefficient/v1", &[&drawn.0])
        });
        let mut polynomial: Vec<Scalar> = std::iter::once(self.constant()).chain(higher).collect();
        let points: Vec<_> = polynomial
            .iter()
            .map(|coefficient| CustodyPoint(encode(&(coefficient * G))))
            .collect();
        let sealed = to.iter().enumerate().map(|(index, to)| {
            let mut share = value_at(&polynomial, index).to_bytes();
            let info = sealed_for(of, index, &points);
            let sealed = seal(to, &info, &share, drawn(b"seal", index).0);
            share.zeroize();
            sealed
        });
        let sealed = sealed.collect::<Result<Vec<_>, _>>();
        polynomial.zeroize();
        Ok(Dealing {
            points,
            sealed: sealed?,
        })
    }

    fn constant(&self) -> Scalar {
        scalar("assay/custody/key/v1", &[&self.0])
    }
}

impl Dealing {
    /// Refuses what is no dealing of a key to so many custodians. Whether the sealed shares are good, each
    /// custodian sees of its own.
    ///
    /// # Errors
    /// [`BadDealing`].
    pub fn check(&self, threshold: usize, custodians: usize) -> Result<(), BadDealing> {
        check_threshold(threshold, custodians)?;
        let found = self.points.len();
        if found != threshold {
            return Err(BadDealing::Points { found, threshold });
        }
        let found = self.sealed.len();
        if found != custodians {
            return Err(BadDealing::Shares { found, custodians });
        }
        self.points.iter().try_for_each(CustodyPoint::check)?;
        let mut lengths = self.sealed.iter().map(|sealed| sealed.0.len());
        match lengths.find(|length| *length != SEALED_SHARE) {
            Some(length) => Err(BadDealing::Length(length)),
            None => Ok(()),
        }
    }

    /// A custodian's own share; `None` where it does not open, or is not the one that the points fix: then
    /// the dealer has dealt badly.
    pub fn share(&self, of: &Digest, index: usize, secret: &EncryptionSecret) -> Option<KeyShare> {
        let info = sealed_for(of, index, &self.points);
        let mut opened = open(secret, &info, self.sealed.get(index)?).ok()?;
        let share = opened.as_slice().try_into().ok().map(KeyShare);
        opened.zeroize();
        share.filter(|share| share.is_of(&self.points, index))
    }
}

impl KeyShare {
    /// Whether it is the share of a custodian, of the key that these points fix.
    pub fn is_of(&self, points: &[CustodyPoint], index: usize) -> bool {
        self.checked(points, index).is_some()
    }

    fn checked(&self, points: &[CustodyPoint], index: usize) -> Option<Scalar> {
        let share = self.scalar()?;
        let fixed = points.iter().map(|of| point(&of.0));
        let fixed = fixed.collect::<Option<Vec<_>>>()?;
        let at = place(index);
        let powers = std::iter::successors(Some(Scalar::ONE), |power| Some(power * at));
        let powers: Vec<Scalar> = powers.take(fixed.len()).collect();
        let expected = RistrettoPoint::vartime_multiscalar_mul(&powers, &fixed);
        (!fixed.is_empty() && share * G == expected).then_some(share)
    }

    fn scalar(&self) -> Option<Scalar> {
        scalars::<1>(&self.0).map(|[scalar]| scalar)
    }
}

impl CustodyKey {
    /// Puts the key together from shares, each with its custodian. Shares that are not what the points fix,
    /// and those of a custodian that comes twice, count for nothing; `None` where the others are too few.
    pub fn open(points: &[CustodyPoint], shares: &[(usize, KeyShare)]) -> Option<CustodyKey> {
        let mut good: Vec<(Scalar, Scalar)> = Vec::with_capacity(points.len());
        for (index, share) in shares {
            if good.len() == points.len() {
                break;
            }
            let at = place(*index);
            if good.iter().all(|(known, _)| *known != at)
                && let Some(share) = share.checked(points, *index)
            {
                good.push((at, share));
            }
        }
        if points.is_empty() || good.len() < points.len() {
            return None;
        }
        let key = at_zero(&good);
        let fixed = points.first().and_then(|of| point(&of.0));
        (fixed == Some(key * G)).then(|| CustodyKey(key.to_bytes()))
    }

    /// Whether it is the key behind a commitment.
    pub fn is_of(&self, commitment: &CustodyPoint) -> bool {
        let key = scalars::<1>(&self.0).map(|[key]| key * G);
        key.is_some() && key == point(&commitment.0)
    }

    /// The `index`-th file key for `purpose` under it.
    pub fn file_key(&self, purpose: &str, index: u64) -> FileKey {
        FileKey::derive(&self.0, purpose, index)
    }
}

fn check_threshold(threshold: usize, custodians: usize) -> Result<(), BadDealing> {
    let most = custodians.min(MOST_CUSTODIANS);
    match (1..=most).contains(&threshold) && custodians <= MOST_CUSTODIANS {
        true => Ok(()),
        false => Err(BadDealing::Threshold {
            threshold,
            custodians,
        }),
    }
}

/// Where a custodian's share is the value of the polynomial: never at 0, where the key is.
fn place(index: usize) -> Scalar {
    Scalar::from((index as u64).saturating_add(1))
}

fn value_at(polynomial: &[Scalar], index: usize) -> Scalar {
    let at = place(index);
    let highest_first = polynomial.iter().rev();
    highest_first.fold(Scalar::ZERO, |sum, coefficient| sum * at + coefficient)
}

/// The value at 0 of the polynomial through these values, whose places are distinct and none of them 0.
fn at_zero(values: &[(Scalar, Scalar)]) -> Scalar {
    let weighted = values.iter().map(|(at, value)| {
        let others = values.iter().filter(|(other, _)| other != at);
        let (above, below) = others
            .fold((Scalar::ONE, Scalar::ONE), |(above, below), (other, _)| {
                (above * other, below * (other - at))
            });
        value * above * below.invert()
    });
    weighted.sum()
}

/// What a share is sealed under: what the key is for, whose share it is, and the points that fix it.
fn sealed_for(of: &Digest, index: usize, points: &[CustodyPoint]) -> Vec<u8> {
    let points: Vec<u8> = points.iter().flat_map(|point| point.0).collect();
    let index = (index as u64).to_le_bytes();
    let bound = Digest::of("assay/custody/share/v1", &[&of.0, &index, &points]);
    bound.0.to_vec()
}

#[cfg(test)]
#[path = "custody_tests.rs"]
mod tests;
