//! What an upload writes down, so that it can go on after a crash.
//!
//! An entry is durable before anything that depends on it is sent. That a slice's digest comes
//! first keeps one nonce from ever covering two texts: a source that changed between crash and
//! resume seals to another digest, which is noticed before the slice leaves.

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, FileId};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::manifest::key_commitment;
use crate::piece::MAX_SLICES;

/// Version of the entries, their first byte.
const JOURNAL_VERSION: u8 = 1;
/// Longest entry: more holders than any file has.
const MAX_ENTRY_BYTES: usize = 16 << 10;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Entry {
    /// The upload began, to these holders, under the key with this commitment.
    Begun {
        key: Digest,
        holders: Vec<AccountId>,
    },
    /// The next slice was sealed.
    Slice { digest: Digest, last: bool },
    /// A holder failed and another took its place.
    Replaced { from: AccountId, to: AccountId },
    /// The manifest was sealed.
    Manifest { file: FileId },
}

/// A journal does not continue this upload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// An entry is damaged or out of place.
    #[error("entry {at} of the upload journal is damaged; start the upload again with a new key")]
    Damaged {
        /// Which entry, from zero.
        at: usize,
    },
    /// The journal is of an upload under another key.
    #[error("the upload journal was written under another file key; use that key")]
    OtherKey,
}

/// What an upload that was not finished may have left at storage nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Nodes that were sent something.
    pub holders: Vec<AccountId>,
    /// Digests of the slices sealed so far.
    pub slices: Vec<Digest>,
    /// The file, once every slice was sealed.
    pub file: Option<FileId>,
}

/// What the upload with this `journal`, written under `key`, may have left.
///
/// # Errors
/// [`ResumeError`] when the journal is damaged or of another key.
pub fn leftover(journal: &[Vec<u8>], key: &FileKey) -> Result<Leftover, ResumeError> {
    let past = replay(journal, key_commitment(key))?;
    Ok(Leftover {
        holders: [past.holders, past.failed].concat(),
        slices: past.digests,
        file: past.file,
    })
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) holders: Vec<AccountId>,
    pub(super) failed: Vec<AccountId>,
    pub(super) digests: Vec<Digest>,
    pub(super) complete: bool,
    pub(super) file: Option<FileId>,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![JOURNAL_VERSION];
        // Writing to memory does not fail.
        if self.serialize(&mut bytes).is_err() {
            bytes.clear();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Entry> {
        let (version, body) = bytes.split_first()?;
        let known = *version == JOURNAL_VERSION && body.len() <= MAX_ENTRY_BYTES;
        known.then(|| Entry::try_from_slice(body).ok()).flatten()
    }
}

/// Reads a journal written under the key with this commitment.
pub(super) fn replay(entries: &[Vec<u8>], key: Digest) -> Result<Past, ResumeError> {
    let mut past = Past::default();
    for (at, bytes) in entries.iter().enumerate() {
        let damaged = ResumeError::Damaged { at };
        let entry = Entry::decode(bytes).ok_or(damaged.clone())?;
        match entry {
            Entry::Begun {
                key: named,
                holders,
            } if at == 0 => {
                if named != key {
                    return Err(ResumeError::OtherKey);
                }
                past.holders = holders;
            }
            _ if at == 0 => return Err(damaged),
            Entry::Slice { digest, last }
                if !past.complete && past.digests.len() < MAX_SLICES as usize =>
            {
                past.digests.push(digest);
                past.complete = last;
            }
            Entry::Replaced { from, to } => {
                let place = past.holders.iter().position(|holder| *holder == from);
                past.holders[place.ok_or(damaged)?] = to;
                past.failed.push(from);
            }
            Entry::Manifest { file } if past.complete => past.file = Some(file),
            _ => return Err(damaged),
        }
    }
    Ok(past)
}
