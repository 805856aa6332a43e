//! How far running jobs are, for progress bars.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use assay_api::views::ProgressReport;
use assay_ledger::{AccountId, OrderId, Taken};
use assay_proof::StepReport;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    orders::OnWork,
    transport::{Question, Transport},
};

/// Reports kept at once; above it the oldest order's is dropped.
const KEPT: usize = 256;

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

/// Looks at the own board first and then asks the order's provider.
#[derive(Clone)]
pub struct LiveProgress {
    /// Reports of this node.
    pub board: ProgressBoard,
    /// The way to the others.
    pub transport: Transport,
}

impl LiveProgress {
    /// The latest report; `None` when nobody has one.
    pub async fn progress(
        &self,
        order: OrderId,
        provider: Option<AccountId>,
    ) -> Option<ProgressReport> {
        if let Some(report) = self.board.get(&order) {
            return Some(report);
        }
        let answer = self.transport.request(provider?, &HowFar { order }).await;
        answer.ok().flatten()
    }
}

/// Turns step reports into progress reports.
pub(crate) fn watch_work(board: ProgressBoard) -> OnWork {
    let began = Mutex::new((None::<OrderId>, Instant::now(), 0u64, 0u64));
    Arc::new(move |order: OrderId, report: &StepReport, steps: u64| {
        let mut began = began.lock().unwrap_or_else(PoisonError::into_inner);
        if began.0 != Some(order) {
            *began = (Some(order), Instant::now(), 0, 0);
        }
        began.2 += report.units;
        began.3 += u64::from(report.taken == Taken::Invalid);
        let seconds = began.1.elapsed().as_secs_f32().max(1e-3);
        board.set(
            order,
            ProgressReport {
                step: report.step.0,
                steps,
                invalid: began.3,
                loss: report.loss_micro.map(|loss| loss as f32 / 1e6),
                per_second: Some(began.2 as f32 / seconds),
            },
        );
    })
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
