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
    /// Owners whose storage nodes answer no more.
    pub gone: BTreeSet<AccountId>,
    /// Readers that get nothing from the nodes where files were brought at first.
    pub far: BTreeSet<AccountId>,
    /// Readers that get nothing from any node.
    pub cut_off: BTreeSet<AccountId>,
    /// Files that their owners have brought to other nodes too.
    pub(super) shown: BTreeSet<(FileId, AccountId)>,
    /// On which storage nodes files are, where that is known.
    kept: BTreeMap<(FileId, AccountId), Vec<usize>>,
    /// Storage nodes that are dead.
    dead: BTreeSet<usize>,
}

impl Vault {
    /// The digest by which an order names an input's plaintext.
    pub fn content(bytes: &[u8]) -> Digest {
        Digest::of("assay/sim/content/v1", &[bytes])
    }

    /// The name of these bytes under this key.
    pub(super) fn name(key: &FileKey, bytes: &[u8]) -> FileId {
        FileId(Digest::of("assay/sim/file/v1", &[&key.0, bytes]))
    }

    /// Keeps a file; the same bytes under the same key are the same file.
    pub fn store(&mut self, owner: AccountId, key: &FileKey, bytes: Vec<u8>) -> FileId {
        let file = Vault::name(key, &bytes);
        self.files.insert((file, owner), (key.clone(), bytes));
        file
    }

    /// Says on which of so many nodes a file is kept from now on: as many as are asked for, as far as
    /// there are so many that live.
    pub(super) fn place(
        &mut self,
        kept: (FileId, AccountId),
        nodes: usize,
        replicas: usize,
    ) -> Vec<usize> {
        let mut alive: Vec<usize> = (0..nodes)
            .filter(|node| !self.dead.contains(node))
            .collect();
        let rank = |node: &usize| {
            let (file, owner) = (&kept.0.0.0, &kept.1.0);
            Digest::of(
                "assay/sim/placement/v1",
                &[file, owner, &node.to_le_bytes()],
            )
            .0
        };
        alive.sort_by_cached_key(rank);
        alive.truncate(replicas);
        self.kept.insert(kept, alive.clone());
        alive
    }

    /// A storage node dies, with all that it keeps.
    pub(super) fn bury(&mut self, node: usize) {
        self.dead.insert(node);
    }

    /// A storage node loses one of the files that it keeps: the one in this place, counted around.
    pub(super) fn forget(&mut self, node: usize, place: u64) {
        let mut all: Vec<_> = self.kept.values_mut().collect();
        all.retain(|nodes| nodes.contains(&node));
        let count = all.len().max(1) as u64;
        if let Some(nodes) = all.get_mut((place % count) as usize) {
            nodes.retain(|keeps| *keeps != node);
        }
    }

    /// Whether no node has the file any more.
    fn is_lost(&self, file: FileId, owner: AccountId) -> bool {
        let nodes = self.kept.get(&(file, owner));
        nodes.is_some_and(|nodes| nodes.iter().all(|node| self.dead.contains(node)))
    }

    /// Puts other bytes in a file's place, under the same keys.
    pub fn replace(&mut self, file: FileId, bytes: Vec<u8>) {
        let same = |((id, _), _): &(&(FileId, AccountId), &mut (FileKey, Vec<u8>))| *id == file;
        for (_, (_, kept)) in self.files.iter_mut().filter(same) {
            kept.clone_from(&bytes);
        }
    }

    /// The nodes of this owner have the file no more.
    pub fn throw_away(&mut self, file: FileId, owner: AccountId) {
        self.files.remove(&(file, owner));
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
        if self.lost.contains(&file) || self.gone.contains(&owner) || self.is_lost(file, owner) {
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

    /// Hands a file out to somebody.
    ///
    /// # Errors
    /// As [`Vault::fetch`]; to whoever reaches none of its nodes it is unavailable.
    pub fn fetch_by(
        &self,
        reader: AccountId,
        file: FileId,
        owner: AccountId,
        key: &FileKey,
        content: Option<Digest>,
    ) -> Result<Vec<u8>, FetchFailure> {
        let far = self.far.contains(&reader) && !self.shown.contains(&(file, owner));
        if far || self.cut_off.contains(&reader) {
            let text = format!("{reader} reaches no node with {file} of {owner}");
            return Err(FetchFailure::Unavailable(text));
        }
        self.fetch(file, owner, key, content)
    }

    /// Hands an input out, from the first of these owners whose nodes have it.
    ///
    /// # Errors
    /// As [`Vault::fetch_by`] of the first owner.
    pub fn fetch_of_any(
        &self,
        reader: AccountId,
        file: FileId,
        owners: &[AccountId],
        key: &FileKey,
        content: Digest,
    ) -> Result<Vec<u8>, FetchFailure> {
        let mut fetched = owners
            .iter()
            .map(|owner| self.fetch_by(reader, file, *owner, key, Some(content)));
        let first = fetched.next();
        let first = first.unwrap_or(Err(FetchFailure::Unavailable(file.to_string())));
        first.or_else(|failure| fetched.find_map(Result::ok).ok_or(failure))
    }
}
