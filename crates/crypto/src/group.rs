//! Points and scalars of Ristretto255 (RFC 9496) as the bytes that others see.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use zeroize::Zeroize;

/// A point in its canonical encoding, but for the neutral element.
pub(crate) fn point(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    let point = CompressedRistretto(*bytes).decompress()?;
    (point != RistrettoPoint::identity()).then_some(point)
}

/// A point's canonical encoding.
pub(crate) fn encode(point: &RistrettoPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// So many scalars in their canonical encoding, one after the other.
pub(crate) fn scalars<const N: usize>(bytes: &[u8]) -> Option<[Scalar; N]> {
    let mut all = [Scalar::ZERO; N];
    for (scalar, bytes) in all.iter_mut().zip(bytes.chunks_exact(32)) {
        *scalar = Option::from(Scalar::from_canonical_bytes(bytes.try_into().ok()?))?;
    }
    Some(all)
}

/// A scalar as good as random, fixed by what it is made of.
pub(crate) fn scalar(domain: &'static str, parts: &[&[u8]]) -> Scalar {
    let mut wide = wide(domain, parts);
    let scalar = Scalar::from_bytes_mod_order_wide(&wide);
    wide.zeroize();
    scalar
}

/// 64 bytes as good as random: [`Digest::of`](crate::Digest::of) stretched.
pub(crate) fn wide(domain: &'static str, parts: &[&[u8]]) -> [u8; 64] {
    let mut out = [0; 64];
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize_xof().fill(&mut out);
    out
}
