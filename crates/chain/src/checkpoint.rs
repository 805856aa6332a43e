//! The whole state at one height, to begin from in place of the genesis.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize as _, BorshSerialize as _};

use crate::light::{CertifiedHeader, LightError};

/// What a file of a checkpoint begins with.
const MAGIC: &[u8] = b"assay checkpoint v1\n";

/// The whole state after a final block, with the evidence that the block is final.
///
/// Whoever hands one out is not believed: [`Replay::resume`](crate::replay::Replay::resume) checks the evidence
/// against the genesis, and the state against the root that the validators signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The block.
    pub header: CertifiedHeader,
    /// Every pair of the state after it.
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// They begin in another way.
    #[error("this is not a checkpoint, or one of another version of this program")]
    Magic,
    /// They end early, or something follows.
    #[error("the checkpoint is damaged: fetch it again")]
    Damaged,
    /// The header in it does not decode.
    #[error("the header of the checkpoint is damaged")]
    Header(#[from] LightError),
}

impl Checkpoint {
    /// Encoding: 20 bytes that say what it is, the evidence behind its length (4 bytes, little-endian), and the pairs
    /// in ascending order as Borsh has them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        // Writing into memory cannot fail.
        let _ = (self.header.to_bytes(), &self.state).serialize(&mut out);
        out
    }

    /// Reads [`Self::to_bytes`]. It takes no more memory than the bytes, and some for each pair.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Magic)?;
        let (header, state) = <(Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>)>::try_from_slice(rest)
            .map_err(|_| CheckpointError::Damaged)?;
        let header = CertifiedHeader::decode(&header)?;
        Ok(Self { header, state })
    }
}
