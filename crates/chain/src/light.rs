//! Checking what a node says, with nothing but the genesis.
//!
//! A certificate is one threshold signature of 2f+1 validators over a header digest, and one
//! constant public key checks all of them. What it does not say is that the header is recent:
//! compare [`Header::timestamp_ms`] with your own clock, and refuse a node that only shows old
//! ones.

use assay_crypto::merkle;
use assay_ledger::{BlockReceipts, Genesis, Receipt};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_parallel::Sequential;
use commonware_utils::sys_rng;

use crate::beacon::BeaconVerifier;
use crate::block::{Block, transaction_leaf};
use crate::header::{HEADER_BYTES, Header, HeaderError};
use crate::scheme::{self, CommitteeError, EPOCH, Finalization, Scheme};

/// Most headers between a header and the certified one above it.
pub const MAX_DESCENDANTS: usize = 64;

/// Longest encoded certificate.
pub const MAX_CERTIFICATE_BYTES: usize = 256;

/// A header and the evidence that it is final.
///
/// Blocks become final with the first certificate on them or on a descendant, so the evidence is
/// a certificate and the headers from this one to the one it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedHeader {
    /// The header in question.
    pub header: Header,
    /// Its descendants up to the certified header; empty when it is certified itself.
    pub descendants: Vec<Header>,
    /// The engine's finalization certificate of the last of these headers.
    pub certificate: Vec<u8>,
}

