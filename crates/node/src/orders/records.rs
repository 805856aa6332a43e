//! Where the inputs of orders lie, and copies of them that depend on nobody else.

use std::collections::BTreeSet;

use assay_crypto::aead::FileKey;
use assay_ledger::{
    AccountId, BoundedVec, FileCall, FileId, FileRecord, OrderId, ReadError, Role, query,
};
use assay_proof::{FetchFailure, Handle};
use assay_vault::Coding;

use super::Services;
use crate::{
    files::{self, Kept, Known, MOST_PRICE, NewFile},
    inputs::Spooled,
    told,
};

/// Media type of a copy of an input.
const INPUT_TYPE: &str = "application/octet-stream";

impl Services {
    /// What the first of `owners` recorded of a file, with the storage nodes that the others name for
    /// the same pieces too: so a reader gets each piece from whoever still has it.
    ///
    /// Where the first one has none any more, the next one's counts.
    ///
    /// # Errors
    /// [`FetchFailure::Unavailable`] when nobody has a record, or none can be read.
    pub(super) fn record(
        &self,
        file: FileId,
        owners: &[AccountId],
    ) -> Result<FileRecord, FetchFailure> {
        let state = self.chain.state();
        let read = |owner| query::file(&*state, &file, owner);
        let unread = |error: ReadError| FetchFailure::Unavailable(told(&error));
        let mut records = Vec::new();
        for owner in owners {
            records.extend(read(owner).map_err(unread)?);
        }
        let Some(first) = records.first().cloned() else {
            let owner = owners.first().map(ToString::to_string).unwrap_or_default();
            let text = format!("{owner} has recorded no file {file}");
            return Err(FetchFailure::Unavailable(text));
        };
        Ok(FileRecord {
            placement: everywhere(&first, &records),
            ..first
        })
    }

    /// Brings a file that is here to storage nodes, and records it, unless it is recorded; or, if it is to
    /// be brought `again`, to others than it is recorded at, if there are enough.
    ///
    /// # Errors
    /// A sentence that says why it is not there.
    pub(super) async fn keep(
        &self,
        order: OrderId,
        name: String,
        (file, key): (FileId, FileKey),
        bytes: Handle,
        again: bool,
    ) -> Result<FileId, String> {
        let owner = self.sender.account();
        let state = self.chain.state();
        let recorded = query::file(&*state, &file, &owner).map_err(|error| told(&error))?;
        // Whoever opens a file by its record goes on being able to.
        let enveloped = recorded
            .as_ref()
            .is_some_and(|of| !of.key_envelope.is_empty());
        let envelope_to = enveloped.then(|| self.key.encryption().public());
        let recorded_at = recorded.iter().flat_map(|record| record.placement.iter());
        let recorded_at: BTreeSet<AccountId> = recorded_at.copied().collect();
        if let Some(record) = recorded.filter(|_| !again) {
            let nodes = self.storage_nodes().map_err(|error| told(&error))?;
            if record.placement.iter().any(|node| nodes.contains(node)) {
                return Ok(file);
            }
        }
        let coding = bytes.held_by::<Spooled>().map(Spooled::coding);
        let coding = coding.unwrap_or(Coding::Replicated {
            copies: self.upload.copies,
        });
        let new = NewFile {
            owner,
            name,
            media_type: INPUT_TYPE.to_owned(),
            length: bytes.length(),
            content: Some(bytes.content()),
            key,
            coding,
            envelope_to,
            kept: self.kept(self.order_ms(order)?)?,
        };
        let record = async |record: FileRecord, call: FileCall| match record.id == file {
            true => self.put(call).await,
            false => Err(format!("it became file {}, not {file}", record.id)),
        };
        let mut apart = self.of_the_requester(order).map_err(|error| told(&error))?;
        if again {
            apart.extend(recorded_at);
        }
        let candidates = self.candidates(&apart).await?;
        let stored = files::upload(
            &self.transport,
            self.upload,
            &candidates,
            new,
            bytes.reader(),
            None,
            record,
        );
        let stored = stored.await.map_err(|error| told(&error))?;
        Ok(stored.record.id)
    }

    /// How long what a party stores for an order is recorded, in milliseconds: longer than the ledger
    /// asks for, since a run may be audited and disputed more than once.
    pub(super) fn order_ms(&self, order: OrderId) -> Result<u64, String> {
        let read = || {
            let state = self.chain.state();
            let parameters = query::parameters(&*state)?.unwrap_or_default();
            let head = query::head(&*state, &order)?;
            let ms = head.map_or(0, |head| head.terms.inputs_ms(&parameters));
            Ok(ms.saturating_add(parameters.kept_ms).saturating_mul(2))
        };
        read().map_err(|error: ReadError| told(&error))
    }

