//! States of blocks that are not final yet, as layers above the finalized one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_crypto::Digest;
use assay_ledger::root::TreeStore;
use assay_ledger::{Pairs, ReadError, Store};

use crate::header::Header;
use crate::judge::Parent;
use crate::outcome::Outcome;
use crate::store::Snapshot;

/// An executed block above the finalized state.
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) header: Header,
    pub(crate) outcome: Outcome,
}

/// The state after one block: layers from the newest down, then the finalized state.
pub(crate) struct View {
    layers: Vec<Arc<Layer>>,
    base: Arc<Snapshot>,
}

impl View {
    /// The block this is the state after.
    pub(crate) fn header(&self) -> &Header {
        self.layers
            .first()
            .map_or_else(|| self.base.header(), |layer| &layer.header)
    }

    /// What blocks on this one are judged on.
    pub(crate) fn as_parent(&self) -> Parent<'_> {
        Parent {
            header: self.header(),
            state: self,
            tree: self,
        }
    }
}

impl TreeStore for View {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut layers = self.layers.iter();
        match layers.find_map(|layer| layer.outcome.nodes.get(key)) {
            Some(node) => Ok(node.clone()),
            None => self.base.node(key),
        }
    }
}

impl Store for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut layers = self.layers.iter();
        match layers.find_map(|layer| layer.outcome.writes.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, ReadError> {
        let from = prefix.max(from);
        let changes = |layer: &Arc<Layer>| {
            let changed = layer.outcome.writes.range(from.to_vec()..);
            let under = changed.take_while(|(key, _)| key.starts_with(prefix));
            under
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        let changes: Vec<_> = self.layers.iter().rev().flat_map(changes).collect();
        // As many more as may turn out to be removed.
        let removed = changes.iter().filter(|(_, value)| value.is_none()).count();
        let below = self
            .base
            .scan(prefix, from, limit.saturating_add(removed))?;
        if changes.is_empty() {
            return Ok(below);
        }
        let mut merged: BTreeMap<Vec<u8>, Option<Vec<u8>>> = below
            .into_iter()
            .map(|(key, value)| (key, Some(value)))
            .collect();
        merged.extend(changes);
        Ok(merged
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .take(limit)
            .collect())
    }
}

/// The finalized state and every executed block that may still become final.
pub(crate) struct Speculation {
    inner: Mutex<Inner>,
}

struct Inner {
    base: Arc<Snapshot>,
    layers: HashMap<Digest, Arc<Layer>>,
}

impl Speculation {
    pub(crate) fn new(base: Snapshot) -> Self {
        Self {
            inner: Mutex::new(Inner {
                base: Arc::new(base),
                layers: HashMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The finalized state.
    pub(crate) fn base(&self) -> Arc<Snapshot> {
        self.lock().base.clone()
    }

    /// The state after block `digest`, if it and all blocks down to the finalized one were
    /// executed.
    pub(crate) fn view(&self, digest: &Digest) -> Option<View> {
        let inner = self.lock();
        let mut layers = Vec::new();
        let mut at = *digest;
        while at != inner.base.digest() {
            let layer = inner.layers.get(&at)?;
            at = layer.header.parent;
            layers.push(layer.clone());
        }
        Some(View {
            layers,
            base: inner.base.clone(),
        })
    }

    /// Remembers an executed block.
    pub(crate) fn insert(&self, layer: Layer) {
        let mut inner = self.lock();
        if layer.header.height > inner.base.header().height {
            inner.layers.insert(layer.digest, Arc::new(layer));
        }
    }

    /// The layer of an executed block.
    pub(crate) fn layer(&self, digest: &Digest) -> Option<Arc<Layer>> {
        self.lock().layers.get(digest).cloned()
    }

    /// Moves the finalized state up and forgets what can no longer become final.
    pub(crate) fn finalize(&self, base: Arc<Snapshot>) {
        let mut inner = self.lock();
        let height = base.header().height;
        inner.base = base;
        inner.layers.retain(|_, layer| layer.header.height > height);
    }
}
