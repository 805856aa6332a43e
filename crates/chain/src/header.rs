//! Block headers: the part of a block that certificates sign and light clients keep.
//!
//! The byte map is in `docs/chain.md`. A header has a fixed size, so its digest is over exactly
//! one encoding, and nothing in it has to be parsed before it is hashed.

use assay_crypto::Digest;
use assay_ledger::Height;

/// Version byte of every header and block written by this crate.
pub const VERSION: u8 = 1;

/// Bytes of an encoded [`Header`].
pub const HEADER_BYTES: usize = 1 + 8 + 32 + 8 + 8 + 48 + 32 + 32 + 32;

const HEADER_DOMAIN: &str = "assay/header/v1";

/// A compressed BLS12-381 G1 point: the threshold signature of the validators over a height.
///
/// There is exactly one valid signature per height and network key, so nobody can choose it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BeaconSignature(pub [u8; 48]);

impl BeaconSignature {
    /// Stands for "no signature" in the encoding; it is not a valid point.
    pub(crate) const ABSENT: Self = Self([0; 48]);
}

impl std::fmt::Debug for BeaconSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BeaconSignature(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// What validators agree on for one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Distance from genesis; genesis is 0.
    pub height: Height,
    /// Digest of the header at `height - 1`.
    pub parent: Digest,
    /// Consensus view in which the block was proposed; grows along the chain, with gaps where a
    /// leader failed.
    pub view: u64,
    /// Milliseconds since the Unix epoch by the proposer's clock; above the parent's, and not
    /// ahead of the clocks of the validators that voted.
    pub timestamp_ms: u64,
    /// Beacon of the parent's height. Absent on the first block, and where the parent was not
    /// final when the block was proposed; nothing is drawn in a block without it.
    pub beacon: Option<BeaconSignature>,
    /// Merkle root over the digests of the encoded transactions, in block order.
    pub tx_root: Digest,
    /// Root of the authenticated state after this block.
    pub state_root: Digest,
    /// Root over the receipts of this block.
    pub receipts_root: Digest,
}

/// Why bytes are not a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Wrong number of bytes.
    #[error("a header is {HEADER_BYTES} bytes, got {0}: fetch it again")]
    Length(usize),
    /// A version this program does not know.
    #[error("header version {0} is not supported (this program knows {VERSION}): update it")]
    Version(u8),
}

impl Header {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0u8; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[VERSION]);
        put(&self.height.0.to_le_bytes());
        put(&self.parent.0);
        put(&self.view.to_le_bytes());
        put(&self.timestamp_ms.to_le_bytes());
        put(&self.beacon.unwrap_or(BeaconSignature::ABSENT).0);
        put(&self.tx_root.0);
        put(&self.state_root.0);
        put(&self.receipts_root.0);
        out
    }

    /// Reads the canonical bytes. Any bytes of that length with a known version are a header: whether its
    /// contents are true is for certificates and execution to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_BYTES] = bytes
            .try_into()
            .map_err(|_| HeaderError::Length(bytes.len()))?;
        if bytes[0] != VERSION {
            return Err(HeaderError::Version(bytes[0]));
        }
        let mut at = 1;
        Ok(Self {
            height: Height(u64::from_le_bytes(take(bytes, &mut at))),
            parent: Digest(take(bytes, &mut at)),
            view: u64::from_le_bytes(take(bytes, &mut at)),
            timestamp_ms: u64::from_le_bytes(take(bytes, &mut at)),
            beacon: present(take(bytes, &mut at)),
            tx_root: Digest(take(bytes, &mut at)),
            state_root: Digest(take(bytes, &mut at)),
            receipts_root: Digest(take(bytes, &mut at)),
        })
    }

    /// The block's identity: what children name as parent and certificates sign.
    pub fn digest(&self) -> Digest {
        Digest::of(HEADER_DOMAIN, &[&self.to_bytes()])
    }
}

/// Copies `N` bytes at `at` and moves it; the caller's layout adds up to `HEADER_BYTES`.
fn take<const N: usize>(bytes: &[u8; HEADER_BYTES], at: &mut usize) -> [u8; N] {
    let mut out = [0u8; N];
    out.copy_from_slice(&bytes[*at..*at + N]);
    *at += N;
    out
}

fn present(bytes: [u8; 48]) -> Option<BeaconSignature> {
    let beacon = BeaconSignature(bytes);
    (beacon != BeaconSignature::ABSENT).then_some(beacon)
}
