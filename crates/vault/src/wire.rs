//! What vault parties say to storage nodes, byte for byte.
//!
//! A message is one version byte followed by the borsh encoding of [`Request`] or [`Response`].
//! Every field bounds itself while it is decoded, so a decoder never allocates more than
//! [`MAX_PIECE_BYTES`], and bytes left over are an error. `docs/vault.md` draws the bytes.

use assay_crypto::Digest;
use assay_ledger::{Acceptance, Amount, FileId, LedgerTime};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::piece::{Digests, MAX_PIECE_BYTES, MAX_SLICES, Piece, invalid};

/// First byte of every message.
pub const WIRE_VERSION: u8 = 1;
/// The most digests one [`Request::Has`] may ask for.
pub const MAX_HAS: usize = 4_096;
/// Longest encoding of a [`Request`] or [`Response`]: a transport reads no more than this.
pub const MAX_MESSAGE_BYTES: usize = MAX_PIECE_BYTES + 64;

/// What a storage node can be asked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// How many bytes are free?
    Free,
    /// Keep this piece under this digest.
    Put {
        /// The piece's digest, checked before anything is written.
        digest: Digest,
        /// The piece.
        piece: Piece,
    },
    /// Hand over this piece.
    Get {
        /// Its digest; who knows a digest may read the ciphertext.
        digest: Digest,
    },
    /// Which of these pieces are here?
    Has {
        /// Up to [`MAX_HAS`] digests.
        digests: Digests<MAX_HAS>,
    },
    /// These pieces are one file: keep them together and tell the garbage collector so.
    Commit {
        /// The file: the digest of its sealed manifest, which must be here too.
        file: FileId,
        /// Digests of all its slices, in order.
        slices: Digests<{ MAX_SLICES as usize }>,
    },
    /// Forget a piece put earlier by the same account and not yet part of a recorded file.
    Delete {
        /// Its digest.
        digest: Digest,
    },
    /// How much may the asking account still bring here?
    Room,
    /// Which pieces of the asking account belong to no recorded file? The first [`MAX_HAS`] of
    /// them in order of their digests.
    Pending {
        /// Only those above this one.
        after: Option<Digest>,
    },
    /// Will the node keep a committed file for the asking account, once that records it?
    Accept(Asked),
    /// Of which slices does a file consist that is kept here? Who has the list can fetch them without being
    /// able to open the manifest.
    Slices {
        /// The file.
        file: FileId,
        /// Merkle root over the digests of its slices.
        root: Digest,
    },
}

/// What a storage node is asked to keep: what a record of it will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Asked {
    /// The file.
    pub file: FileId,
    /// Merkle root over the digests of its slices.
    pub root: Digest,
    /// Number of slices.
    pub slices: u32,
    /// The class of the plaintext's length, in bytes.
    pub length_class: u64,
    /// Until this ledger time.
    pub until: LedgerTime,
}

/// What a storage node answers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Response {
    /// Bytes that the node would still accept.
    Free {
        /// How many.
        bytes: u64,
    },
    /// The piece is durable.
    Stored {
        /// Its digest.
        digest: Digest,
    },
    /// The piece asked for.
    Piece {
        /// The piece; the reader checks it.
        piece: Piece,
    },
    /// One answer per digest asked for, in the same order.
    Has {
        /// Whether each piece is here.
        held: Flags,
    },
    /// The file's pieces are here and belong together.
    Committed {
        /// The file.
        file: FileId,
    },
    /// The piece is not here any more, or never was.
    Deleted {
        /// Its digest.
        digest: Digest,
    },
    /// The node will not, and says why.
    Refused(Refusal),
    /// What the asking account may still bring.
    Room {
        /// Bytes free on the node.
        free: u64,
        /// Bytes of the account that belong to no recorded file.
        pending: u64,
        /// The most that these may come to.
        allowed: u64,
        /// What the node asks for keeping a GiB an hour, in micro-tokens.
        price: Amount,
    },
    /// Pieces of the asking account that belong to no recorded file.
    Pending {
        /// Their digests and lengths in bytes.
        pieces: Unrecorded,
    },
    /// The node agrees to keep what was asked.
    Accepted(Acceptance),
    /// The slices of the file asked for.
    Slices {
        /// Their digests, in order; the reader compares their root.
        slices: Digests<{ MAX_SLICES as usize }>,
    },
}

/// At most [`MAX_HAS`] pieces with their lengths in bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Unrecorded(Vec<(Digest, u32)>);

