//! Equal logarithms, by which a key is shown to a third party (Chaum and Pedersen 1992).

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use zeroize::Zeroize;

use super::{LockKey, Released, encode, join, point, scalar, scalars};
use crate::Digest;

/// The relation `first = x G` and `second = x base`, about something.
pub(super) struct SameLog {
    of: Digest,
    first: LockKey,
    base: RistrettoPoint,
    second: RistrettoPoint,
}

impl SameLog {
    pub(super) fn of_lock(
        of: &Digest,
        lock: LockKey,
        base: RistrettoPoint,
        key: RistrettoPoint,
    ) -> SameLog {
        SameLog {
            of: Digest::of("assay/lock/shown by holder/v1", &[&of.0]),
            first: lock,
            base,
            second: key,
        }
    }

    pub(super) fn of_release(
        released: &Released,
        to: LockKey,
        key: RistrettoPoint,
    ) -> Option<SameLog> {
        let (first, second) = released.points()?;
        Some(SameLog {
            of: Digest::of("assay/lock/shown by receiver/v1", &[&released.0]),
            first: to,
            base: first,
            second: second - key,
        })
    }

    /// The randomness is fixed by secret and relation: it repeats only for the same proof.
    pub(super) fn prove(&self, secret: &Scalar) -> [u8; 64] {
        let mut bytes = secret.to_bytes();
        let parts: [&[u8]; 4] = [
            &bytes,
            &self.of.0,
            &encode(&self.base),
            &encode(&self.second),
        ];
        let mut k = scalar("assay/lock/same log random/v1", &parts);
        bytes.zeroize();
        let challenge = self.challenge(&[k * G, k * self.base]);
        let response = k + challenge * secret;
        k.zeroize();
        join(challenge.to_bytes(), response.to_bytes())
    }

    pub(super) fn holds(&self, proof: &[u8; 64]) -> Option<()> {
        let [challenge, z] = scalars::<2>(proof)?;
        let (minus, first) = (-challenge, point(&self.first.0)?);
        let commitments = [
            RistrettoPoint::vartime_double_scalar_mul_basepoint(&minus, &first, &z),
            RistrettoPoint::vartime_multiscalar_mul([z, minus], [self.base, self.second]),
        ];
        (self.challenge(&commitments) == challenge).then_some(())
    }

    fn challenge(&self, commitments: &[RistrettoPoint; 2]) -> Scalar {
        let [a, b] = commitments.map(|point| encode(&point));
        let parts: [&[u8]; 6] = [
            &self.of.0,
            &self.first.0,
            &encode(&self.base),
            &encode(&self.second),
            &a,
            &b,
        ];
        scalar("assay/lock/same log/v1", &parts)
    }
}
