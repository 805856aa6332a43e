//! Remembers the seed of every view the engine saw a certificate for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use commonware_actor::Feedback;
use commonware_consensus::simplex::types::Activity;
use commonware_consensus::{Reporter, Viewable as _};
use tokio::sync::Notify;

use crate::header::SeedSignature;
use crate::scheme::{PayloadDigest, Scheme, seed_bytes};

/// Views remembered. A leader needs the seeds of its parent's view and the one after; both are
/// among the certificates the engine needs to build on that parent, and the engine replays the
/// ones it journalled when it restarts.
const REMEMBERED_VIEWS: usize = 4_096;

/// Seeds by view, filled by the engine's reports and read by the block builder.
#[derive(Clone, Default)]
pub(crate) struct Seeds {
    known: Arc<Mutex<BTreeMap<u64, SeedSignature>>>,
    changed: Arc<Notify>,
}

impl Seeds {
    /// The seed of `view`, if a certificate of it was seen.
    pub(crate) fn get(&self, view: u64) -> Option<SeedSignature> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&view)
            .copied()
    }

    /// Waits for the seed of `view`.
    pub(crate) async fn wait(&self, view: u64) -> SeedSignature {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(seed) = self.get(view) {
                return seed;
            }
            changed.await;
        }
    }

    fn insert(&self, view: u64, seed: SeedSignature) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(view, seed);
        while known.len() > REMEMBERED_VIEWS {
            known.pop_first();
        }
        drop(known);
        self.changed.notify_waiters();
    }
}

impl Reporter for Seeds {
    type Activity = Activity<Scheme, PayloadDigest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        // Certificates are verified before they are reported; votes carry shares only.
        let (view, certificate) = match activity {
            Activity::Notarization(c) | Activity::Certification(c) => (c.view(), c.certificate),
            Activity::Nullification(c) => (c.view(), c.certificate),
            Activity::Finalization(c) => (c.view(), c.certificate),
            _ => return Feedback::Ok,
        };
        if let Some(signature) = certificate.get() {
            self.insert(view.get(), seed_bytes(&signature.seed_signature));
        }
        Feedback::Ok
    }
}
