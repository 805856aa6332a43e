//! The signature scheme under the engine, with its types kept inside this crate.

use assay_crypto::{Digest, PublicKey};
use commonware_codec::{Copying, Decode as _, DecodeExt as _};
use commonware_consensus::simplex::scheme::bls12381_threshold::standard;
use commonware_consensus::simplex::types::{Finalization as EngineFinalization, Proposal};
use commonware_consensus::types::Epoch;
use commonware_cryptography::blake3::Digest as EngineDigest;
use commonware_cryptography::bls12381::primitives::sharing::{ModeVersion, Sharing};
use commonware_cryptography::bls12381::primitives::variant::{MinSig, Variant};
use commonware_cryptography::ed25519;
use commonware_utils::ordered::{Quorum as _, Set};
use commonware_utils::{N3f1, NZU32};

/// Validator identity on the wire: the same ed25519 key as the ledger account.
pub type Identity = ed25519::PublicKey;
/// Threshold votes: signatures in G1 (48 bytes), keys in G2 (96 bytes).
pub type Scheme = standard::Scheme<Identity, MinSig>;
/// Our header digest in the engine's clothes.
pub type PayloadDigest = EngineDigest;
/// 2f+1 votes that made a block final.
pub(crate) type Finalization = EngineFinalization<Scheme, PayloadDigest>;
/// The network's public key.
pub(crate) type GroupKey = <MinSig as Variant>::Public;
/// A point of the signature group.
pub(crate) type Point = <MinSig as Variant>::Signature;
/// Public polynomial of the validators' shares.
pub(crate) type Committee = Sharing<MinSig>;

/// The only epoch: a fixed validator set.
pub(crate) const EPOCH: Epoch = Epoch::zero();

/// Most validators a genesis may name.
pub const MAX_VALIDATORS: u32 = 64;

/// Why a genesis cannot be used by the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// No validators, or more than [`MAX_VALIDATORS`].
    #[error("the genesis names {0} validators; between 1 and {MAX_VALIDATORS} are allowed")]
    Size(usize),
    /// A validator appears twice.
    #[error("the genesis names a validator twice")]
    Duplicate,
    /// A validator's key is not a usable ed25519 key.
    #[error("validator key {0} is not a valid ed25519 point")]
    Identity(PublicKey),
    /// The beacon key does not decode.
    #[error("the beacon key of the genesis is malformed: copy the genesis file again")]
    Malformed,
    /// The beacon key belongs to another number of validators or another threshold.
    #[error("the beacon key of the genesis does not belong to its {0} validators")]
    Mismatch(usize),
}

pub(crate) fn engine_digest(digest: Digest) -> PayloadDigest {
    EngineDigest(digest.0)
}

pub(crate) fn own_digest(digest: PayloadDigest) -> Digest {
    Digest(digest.0)
}

pub(crate) fn identity(key: &PublicKey) -> Result<Identity, CommitteeError> {
    Identity::decode(Copying(&key.0)).map_err(|_| CommitteeError::Identity(*key))
}

/// The validators in the engine's order, which is the order of their key bytes.
pub(crate) fn identities(validators: &[PublicKey]) -> Result<Set<Identity>, CommitteeError> {
    if validators.is_empty() || validators.len() > MAX_VALIDATORS as usize {
        return Err(CommitteeError::Size(validators.len()));
    }
    let keys: Vec<Identity> = validators.iter().map(identity).collect::<Result<_, _>>()?;
    Set::try_from(keys).map_err(|_| CommitteeError::Duplicate)
}

/// Decodes and checks a genesis beacon key. The engine panics on a mismatched committee, so it
/// is refused here.
pub(crate) fn committee(
    beacon_key: &[u8],
    participants: &Set<Identity>,
) -> Result<Committee, CommitteeError> {
    let config = (NZU32!(MAX_VALIDATORS), ModeVersion::v0());
    let committee = Committee::decode_cfg(Copying(beacon_key), &config)
        .map_err(|_| CommitteeError::Malformed)?;
    let size = participants.len();
    if committee.total().get() as usize != size
        || committee.required() != participants.quorum::<N3f1>()
    {
        return Err(CommitteeError::Mismatch(size));
    }
    Ok(committee)
}

/// Domain of every vote and certificate of one network.
pub(crate) fn namespace(genesis: &Digest) -> Vec<u8> {
    [b"assay/chain/v1/".as_slice(), &genesis.0].concat()
}

/// A scheme that only checks certificates.
pub(crate) fn verifier(genesis: &Digest, group: GroupKey) -> Scheme {
    Scheme::certificate_verifier(&namespace(genesis), group)
}

/// What a finalization certificate signs, as plain values.
pub(crate) fn certified(finalization: &Finalization) -> (u64, Digest) {
    let Proposal { round, payload, .. } = &finalization.proposal;
    (round.view().get(), own_digest(*payload))
}
