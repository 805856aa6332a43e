//! Keep encrypted files on other people's disks and prove it.
//!
//! In the order in which a file meets them:
//!
//! 1. A [`Sealer`] reads a plaintext once and turns it into [`Piece`]s: 4 MiB slices under the
//!    file's own key, and a [`Manifest`] that lists them, sealed as well. The digest of the sealed
//!    manifest is the file's id; nothing else tells what the file is.
//! 2. An [`Upload`](upload::Upload) chooses storage nodes ([`placement`]), brings every piece to
//!    each of them, and asks for the ledger record only when every copy is acknowledged.
//! 3. A [`StorageNode`](storage::StorageNode) keeps pieces on a [`Backend`](storage::Backend) and
//!    collects those that no recorded file needs. It sees ciphertext only.
//! 4. A [`Download`](download::Download) fetches pieces from whichever node returns the right
//!    bytes and opens them with an [`Unsealer`]; it names the nodes that failed. What lies at hand
//!    already is read [`InPlace`], slice by slice.
//! 5. An [`envelope`] carries the file's key to another account; a [`bundle`] makes one file of a
//!    directory.
//! 6. What is public and must outlive some of its holders is [`coded`].
//!
//! Everything here is a pure function of its inputs: machines are told the time and the replies,
//! and answer with what should be sent, read or written. The formats are drawn in `docs/vault.md`.
//!
//! ```
//! use assay_crypto::aead::FileKey;
//! use assay_vault::{Coding, Sealer, content_digest, unseal};
//!
//! let text = b"rows that stay at home".repeat(1_000);
//! let key = FileKey([7; 32]); // in earnest: 32 fresh random bytes for every file
//! let mut sealer = Sealer::new(text.as_slice(), key.clone(), Coding::Replicated { copies: 2 });
//! let mut slices = Vec::new();
//! while let Some(slice) = sealer.next_slice()? {
//!     slices.push(slice.piece);
//! }
//! let file = sealer.finish()?;
//!
//! let mut opened = Vec::new();
//! let content = unseal(&file.expected(), key, &file.piece, slices, &mut opened)?;
//! assert_eq!(opened, text);
//! assert_eq!(content.digest, content_digest(&text));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bundle;
pub mod coded;
pub mod download;
pub mod envelope;
mod fault;
mod in_place;
pub mod length;
mod manifest;
mod piece;
pub mod placement;
mod record;
mod seal;
pub mod storage;
mod time;
mod unseal;
pub mod upload;
pub mod wire;

pub use assay_crypto::content::{ContentHasher, SLICE_BYTES, content_digest};
pub use fault::{Fault, Unreachable};
pub use in_place::{InPlace, Opened, Pieces};
pub use manifest::{
    FORMAT_VERSION, Manifest, ManifestError, OpenManifestError, file_id, slice_count,
};
pub use piece::{
    Digests, MAX_PIECE_BYTES, MAX_SLICES, Piece, PieceTooLong, TAG_BYTES, TooManyDigests,
};
pub use placement::Coding;
pub use record::{Label, RecordError, granted_key, owner_key, seal_for_grantee};
pub use seal::{SealError, SealedFile, SealedSlice, Sealer};
pub use time::{Millis, Tag};
pub use unseal::{Content, Expected, UnsealError, Unsealer, unseal};
