//! Who listens where.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use assay_crypto::PublicKey;

/// Most addresses kept for one peer; later ones are dropped.
const MAX_ADDRESSES: usize = 8;

/// Addresses of peers by public key, shared by everything in a node that dials.
///
/// Filled from the configuration and from registrations on the ledger. Nothing is looked up
/// anywhere else: a peer that is not in the book cannot be dialled.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    entries: Arc<RwLock<BTreeMap<PublicKey, Vec<SocketAddr>>>>,
}

impl AddressBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the addresses of `peer`. An empty list forgets the peer.
    pub fn set(&self, peer: PublicKey, addresses: impl IntoIterator<Item = SocketAddr>) {
        let mut list: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            if list.len() < MAX_ADDRESSES && !list.contains(&address) {
                list.push(address);
            }
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if list.is_empty() {
            entries.remove(&peer);
        } else {
            entries.insert(peer, list);
        }
    }

    /// Addresses known for `peer`; empty when there is none.
    pub fn get(&self, peer: &PublicKey) -> Vec<SocketAddr> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(peer).cloned().unwrap_or_default()
    }

    /// Every peer in the book, in key order.
    pub fn peers(&self) -> Vec<PublicKey> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.keys().copied().collect()
    }
}
