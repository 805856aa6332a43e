//! The storage nodes of a world, and what they sign.

use assay_crypto::SecretKey;
use assay_ledger::{
    Acceptance, AccountId, Amount, BoundedBytes, BoundedString, BoundedVec, ChainId, FileCall,
    FileId, FileRecord, Keeping, LedgerTime, Parameters,
};

use super::vault::Vault;

/// Storage nodes, each of which keeps a file for as long as it can, from the first block on.
pub(super) struct Shelf {
    pub(super) nodes: Vec<SecretKey>,
    /// On how many of them a file is kept.
    pub(super) replicas: usize,
}

impl Shelf {
    /// The record of a file on nodes that are there to keep it; the vault notes which.
    pub(super) fn put(
        &self,
        (file, owner, name): (FileId, AccountId, &str),
        chain: ChainId,
        vault: &mut Vault,
    ) -> FileCall {
        let places = vault.place((file, owner), self.nodes.len(), self.replicas);
        let nodes = places.iter().filter_map(|node| self.nodes.get(*node));
        let nodes: Vec<&SecretKey> = nodes.collect();
        let accounts: Vec<AccountId> = nodes.iter().map(|node| node.public()).collect();
        let content = vault.expected(file, owner);
        let content = content.expect("a file that is in the vault");
        let record = FileRecord {
            id: file,
            owner,
            name: BoundedString::new(name).expect("a short name"),
            length_class: content.length_class,
            slices: content.slices,
            root: content.root,
            placement: BoundedVec::new(accounts).expect("few nodes"),
            media_type: BoundedString::default(),
            key_envelope: BoundedBytes::default(),
        };
        let until = LedgerTime(Parameters::default().max_kept_ms);
        let keeping = Keeping::of(chain, &record, until);
        let agreed = |node: &&SecretKey| Acceptance::sign(node, &keeping, Amount::ZERO, until);
        let acceptances: Vec<Acceptance> = nodes.iter().map(agreed).collect();
        FileCall::Put {
            record: Box::new(record),
            until,
            firm: true,
            acceptances: BoundedVec::new(acceptances).expect("few nodes"),
        }
    }
}
