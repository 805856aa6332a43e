//! The order in which a trainer meets its rows.

use assay_crypto::Digest;
use assay_kernel::random::Stream;

/// The purpose under which an epoch's order is drawn.
const EPOCH: u32 = 1;

/// Whose batches these are: the public seed of a round and which trainer of it.
///
/// Step `s` takes the rows at positions `s * size ..` of an endless sequence, in which epoch `e` is the
/// permutation drawn at `(key, 1, e)` with `key = H("assay/estimator/order/v1", seed, round, trainer)`. A
/// batch may begin in one epoch and end in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Public randomness.
    pub seed: [u8; 32],
    /// Which round.
    pub round: u64,
    /// Which trainer.
    pub trainer: u64,
}

impl Order {
    fn key(&self) -> [u8; 32] {
        let parts: [&[u8]; 3] = [
            &self.seed,
            &self.round.to_le_bytes(),
            &self.trainer.to_le_bytes(),
        ];
        Digest::of("assay/estimator/order/v1", &parts).0
    }
}

/// [`Order`] with the epoch that was drawn last.
#[derive(Debug)]
pub(super) struct Batches {
    key: [u8; 32],
    epoch: Option<(u64, Vec<u32>)>,
}

impl Batches {
    pub(super) fn new(order: Order) -> Self {
        Self {
            key: order.key(),
            epoch: None,
        }
    }

    /// The rows of step `index`, of so many rows in all; a batch is never larger than that.
    pub(super) fn rows(&mut self, rows: u32, size: u32, index: u64) -> Vec<u32> {
        let size = size.min(rows);
        let place = |slot| u128::from(index) * u128::from(size) + u128::from(slot);
        let each = (0..size).map(|slot| {
            let (epoch, at) = (
                place(slot) / u128::from(rows),
                place(slot) % u128::from(rows),
            );
            self.permutation(rows, epoch as u64)[at as usize]
        });
        each.collect()
    }

    fn permutation(&mut self, rows: u32, epoch: u64) -> &[u32] {
        let fits = |(of, order): &(u64, Vec<u32>)| *of == epoch && order.len() == rows as usize;
        let kept = self.epoch.take().filter(fits);
        let draw = || {
            (
                epoch,
                Stream::new(&self.key, EPOCH, epoch).permutation(rows),
            )
        };
        let order = kept.unwrap_or_else(draw);
        &self.epoch.insert(order).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(trainer: u64) -> Batches {
        Batches::new(Order {
            seed: [1; 32],
            round: 2,
            trainer,
        })
    }

    #[test]
    fn an_epoch_meets_every_row_once_and_steps_may_be_asked_for_in_any_order() {
        let mut straight = batches(0);
        let all: Vec<_> = (0..7).map(|step| straight.rows(21, 3, step)).collect();
        let mut met = all.concat();
        met.sort_unstable();
        assert_eq!(met, (0..21).collect::<Vec<_>>());
        let mut jumping = batches(0);
        for step in [6, 0, 3, 3, 1] {
            assert_eq!(jumping.rows(21, 3, step), all[step as usize]);
        }
    }

    #[test]
    fn trainers_and_rounds_meet_their_rows_in_orders_of_their_own() {
        let first = batches(0).rows(50, 50, 0);
        assert_ne!(first, batches(1).rows(50, 50, 0));
        let next = Order {
            seed: [1; 32],
            round: 3,
            trainer: 0,
        };
        assert_ne!(first, Batches::new(next).rows(50, 50, 0));
    }

    #[test]
    fn a_batch_larger_than_the_shard_is_the_shard() {
        assert_eq!(batches(0).rows(5, 100, u64::MAX).len(), 5);
        assert!(batches(0).rows(0, 100, 3).is_empty());
    }

    #[test]
    fn the_order_is_this_one() {
        assert_eq!(batches(0).rows(10, 5, 0), [2, 6, 0, 1, 8]);
    }
}
