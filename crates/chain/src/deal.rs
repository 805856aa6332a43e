//! Threshold key shares from a trusted dealer, for development networks.
//!
//! The dealer sees the whole secret while it runs, so whoever ran it could predict the beacon and
//! forge certificates. A real network needs a distributed key generation instead, in which no
//! machine ever holds the secret; it is not built yet.

use assay_crypto::{PublicKey, stream::Stream};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::bls12381::dkg::feldman_desmedt as dkg;
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::bls12381::primitives::sharing::Mode;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_utils::N3f1;
use zeroize::Zeroizing;

use crate::scheme::{CommitteeError, identities};

/// One validator's secret share of the network key. Not printed; wiped when dropped.
#[derive(Clone)]
pub struct ThresholdShare(Zeroizing<Vec<u8>>);

/// Bytes that are not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the threshold share is malformed: use the file the dealer wrote for this validator")]
pub struct MalformedShare;

impl ThresholdShare {
    /// Encoded share, to be kept as secret as the validator's own key.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.clone()
    }

    /// Reads [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedShare> {
        Share::decode(Copying(bytes)).map_err(|_| MalformedShare)?;
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    pub(crate) fn share(&self) -> Result<Share, MalformedShare> {
        Share::decode(Copying(&self.0)).map_err(|_| MalformedShare)
    }
}

impl std::fmt::Debug for ThresholdShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ThresholdShare(..)")
    }
}

/// What a dealer hands out.
#[derive(Debug, Clone)]
pub struct Dealt {
    /// Public polynomial of the shares, for `Genesis::beacon_key`. Its constant term is the
    /// network key that verifies every certificate and seed.
    pub beacon_key: Vec<u8>,
    /// Each validator's share, in order of validator keys.
    pub shares: Vec<(PublicKey, ThresholdShare)>,
}

/// Deals shares of a fresh network key to `validators`, so that any 2f+1 of n = 3f+1 can sign.
/// Equal seeds give equal keys; use 32 bytes of real randomness.
pub fn deal(validators: &[PublicKey], seed: [u8; 32]) -> Result<Dealt, CommitteeError> {
    let players = identities(validators)?;
    let random = DealerRandom(Stream::new(
        assay_crypto::Digest(seed),
        "assay/dealer/v1",
        0,
    ));
    let (output, shares) = dkg::deal::<MinSig, _, N3f1>(random, Mode::NonZeroCounter, players)
        .map_err(|_| CommitteeError::Size(validators.len()))?;
    let mut sorted = validators.to_vec();
    sorted.sort_by_key(|key| key.0);
    let shares = sorted
        .into_iter()
        .zip(shares.values())
        .map(|(key, share)| (key, ThresholdShare(Zeroizing::new(share.encode().to_vec()))))
        .collect();
    Ok(Dealt {
        beacon_key: output.public().encode().to_vec(),
        shares,
    })
}

/// The stream cipher in the shape the engine's key generation asks for.
struct DealerRandom(Stream);

impl rand_core::TryRng for DealerRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0u8; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for DealerRandom {}
