//! What the API speaks for.

use std::sync::Arc;

use assay_crypto::PublicKey;
use assay_ledger::{Order, Role};

use crate::{
    view::{BoxFuture, ChainView},
    views::ProgressReport,
};

/// What a node says of itself.
pub trait NodeView: Send + Sync + 'static {
    /// Nodes whose address is known.
    fn peers(&self) -> usize;

    /// Whether the node does what it is for.
    fn is_ready(&self) -> bool;

    /// What is in its way, in plain words.
    fn problems(&self) -> Vec<String>;

    /// How far an order's provider is; `None` when nobody knows.
    fn progress(&self, order: &Order) -> BoxFuture<'_, Option<ProgressReport>>;

    /// What is counted and measured, in the Prometheus text format 0.0.4.
    fn metrics(&self) -> BoxFuture<'_, String>;
}

/// What the API speaks for.
#[derive(Clone)]
pub struct Api {
    /// The chain.
    pub chain: Arc<dyn ChainView>,
    /// The node's account.
    pub account: PublicKey,
    /// What the node does.
    pub roles: Vec<Role>,
    /// The node.
    pub node: Arc<dyn NodeView>,
    /// Host names that are this node's, besides its addresses and `localhost`.
    pub names: Vec<String>,
}
