//! Encrypted files: what the ledger knows of them, and who may use them.

mod apply;
mod call;
mod contract;
mod grants;
pub(crate) mod keys;

pub(crate) use apply::{apply, recorded};
pub use call::{FileCall, FileEvent, FileProblem, FileRefusal};
pub use contract::{Acceptance, FileContract, Keeping, Share};
pub(crate) use contract::{must_be_kept, run_out};
pub(crate) use grants::expire;
pub use grants::{AskGrant, FileGrant, GrantState};

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountId, BoundedBytes, BoundedString, BoundedVec, FileId};

/// A file in the vault. Records are kept per (file, owner): somebody who sees another's record on
/// its way and records the same file first changes nothing for the owner's readers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FileRecord {
    /// The file, as the vault computes its name.
    pub id: FileId,
    /// Who recorded it; must be the sender.
    pub owner: AccountId,
    /// A name for people.
    pub name: BoundedString<{ FileRecord::MAX_NAME_BYTES }>,
    /// The class of the plaintext's length in bytes; the exact length stays hidden.
    pub length_class: u64,
    /// Number of slices.
    pub slices: u32,
    /// Merkle root over the digests of the encrypted slices.
    pub root: Digest,
    /// The storage nodes that hold every slice.
    pub placement: BoundedVec<AccountId, 16>,
    /// What the content is, as a media type.
    pub media_type: BoundedString<64>,
    /// The file key, sealed to the owner; may be empty when the owner can derive it.
    pub key_envelope: BoundedBytes<2048>,
}

impl FileRecord {
    /// Longest name, in bytes.
    pub const MAX_NAME_BYTES: usize = 128;
}
