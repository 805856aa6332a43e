//! A vault without nodes: plaintexts in memory, handed out only under the right key.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_ledger::{AccountId, FileId};
use assay_proof::FetchFailure;

/// Files by name and owner.
#[derive(Default)]
pub struct Vault {
    files: BTreeMap<(FileId, AccountId), (FileKey, Vec<u8>)>,
    /// Files that no node answers for.
    pub lost: BTreeSet<FileId>,
}

impl Vault {
    /// The digest by which an order names an input's plaintext.
    pub fn content(bytes: &[u8]) -> Digest {
        Digest::of("assay/sim/content/v1", &[bytes])
    }

    /// Keeps a file; the same bytes under the same key are the same file.
    pub fn store(&mut self, owner: AccountId, key: &FileKey, bytes: Vec<u8>) -> FileId {
        let file = FileId(Digest::of("assay/sim/file/v1", &[&key.0, &bytes]));
        self.files.insert((file, owner), (key.clone(), bytes));
        file
    }

    /// Puts other bytes in a file's place, under the same keys.
    pub fn replace(&mut self, file: FileId, bytes: Vec<u8>) {
        let same = |((id, _), _): &(&(FileId, AccountId), &mut (FileKey, Vec<u8>))| *id == file;
        for (_, (_, kept)) in self.files.iter_mut().filter(same) {
            kept.clone_from(&bytes);
        }
    }

    /// Hands a file out.
    ///
    /// # Errors
    /// As a real vault would: lost files are unavailable; another key or content is corrupt.
    pub fn fetch(
        &self,
        file: FileId,
        owner: AccountId,
        key: &FileKey,
        content: Option<Digest>,
    ) -> Result<Vec<u8>, FetchFailure> {
        let unavailable = || FetchFailure::Unavailable(format!("{file} of {owner}"));
        if self.lost.contains(&file) {
            return Err(unavailable());
        }
        let (stored, bytes) = self.files.get(&(file, owner)).ok_or_else(unavailable)?;
        if stored != key {
            return Err(FetchFailure::Corrupt("another key".to_owned()));
        }
        if content.is_some_and(|content| content != Vault::content(bytes)) {
            return Err(FetchFailure::Corrupt("another content".to_owned()));
        }
        Ok(bytes.clone())
    }
}
