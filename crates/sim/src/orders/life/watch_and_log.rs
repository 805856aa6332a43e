//! What a life's driver watches and where it writes.

use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;

use assay_node::drive::{Journal, Log, Watch};
use assay_proof::{Traced, View};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Life;

/// The order after each block.
pub(super) struct News<'a> {
    pub(super) life: &'a Life,
    pub(super) views: broadcast::Receiver<Arc<View>>,
    pub(super) begun: bool,
}

impl Watch<Traced> for News<'_> {
    async fn news(&mut self) -> Option<View> {
        let known = match self.begun {
            false => self.life.stage.view(),
            true => None,
        };
        self.begun = true;
        let view = match known {
            Some(view) => view,
            None => loop {
                match self.views.recv().await {
                    Ok(view) => break view,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            },
        };
        if self.life.is_struck() {
            return pending().await;
        }
        Some(self.life.shared.seen_by(self.life.at, &view))
    }
}

/// A journal whose writer can be killed in the middle of a write.
pub(super) struct Mortal<'a> {
    pub(super) life: &'a Life,
    pub(super) journal: Journal,
}

impl Log for Mortal<'_> {
    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        if !self.life.is_due() {
            return self.journal.append(entry);
        }
        let place = self.life.place();
        place.disk.cut_at_sync(1);
        let appended = self.journal.append(entry);
        place.kill();
        appended
    }

    fn path(&self) -> &Path {
        self.journal.path()
    }
}
