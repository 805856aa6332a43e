//! What a node says of itself to whoever asks its API.

use std::sync::Arc;

use assay_api::{BoxFuture, ChainView, NodeView, views::ProgressReport};
use assay_ledger::Order;

use crate::{
    health::Health,
    metrics::{self, exposition},
    progress::LiveProgress,
};

/// The parts of a node that know something of it.
pub(super) struct About {
    pub(super) chain: Arc<dyn ChainView>,
    pub(super) health: Health,
    pub(super) progress: LiveProgress,
}

impl NodeView for About {
    fn peers(&self) -> usize {
        self.progress.transport.book().peers().len()
    }

    fn is_ready(&self) -> bool {
        self.health.is_ready()
    }

    fn problems(&self) -> Vec<String> {
        self.health.problems()
    }

    fn progress(&self, order: &Order) -> BoxFuture<'_, Option<ProgressReport>> {
        Box::pin(self.progress.progress(order.head.id, order.provider()))
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            metrics::height(self.chain.head().height.0);
            let mut text = metrics::render();
            text.push_str(&exposition::of_engine(&self.chain.metrics().await));
            text
        })
    }
}
