//! Who listens where.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use assay_crypto::PublicKey;

use crate::address::Address;

/// Most addresses kept for one peer; later ones are dropped.
const MAX_ADDRESSES: usize = 8;

/// Addresses of peers by public key, shared by everything in a node that dials.
///
/// Filled from the configuration and from registrations on the ledger. Nothing is looked up
/// anywhere else: a peer that is not in the book cannot be dialled. Only the configuration brings
/// host names; what strangers put on the ledger is dialled as it stands.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    entries: Arc<RwLock<BTreeMap<PublicKey, Entry>>>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// From the configuration; stays.
    pinned: Option<Address>,
    /// As last heard.
    heard: Vec<SocketAddr>,
}

impl AddressBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces what was heard of the addresses of `peer`; an empty list forgets it.
    pub fn set(&self, peer: PublicKey, addresses: impl IntoIterator<Item = SocketAddr>) {
        let mut list: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            if list.len() < MAX_ADDRESSES && !list.contains(&address) {
                list.push(address);
            }
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(peer).or_default();
        entry.heard = list;
        if entry.heard.is_empty() && entry.pinned.is_none() {
            entries.remove(&peer);
        }
    }

    /// Keeps an address of `peer` beside whatever is heard later; a name is looked up each time
    /// the peer is dialled.
    pub fn pin(&self, peer: PublicKey, address: Address) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.entry(peer).or_default().pinned = Some(address);
    }

    /// Addresses to dial `peer` at now; empty when none is known or its name stands for none.
    pub async fn addresses(&self, peer: &PublicKey) -> Vec<SocketAddr> {
        let entry = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.get(peer).cloned().unwrap_or_default()
        };
        let mut all = match entry.pinned {
            Some(address) => address.resolve().await.unwrap_or_else(|error| {
                tracing::debug!(%peer, %address, %error, "a name cannot be looked up");
                Vec::new()
            }),
            None => Vec::new(),
        };
        for address in entry.heard {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    /// Every peer in the book, in key order.
    pub fn peers(&self) -> Vec<PublicKey> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_configured_stays_beside_what_is_heard() {
        let book = AddressBook::new();
        let peer = PublicKey([7; 32]);
        assert!(book.addresses(&peer).await.is_empty());
        let heard: SocketAddr = "192.0.2.7:1".parse().unwrap();
        book.set(peer, [heard, heard]);
        assert_eq!(book.addresses(&peer).await, [heard]);
        book.pin(peer, "localhost:7".parse().unwrap());
        let both = book.addresses(&peer).await;
        assert!(both.len() >= 2 && both.contains(&heard), "{both:?}");
        assert!(both[0].ip().is_loopback() && both[0].port() == 7);
        book.set(peer, []);
        assert!(book.addresses(&peer).await.iter().all(|a| a.port() == 7));
        assert_eq!(book.peers(), [peer]);
    }
}
