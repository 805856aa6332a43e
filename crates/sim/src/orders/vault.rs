//! A vault without nodes: files sealed as a real vault seals them, handed out only under the right key.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_crypto::content::content_digest;
use assay_crypto::tiles::Tiled;
use assay_ledger::{AccountId, Examined, FileId, NotTheSlices, Promised, examine};
use assay_proof::FetchFailure;
use assay_vault::{Coding, Expected, Piece, Sealer};

/// A file: its key, its plaintext, and its slices as they are sealed.
struct Kept {
    key: FileKey,
    bytes: Vec<u8>,
    expected: Expected,
    slices: Vec<Piece>,
}

impl Kept {
    fn new(key: &FileKey, bytes: Vec<u8>) -> Kept {
        let coding = Coding::Replicated { copies: 1 };
        let mut sealer = Sealer::new(&bytes[..], key.clone(), coding);
        let mut slices = Vec::new();
        while let Some(slice) = sealer.next_slice().expect("a source in memory") {
            slices.push(slice.piece);
        }
        let expected = sealer.finish().expect("a short file").expected();
        Kept {
            key: key.clone(),
            bytes,
            expected,
            slices,
        }
    }
}

/// Files by name and owner.
#[derive(Default)]
pub struct Vault {
    files: BTreeMap<(FileId, AccountId), Kept>,
    /// Files that no node answers for.
    pub lost: BTreeSet<FileId>,
    /// Owners whose storage nodes answer no more.
    pub gone: BTreeSet<AccountId>,
    /// Readers that get nothing from the nodes where files were brought at first.
    pub far: BTreeSet<AccountId>,
    /// Readers that get nothing from any node.
    pub cut_off: BTreeSet<AccountId>,
    /// Whom alone the nodes of an owner answer, where they do not answer everybody.
    pub favours: BTreeMap<AccountId, BTreeSet<AccountId>>,
    /// Files that their owners have brought to other nodes too.
    pub(super) shown: BTreeSet<(FileId, AccountId)>,
    /// On which storage nodes files are, where that is known.
    places: BTreeMap<(FileId, AccountId), Vec<usize>>,
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
        Kept::new(key, bytes.to_vec()).expected.id
    }

    /// Keeps a file; the same bytes under the same key are the same file.
    pub fn store(&mut self, owner: AccountId, key: &FileKey, bytes: Vec<u8>) -> FileId {
        let kept = Kept::new(key, bytes);
        let file = kept.expected.id;
        self.files.insert((file, owner), kept);
        file
    }

    /// What the record of a file says of its content.
    pub(super) fn expected(&self, file: FileId, owner: AccountId) -> Option<Expected> {
        self.files.get(&(file, owner)).map(|kept| kept.expected)
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
        self.places.insert(kept, alive.clone());
        alive
    }

    /// A storage node dies, with all that it keeps.
    pub(super) fn bury(&mut self, node: usize) {
        self.dead.insert(node);
    }

    /// A storage node loses one of the files that it keeps: the one in this place, counted around.
    pub(super) fn forget(&mut self, node: usize, place: u64) {
        let mut all: Vec<_> = self.places.values_mut().collect();
        all.retain(|nodes| nodes.contains(&node));
        let count = all.len().max(1) as u64;
        if let Some(nodes) = all.get_mut((place % count) as usize) {
            nodes.retain(|keeps| *keeps != node);
        }
    }

    /// Whether no node has the file any more.
    fn is_lost(&self, file: FileId, owner: AccountId) -> bool {
        let nodes = self.places.get(&(file, owner));
        nodes.is_some_and(|nodes| nodes.iter().all(|node| self.dead.contains(node)))
    }

    /// Puts other bytes in a file's place, under the same keys.
    pub fn replace(&mut self, file: FileId, bytes: Vec<u8>) {
        for (_, kept) in self.files.iter_mut().filter(|(at, _)| at.0 == file) {
            kept.bytes.clone_from(&bytes);
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
        let kept = self.kept(file, owner)?;
        if kept.key != *key {
            return Err(FetchFailure::Corrupt("another key".to_owned()));
        }
        // Models are named by parties, as in every network, and inputs by their world.
        let is = |content| {
            content == Vault::content(&kept.bytes) || content == content_digest(&kept.bytes)
        };
        if content.is_some_and(|content| !is(content)) {
            return Err(FetchFailure::Corrupt("another content".to_owned()));
        }
        Ok(kept.bytes.clone())
    }

    fn kept(&self, file: FileId, owner: AccountId) -> Result<&Kept, FetchFailure> {
        let unavailable = || FetchFailure::Unavailable(format!("{file} of {owner}"));
        if self.lost.contains(&file) || self.gone.contains(&owner) || self.is_lost(file, owner) {
            return Err(unavailable());
        }
        self.files.get(&(file, owner)).ok_or_else(unavailable)
    }

    /// Looks at what a result holds, for somebody.
    ///
    /// # Errors
    /// As [`Vault::fetch_by`], but that no key is a wrong one.
    pub(super) fn examine_by(
        &self,
        reader: AccountId,
        (file, owner): (FileId, AccountId),
        key: &FileKey,
        state: Tiled,
    ) -> Result<Examined, FetchFailure> {
        self.must_reach(reader, file, owner)?;
        let kept = self.kept(file, owner)?;
        let promised = Promised {
            state,
            root: kept.expected.root,
            slices: kept.expected.slices,
        };
        let digests: Vec<Digest> = kept.slices.iter().map(Piece::digest).collect();
        let examined = examine(&promised, key, &digests, |slice| {
            let piece = kept.slices.get(slice as usize).ok_or(NotTheSlices)?;
            Ok::<_, NotTheSlices>(piece.bytes().to_vec())
        });
        examined.map_err(|error| FetchFailure::Corrupt(error.to_string()))
    }

    fn must_reach(
        &self,
        reader: AccountId,
        file: FileId,
        owner: AccountId,
    ) -> Result<(), FetchFailure> {
        let far = self.far.contains(&reader) && !self.shown.contains(&(file, owner));
        let favoured = self.favours.get(&owner);
        let far = far || favoured.is_some_and(|of| reader != owner && !of.contains(&reader));
        if far || self.cut_off.contains(&reader) {
            let text = format!("{reader} reaches no node with {file} of {owner}");
            return Err(FetchFailure::Unavailable(text));
        }
        Ok(())
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
        self.must_reach(reader, file, owner)?;
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