/// Why evidence does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The bytes are not a certified header.
    #[error("the certified header is malformed: ask another node")]
    Malformed,
    /// A header in it does not decode.
    #[error("a header is malformed")]
    Header(#[from] HeaderError),
    /// The genesis has no usable validator set.
    #[error("the genesis cannot be used")]
    Genesis(#[from] CommitteeError),
    /// A descendant does not name the header below it as parent.
    #[error("header {0} does not follow the one below it: the node is lying")]
    Broken(u64),
    /// The certificate is about another block.
    #[error("the certificate is not about this header: the node is lying")]
    OtherBlock,
    /// The signature does not verify under the network key.
    #[error("the certificate is not signed by the validators of this genesis")]
    BadCertificate,
    /// A Merkle path does not lead to the header's root.
    #[error("the proof does not lead to the header's {0} root: the node is lying")]
    BadProof(&'static str),
    /// The beacon is not the network's signature over the parent's height.
    #[error("header {0} carries a wrong beacon")]
    BadBeacon(u64),
}

impl CertifiedHeader {
    /// Encoding: header, number of descendants, those headers, certificate length, certificate.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.header.to_bytes().to_vec();
        // Both lengths are bounded by the decoder well below the types here.
        out.push(u8::try_from(self.descendants.len()).unwrap_or(u8::MAX));
        for descendant in &self.descendants {
            out.extend_from_slice(&descendant.to_bytes());
        }
        let length = u16::try_from(self.certificate.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.certificate);
        out
    }

    /// Reads [`Self::to_bytes`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LightError> {
        let (header, rest) = split(bytes, HEADER_BYTES)?;
        let (count, mut rest) = split(rest, 1)?;
        let count = usize::from(count[0]);
        if count > MAX_DESCENDANTS {
            return Err(LightError::Malformed);
        }
        let mut descendants = Vec::with_capacity(count);
        for _ in 0..count {
            let (descendant, after) = split(rest, HEADER_BYTES)?;
            descendants.push(Header::decode(descendant)?);
            rest = after;
        }
        let (length, certificate) = split(rest, 2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        if length > MAX_CERTIFICATE_BYTES || certificate.len() != length {
            return Err(LightError::Malformed);
        }
        Ok(Self {
            header: Header::decode(header)?,
            descendants,
            certificate: certificate.to_vec(),
        })
    }
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), LightError> {
    bytes.split_at_checked(at).ok_or(LightError::Malformed)
}

/// Checks evidence against one genesis.
#[derive(Debug, Clone)]
pub struct LightClient {
    scheme: Scheme,
    beacons: BeaconVerifier,
}

impl LightClient {
    /// A client of the network of `genesis`, which must come from a trusted source.
    pub fn new(genesis: &Genesis) -> Result<Self, LightError> {
        let validators: Vec<_> = genesis.validators.iter().map(|v| v.account).collect();
        let participants = scheme::identities(&validators)?;
        let committee = scheme::committee(&genesis.beacon_key, &participants)?;
        let digest = genesis.digest();
        Ok(Self {
            scheme: scheme::verifier(&digest, *committee.public()),
            beacons: BeaconVerifier::new(&digest, *committee.public()),
        })
    }

    /// Checks that `certified.header` is final.
    pub fn verify(&self, certified: &CertifiedHeader) -> Result<(), LightError> {
        if certified.descendants.len() > MAX_DESCENDANTS
            || certified.certificate.len() > MAX_CERTIFICATE_BYTES
        {
            return Err(LightError::Malformed);
        }
        let mut top = &certified.header;
        for descendant in &certified.descendants {
            let follows = descendant.parent == top.digest()
                && Some(descendant.height.0) == top.height.0.checked_add(1);
            if !follows {
                return Err(LightError::Broken(descendant.height.0));
            }
            top = descendant;
        }
        self.verify_certificate(top, &certified.certificate)
    }

    /// Checks that `certificate` makes `header` final.
    pub fn verify_certificate(
        &self,
        header: &Header,
        certificate: &[u8],
    ) -> Result<(), LightError> {
        let finalization =
            Finalization::decode(Copying(certificate)).map_err(|_| LightError::Malformed)?;
        let (view, digest) = scheme::certified(&finalization);
        if finalization.proposal.round.epoch() != EPOCH
            || view != header.view
            || digest != header.digest()
        {
            return Err(LightError::OtherBlock);
        }
        if finalization.verify(&mut sys_rng(), &self.scheme, &Sequential) {
            Ok(())
        } else {
            Err(LightError::BadCertificate)
        }
    }

    pub(crate) fn beacons(&self) -> &BeaconVerifier {
        &self.beacons
    }

    /// Checks the beacon of `header`, whose parent is `parent`. A final header needs no such
    /// check: the validators made it before they voted.
    pub fn verify_beacon(&self, parent: &Header, header: &Header) -> Result<(), LightError> {
        if self.beacons.header_is_valid(parent, header) {
            Ok(())
        } else {
            Err(LightError::BadBeacon(header.height.0))
        }
    }

    /// Checks a value, or its absence, at a final height.
    pub fn verify_state(&self, key: &[u8], proven: &ProvenValue) -> Result<(), LightError> {
        self.verify(&proven.header)?;
        let root = &proven.header.header.state_root;
        if proven.proof.verify(root, key, proven.value.as_deref()) {
            Ok(())
        } else {
            Err(LightError::BadProof("state"))
        }
    }

    /// Checks that a transaction is in a final block with this receipt.
    pub fn verify_transaction(&self, proven: &ProvenTransaction) -> Result<(), LightError> {
        self.verify(&proven.header)?;
        let header = &proven.header.header;
        let (index, count) = (u64::from(proven.index), u64::from(proven.count));
        let leaf = transaction_leaf(&proven.transaction);
        if !proven.path.verify(&header.tx_root, index, count, &leaf) {
            return Err(LightError::BadProof("transaction"));
        }
        // Leaf 0 of the receipts holds the block's own events.
        let leaf = proven.receipt.leaf();
        if !proven
            .receipt_path
            .verify(&header.receipts_root, index + 1, count + 1, &leaf)
        {
            return Err(LightError::BadProof("receipts"));
        }
        Ok(())
    }
}

/// Checks that `certified.header` is final in the network of `genesis`. [`LightClient`] does the
/// same without deriving the network key each time.
pub fn verify(certified: &CertifiedHeader, genesis: &Genesis) -> Result<(), LightError> {
    LightClient::new(genesis)?.verify(certified)
}

/// A state value with its proof.
#[derive(Debug, Clone)]
pub struct ProvenValue {
    /// The value; `None` proves that the key is absent.
    pub value: Option<Vec<u8>>,
    /// Path from the value, or the gap, to the state root.
    pub proof: assay_ledger::root::Proof,
    /// The height it held at.
    pub header: CertifiedHeader,
}

/// A transaction with its receipt and the proof of both.
#[derive(Debug, Clone)]
pub struct ProvenTransaction {
    /// The encoded transaction.
    pub transaction: Vec<u8>,
    /// What became of it.
    pub receipt: Receipt,
    /// Its position in the block.
    pub index: u32,
    /// Transactions in the block.
    pub count: u32,
    /// Path to the header's `tx_root`.
    pub path: merkle::Path,
    /// Path to the header's `receipts_root`.
    pub receipt_path: merkle::Path,
    /// The block that includes it.
    pub header: CertifiedHeader,
}

impl ProvenTransaction {
    /// `None` when there is no transaction or receipt `index`.
    pub(crate) fn new(
        header: CertifiedHeader,
        block: &Block,
        receipts: &BlockReceipts,
        index: u32,
    ) -> Option<Self> {
        let at = usize::try_from(index).ok()?;
        let leaves = block
            .transactions
            .iter()
            .map(|tx| transaction_leaf(tx))
            .collect();
        Some(Self {
            transaction: block.transactions.get(at)?.clone(),
            receipt: receipts.receipts.get(at)?.clone(),
            index,
            count: u32::try_from(block.transactions.len()).ok()?,
            path: merkle::Tree::new(leaves).path(u64::from(index))?,
            receipt_path: receipts.tree().path(u64::from(index) + 1)?,
            header,
        })
    }
}
