//! How far running jobs are, for progress bars.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use assay_ledger::{Order, OrderId};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::transport::{BoxFuture, Question, Transport};

/// Reports kept at once; above it the oldest order's is dropped.
const KEPT: usize = 256;

/// How far a provider is with an order. Told by the provider itself: good for a progress bar,
/// never for money.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
pub struct ProgressReport {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Of those this process has taken: steps that gave a NaN or infinity and changed nothing.
    pub invalid: u64,
    /// Loss of the latest step in nats per token, for jobs that have one.
    pub loss: Option<f32>,
    /// Tokens (or records) processed per second, for jobs that count them.
    pub per_second: Option<f32>,
}

/// Asks a node how far it is with an order.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HowFar {
    /// The order.
    pub order: OrderId,
}

impl Question for HowFar {
    const PROTOCOL: &'static str = "progress/1";
    /// The latest report; `None` when the node does not work on it.
    type Answer = Option<ProgressReport>;

    fn name(&self) -> &'static str {
        "progress"
    }
}

/// Latest report of each order this node works on. Written by drivers, read by servers.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard {
    reports: Arc<Mutex<BTreeMap<OrderId, (u64, ProgressReport)>>>,
}

impl ProgressBoard {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the report of an order.
    pub fn set(&self, order: OrderId, report: ProgressReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = reports
            .values()
            .map(|(age, _)| *age)
            .max()
            .unwrap_or_default();
        reports.insert(order, (newest + 1, report));
        if reports.len() > KEPT
            && let Some(oldest) = reports.iter().min_by_key(|(_, (age, _))| *age)
        {
            let oldest = *oldest.0;
            reports.remove(&oldest);
        }
    }

    /// The latest report of an order.
    pub fn get(&self, order: &OrderId) -> Option<ProgressReport> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.get(order).map(|(_, report)| *report)
    }

    /// Forgets an order.
    pub fn clear(&self, order: &OrderId) {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(order);
    }
}

/// Finds out how far an order is.
pub trait ProgressSource: Send + Sync + 'static {
    /// The latest report; `None` when nobody has one.
    fn progress(&self, order: &Order) -> BoxFuture<'_, Option<ProgressReport>>;
}

/// Looks at the own board first and then asks the order's provider.
#[derive(Clone)]
pub struct LiveProgress {
    /// Reports of this node.
    pub board: ProgressBoard,
    /// The way to the others.
    pub transport: Transport,
}

impl ProgressSource for LiveProgress {
    fn progress(&self, order: &Order) -> BoxFuture<'_, Option<ProgressReport>> {
        let (id, provider) = (order.head.id, order.provider());
        Box::pin(async move {
            if let Some(report) = self.board.get(&id) {
                return Some(report);
            }
            let question = HowFar { order: id };
            let answer = self.transport.request(provider?, &question).await;
            answer.ok().flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::Digest;

    use super::*;

    #[test]
    fn only_the_latest_reports_are_kept() {
        let board = ProgressBoard::new();
        let order = |n: u64| OrderId(Digest::of("assay/test/v1", &[&n.to_le_bytes()]));
        for n in 0..=KEPT as u64 {
            let report = ProgressReport {
                step: n,
                steps: 9,
                invalid: 0,
                loss: None,
                per_second: None,
            };
            board.set(order(n), report);
        }
        assert_eq!(board.get(&order(0)), None);
        assert_eq!(board.get(&order(KEPT as u64)).unwrap().step, KEPT as u64);
        board.clear(&order(5));
        assert_eq!(board.get(&order(5)), None);
    }
}
