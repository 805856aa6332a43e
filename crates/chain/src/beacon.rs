//! The random beacon: one threshold signature per height.
//!
//! When a validator has seen block `h` become final it signs the number `h` with its share of the
//! network key and sends that to the others. Any 2f+1 shares combine to the one valid signature of
//! the network over `h`, and the leader of block `h + 1` puts it in the header. Everybody checks it
//! against the network's one constant public key; its hash is what block `h + 1` draws with.
//!
//! - It cannot be chosen: there is one valid signature per height.
//! - It cannot be known early: at most f shares are dishonest, so it takes f+1 honest ones, and an
//!   honest validator signs `h` only when block `h`, and with it everything the draws of block
//!   `h + 1` depend on, can no longer change.
//! - It can hardly be avoided: honest validators do not vote for a block without the beacon while
//!   they hold it themselves. Without it nothing is drawn in that block, so leaving it out only
//!   puts draws off.
//!
//! Rejected: the seeds that simplex can embed in its own certificates. Validators sign the seed of
//! a view together with their first vote in it, while its block is still open: a leader that shows
//! different blocks to different validators learns the seed and may then push the block whose
//! draws it likes.

use assay_crypto::Digest;
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::bls12381::primitives::ops::{self, threshold};
use commonware_cryptography::bls12381::primitives::variant::{MinSig, PartialSignature};
use commonware_parallel::Sequential;

use crate::header::{BeaconSignature, Header};
use crate::scheme::{Committee, GroupKey, Point};

const BEACON_DOMAIN: &str = "assay/beacon/v1";

/// One validator's share of a height's beacon.
pub type BeaconShare = PartialSignature<MinSig>;

/// Checks beacons of one network.
#[derive(Clone, Debug)]
pub(crate) struct BeaconVerifier {
    namespace: Vec<u8>,
    group: GroupKey,
}

impl BeaconVerifier {
    pub(crate) fn new(genesis: &Digest, group: GroupKey) -> Self {
        Self {
            namespace: [b"assay/beacon/v1/".as_slice(), &genesis.0].concat(),
            group,
        }
    }

    /// Whether `beacon` is the network's signature over `height`.
    pub(crate) fn is_valid(&self, height: u64, beacon: &BeaconSignature) -> bool {
        Point::decode(Copying(&beacon.0)).is_ok_and(|point| self.point_is_valid(height, &point))
    }

    fn point_is_valid(&self, height: u64, point: &Point) -> bool {
        let message = height.to_le_bytes();
        ops::verify_message::<MinSig>(&self.group, &self.namespace, &message, point).is_ok()
    }

    /// Whether the beacon field of `header` is as it must be on `parent`.
    pub(crate) fn header_is_valid(&self, parent: &Header, header: &Header) -> bool {
        match &header.beacon {
            None => true,
            Some(beacon) => parent.height.0 > 0 && self.is_valid(parent.height.0, beacon),
        }
    }

    /// Signs a height that became final here.
    pub(crate) fn sign(&self, share: &Share, height: u64) -> BeaconShare {
        threshold::sign_message::<MinSig>(share, &self.namespace, &height.to_le_bytes())
    }

    /// Whether a share is what its signer must send for `height`.
    pub(crate) fn share_is_valid(
        &self,
        committee: &Committee,
        height: u64,
        share: &BeaconShare,
    ) -> bool {
        let message = height.to_le_bytes();
        threshold::verify_message::<MinSig>(committee, &self.namespace, &message, share).is_ok()
    }

    /// Combines 2f+1 shares. `None` when one of them is wrong.
    pub(crate) fn recover<'a>(
        &self,
        committee: &Committee,
        height: u64,
        shares: impl Iterator<Item = &'a BeaconShare>,
    ) -> Option<BeaconSignature> {
        let point = threshold::recover::<MinSig, _>(committee, shares, &Sequential).ok()?;
        self.point_is_valid(height, &point).then(|| {
            let mut bytes = [0u8; 48];
            bytes.copy_from_slice(&point.encode());
            BeaconSignature(bytes)
        })
    }
}

/// The randomness that executing a block with this header uses: [`Digest::ZERO`], which the
/// ledger takes as "draw nothing", when it carries no beacon.
pub fn beacon(header: &Header) -> Digest {
    header.beacon.map_or(Digest::ZERO, |beacon| {
        Digest::of(BEACON_DOMAIN, &[&beacon.0])
    })
}
