//! Who plays a part.

use assay_ledger::Order;
use assay_proof::{
    Identity, OrderKeys, Party,
    parties::{Auditor, Provider, Requester, Validator},
};

/// Chooses the party for a part. The configuration of a node knows one casting, [`Honest`];
/// others exist so that the demo and tests can put a cheater on the stage.
pub trait Casting: Send + Sync + 'static {
    /// The requester of an order.
    fn requester(&self, identity: Identity, keys: OrderKeys) -> Box<dyn Party> {
        Box::new(Requester::new(identity, keys))
    }

    /// A provider that was drawn.
    fn provider(&self, identity: Identity, order: &Order) -> Box<dyn Party> {
        let _ = order;
        Box::new(Provider::new(identity))
    }

    /// An auditor that was drawn.
    fn auditor(&self, identity: Identity, order: &Order) -> Box<dyn Party> {
        let _ = order;
        Box::new(Auditor::new(identity))
    }

    /// A validator that has to judge.
    fn validator(&self, identity: Identity, order: &Order) -> Box<dyn Party> {
        let _ = order;
        Box::new(Validator::new(identity))
    }
}

/// Every part by the book.
#[derive(Clone, Copy, Debug, Default)]
pub struct Honest;

impl Casting for Honest {}