    /// From now on for so many milliseconds, firmly: orders rest on nothing else.
    pub(super) fn kept(&self, ms: u64) -> Result<Kept, String> {
        Kept::lasting(&*self.chain.state(), ms, true).map_err(|error| told(&error))
    }

    /// Records a file.
    pub(super) async fn put(&self, call: FileCall) -> Result<(), String> {
        let put = self.sender.call(call).await;
        put.map(drop).map_err(|error| told(&error))
    }

    /// Storage nodes to choose from, with their room: without those that are to be kept apart, if
    /// enough others are left.
    pub(super) async fn candidates(
        &self,
        apart: &BTreeSet<AccountId>,
    ) -> Result<Vec<assay_vault::placement::Candidate>, String> {
        let mut nodes = self.storage_nodes().map_err(|error| told(&error))?;
        let others = nodes.iter().filter(|node| !apart.contains(*node)).count();
        let copies = usize::from(self.upload.copies);
        if others >= copies {
            nodes.retain(|node| !apart.contains(node));
        }
        let known = self.known(&nodes).map_err(|error| told(&error))?;
        Ok(files::candidates(&self.transport, &known, copies, MOST_PRICE).await)
    }

    fn known(&self, nodes: &BTreeSet<AccountId>) -> Result<Vec<Known>, ReadError> {
        let state = self.chain.state();
        let mut known = Vec::new();
        for node in nodes {
            if let Some(registration) = query::registration(&*state, Role::Storage, node)? {
                known.push(Known::of(&*state, *node, &registration)?);
            }
        }
        Ok(known)
    }

    fn storage_nodes(&self) -> Result<BTreeSet<AccountId>, ReadError> {
        let all = query::registrations(&*self.chain.state(), Role::Storage)?;
        let staying = all.into_iter().filter(|(_, of)| !of.leaving);
        Ok(staying.map(|(account, _)| account).collect())
    }

    /// The storage nodes on which the requester of an order put its inputs, and those that it owns:
    /// what a provider answers for must not depend on them.
    pub(super) fn of_the_requester(
        &self,
        order: OrderId,
    ) -> Result<BTreeSet<AccountId>, ReadError> {
        let state = self.chain.state();
        let Some(order) = query::order(&*state, &order)? else {
            return Ok(BTreeSet::new());
        };
        let requester = order.head.requester;
        let mut nodes = BTreeSet::new();
        for input in &order.head.terms.inputs {
            let record = query::file(&*state, &input.file, &requester)?;
            nodes.extend(record.into_iter().flat_map(|of| of.placement.to_vec()));
        }
        for node in self.storage_nodes()? {
            if query::owner(&*state, &node)? == query::owner(&*state, &requester)? {
                nodes.insert(node);
            }
        }
        Ok(nodes)
    }
}

/// The nodes that any record of the pieces of `first` names, the first of each record before the
/// second of any: nobody can fill the list with nodes of its own.
fn everywhere(first: &FileRecord, records: &[FileRecord]) -> BoundedVec<AccountId, 16> {
    let pieces = |of: &FileRecord| (of.root, of.slices, of.length_class);
    let same: Vec<&FileRecord> = records
        .iter()
        .filter(|of| pieces(of) == pieces(first))
        .collect();
    let mut nodes: Vec<AccountId> = Vec::new();
    for at in 0..16 {
        for node in same.iter().filter_map(|of| of.placement.get(at)) {
            if nodes.len() < 16 && !nodes.contains(node) {
                nodes.push(*node);
            }
        }
    }
    BoundedVec::new(nodes).unwrap_or_else(|_| first.placement.clone())
}

#[cfg(test)]
mod tests {
    use assay_crypto::{Digest, SecretKey};
    use assay_ledger::{BoundedBytes, BoundedString};

    use super::*;

    fn account(n: u8) -> AccountId {
        SecretKey::from_seed([n; 32]).public()
    }

    fn record(owner: u8, root: u8, nodes: impl IntoIterator<Item = u8>) -> FileRecord {
        FileRecord {
            id: FileId(Digest([1; 32])),
            owner: account(owner),
            name: BoundedString::default(),
            length_class: 1,
            slices: 1,
            root: Digest([root; 32]),
            placement: BoundedVec::new(nodes.into_iter().map(account).collect::<Vec<_>>()).unwrap(),
            media_type: BoundedString::default(),
            key_envelope: BoundedBytes::default(),
        }
    }

    #[test]
    fn every_record_of_the_same_pieces_counts_and_none_crowds_out_another() {
        let first = record(100, 7, 0..16);
        let mine = record(101, 7, [20, 3]);
        let other = record(102, 8, [30]);
        let nodes = everywhere(&first, &[first.clone(), mine, other]);
        assert_eq!(nodes.len(), 16);
        assert_eq!(nodes[..2], [account(0), account(20)]);
        assert!(!nodes.contains(&account(30)), "other pieces");
        assert!(nodes.contains(&account(14)) && !nodes.contains(&account(15)));
    }
}