impl Unrecorded {
    /// Keeps the first [`MAX_HAS`] pieces.
    pub fn new(mut pieces: Vec<(Digest, u32)>) -> Self {
        pieces.truncate(MAX_HAS);
        Self(pieces)
    }

    /// The pieces in order.
    pub fn as_slice(&self) -> &[(Digest, u32)] {
        &self.0
    }
}

impl BorshDeserialize for Unrecorded {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let count = u32::deserialize_reader(reader)? as usize;
        if count > MAX_HAS {
            return Err(invalid(format!(
                "{count} pieces are over the limit of {MAX_HAS}"
            )));
        }
        (0..count)
            .map(|_| <(Digest, u32)>::deserialize_reader(reader))
            .collect::<std::io::Result<Vec<_>>>()
            .map(Self)
    }
}

/// Why a storage node did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Refusal {
    /// No room.
    #[error("no room: {free} bytes are free; choose another node")]
    Full {
        /// Bytes still free.
        free: u64,
    },
    /// This account has as much here as one account may: of unfinished uploads, or in all.
    #[error(
        "this account has as much on this node as one account may; `assay vault ls --unfinished` \
         lists what counts as unfinished and `assay vault delete` removes it; or choose another node"
    )]
    TooMuchPending,
    /// The piece does not hash to its digest.
    #[error("the piece does not have the digest it was sent under")]
    WrongDigest,
    /// The piece is not here.
    #[error("the piece is not here")]
    Unknown,
    /// The piece was here, but the disk no longer returns what was written.
    #[error("the piece was damaged on disk and is gone")]
    Damaged,
    /// Some pieces of the file are not here.
    #[error("{missing} pieces of the file are not here; put them first")]
    Incomplete {
        /// How many.
        missing: u32,
    },
    /// The piece belongs to a recorded file or to another account.
    #[error("the piece is in use")]
    InUse,
    /// Too much work at once.
    #[error("the node is busy; ask again")]
    Busy,
    /// The disk failed.
    #[error("the node's disk failed; choose another node")]
    DiskFailed,
    /// The request did not decode.
    #[error("the request did not decode; check the protocol version")]
    Malformed,
    /// A commit names a piece twice. Slices are sealed to their places, so no file has two equal
    /// ones.
    #[error("the commit names a piece twice; name each slice of the file once")]
    Repeated,
    /// The record would say less than there is to keep.
    #[error(
        "the file has more bytes here than its record would say; say its true length and slices"
    )]
    Understated,
    /// The time asked for is over, or longer than any record may last.
    #[error("files are not kept until then; ask for a later time, or for one sooner")]
    BadTime,
}

/// At most [`MAX_HAS`] booleans.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Flags(Vec<bool>);

impl Flags {
    /// Keeps the first [`MAX_HAS`] flags.
    pub fn new(mut flags: Vec<bool>) -> Self {
        flags.truncate(MAX_HAS);
        Self(flags)
    }

    /// The flags in order.
    pub fn as_slice(&self) -> &[bool] {
        &self.0
    }
}

impl BorshDeserialize for Flags {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let count = u32::deserialize_reader(reader)? as usize;
        if count > MAX_HAS {
            return Err(invalid(format!(
                "{count} flags are over the limit of {MAX_HAS}"
            )));
        }
        (0..count)
            .map(|_| bool::deserialize_reader(reader))
            .collect::<std::io::Result<Vec<_>>>()
            .map(Self)
    }
}

/// A message did not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No bytes at all.
    #[error("the message is empty")]
    Empty,
    /// More bytes than any message has.
    #[error("a message of {0} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// Another version of the protocol.
    #[error("vault message version {0} is not {WIRE_VERSION}; run the same release on both sides")]
    Version(u8),
    /// The bytes are not a message.
    #[error("the message is malformed: {0}")]
    Malformed(String),
}

impl Request {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`WireError`] for a wrong version, a bound exceeded, or bytes missing or left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes)
    }
}

impl Response {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`WireError`] for a wrong version, a bound exceeded, or bytes missing or left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes)
    }
}

fn encode<T: BorshSerialize>(message: &T) -> Vec<u8> {
    let mut bytes = vec![WIRE_VERSION];
    // Writing to memory fails only above 4 GiB, which the bounded fields exclude.
    if message.serialize(&mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(WireError::TooLong(bytes.len()));
    }
    match bytes.split_first() {
        None => Err(WireError::Empty),
        Some((&WIRE_VERSION, body)) => {
            T::try_from_slice(body).map_err(|e| WireError::Malformed(e.to_string()))
        }
        Some((&version, _)) => Err(WireError::Version(version)),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
