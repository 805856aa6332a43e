//! Where the time of an order went, by the timestamps of blocks.

use std::collections::BTreeMap;

use assay_api::{ChainError, ChainView};
use assay_ledger::{Event, Height, Lasting, Order, OrderEvent, OrderId, Phase};
use serde::{Deserialize, Serialize};

/// How long an order took from the block that posted it to the one in which it ended, in milliseconds
/// between the timestamps of blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// All of it.
    pub took_ms: u64,
    /// In windows: phases in which those who were asked say whether they take part.
    pub windows_ms: u64,
    /// In blocks without a transaction, each counted from its parent.
    pub empty_ms: u64,
    /// Blocks after the one that posted it.
    pub blocks: u64,
    /// Those without a transaction.
    pub empty_blocks: u64,
    /// By phase.
    pub phases_ms: BTreeMap<Phase, u64>,
}

impl Pace {
    /// Reads the blocks of an order that has ended.
    ///
    /// # Errors
    /// [`ChainError`] when one of them is not here any more.
    pub async fn of(chain: &dyn ChainView, order: &Order) -> Result<Self, ChainError> {
        let mut paces = Paces::default();
        for height in order.head.posted.0..=order.head.updated.0 {
            let block = chain.block(Height(height)).await?;
            let block =
                block.ok_or_else(|| ChainError::Local(format!("block {height} is not here")))?;
            let done = block.receipts.receipts.iter().flat_map(|of| &of.events);
            let events = block.receipts.events.iter().chain(done);
            let transactions = block.transactions.len();
            paces.block((block.head.timestamp_ms, transactions), events);
        }
        Ok(paces.of(order.head.id).cloned().unwrap_or_default())
    }

    fn block(&mut self, phase: Phase, passed: u64, transactions: usize) {
        self.took_ms += passed;
        self.blocks += 1;
        if transactions == 0 {
            self.empty_blocks += 1;
            self.empty_ms += passed;
        }
        if matches!(phase, Phase::Asked | Phase::Called) {
            self.windows_ms += passed;
        }
        *self.phases_ms.entry(phase).or_default() += passed;
    }

    /// One line for people.
    pub fn told(&self) -> String {
        format!(
            "{} from posting to the end: {} in windows for answers, {} in {} empty blocks of {}",
            Lasting(self.took_ms),
            Lasting(self.windows_ms),
            Lasting(self.empty_ms),
            self.empty_blocks,
            self.blocks,
        )
    }
}

/// The pace of every order in a stretch of blocks that begins before all of them.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    /// With the phase that each order is in.
    orders: BTreeMap<OrderId, (Phase, Pace)>,
    timestamp_ms: u64,
}

impl Paces {
    /// The next block: its timestamp, how many transactions it has, and all that happened in it.
    pub fn block<'e>(
        &mut self,
        (timestamp_ms, transactions): (u64, usize),
        events: impl Iterator<Item = &'e Event>,
    ) {
        let passed = timestamp_ms.saturating_sub(self.timestamp_ms);
        self.timestamp_ms = timestamp_ms;
        let open = self.orders.values_mut();
        for (phase, pace) in open.filter(|(phase, _)| !phase.is_final()) {
            pace.block(*phase, passed, transactions);
        }
        for event in events {
            let Event::Order { order, event } = event else {
                continue;
            };
            match event {
                OrderEvent::OrderPosted { .. } => {
                    self.orders.insert(*order, (Phase::Posted, Pace::default()));
                }
                OrderEvent::PhaseEntered { phase: entered } => {
                    if let Some((phase, _)) = self.orders.get_mut(order) {
                        *phase = *entered;
                    }
                }
                OrderEvent::Ended { .. } => {
                    if let Some((phase, _)) = self.orders.get_mut(order) {
                        *phase = Phase::Settled;
                    }
                }
                _ => {}
            }
        }
    }

    /// That of an order.
    pub fn of(&self, order: OrderId) -> Option<&Pace> {
        self.orders.get(&order).map(|(_, pace)| pace)
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::{Digest, SecretKey};
    use assay_ledger::{Amount, Outcome};

    use super::*;

    #[test]
    fn the_time_between_blocks_goes_to_the_phase_that_an_order_is_in() {
        let id = OrderId(Digest::of("assay/test/v1", &[]));
        let posted = OrderEvent::OrderPosted {
            requester: SecretKey::from_seed([1; 32]).public(),
            escrow: Amount(1),
        };
        let enters = |phase| OrderEvent::PhaseEntered { phase };
        let ended = OrderEvent::Ended {
            outcome: Outcome::Paid,
        };
        let blocks = [
            (1_000, 1, vec![posted, enters(Phase::Posted)]),
            (1_200, 0, vec![enters(Phase::Asked)]),
            (1_230, 2, vec![enters(Phase::Taken)]),
            (1_300, 0, vec![]),
            (1_340, 1, vec![ended]),
            (9_000, 0, vec![]),
        ];
        let mut paces = Paces::default();
        for (timestamp, transactions, events) in blocks {
            let events: Vec<Event> = events.into_iter().map(|event| event.of(id)).collect();
            paces.block((timestamp, transactions), events.iter());
        }
        let pace = Pace {
            took_ms: 340,
            windows_ms: 30,
            empty_ms: 270,
            blocks: 4,
            empty_blocks: 2,
            phases_ms: [
                (Phase::Posted, 200),
                (Phase::Asked, 30),
                (Phase::Taken, 110),
            ]
            .into(),
        };
        assert_eq!(paces.of(id), Some(&pace));
        assert_eq!(
            pace.told(),
            "340 ms from posting to the end: 30 ms in windows for answers, 270 ms in 2 empty blocks of 4"
        );
    }
}
