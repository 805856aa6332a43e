//! The order in which training meets the rows.

use assay_kernel::random::Stream;

use crate::batch::Batch;
use crate::dataset::DataSet;

/// The purpose under which the order of an epoch is drawn from the job's seed.
pub const ORDER_PURPOSE: u32 = 1;

/// Batches in the order a seed decides: step `s` takes the rows at positions `s * size ..` of an
/// endless sequence, in which epoch `e` is the permutation drawn at `(seed, ORDER_PURPOSE, e)`. A
/// batch may begin in one epoch and end in the next.
#[derive(Debug)]
pub struct Sampler<'a> {
    data: &'a DataSet,
    seed: [u8; 32],
    size: usize,
    epoch: Option<(u64, Vec<u32>)>,
}

impl<'a> Sampler<'a> {
    /// Batches of `size` rows of `data` (at most 2^31 - 1 rows, which [`DataSet`] ensures).
    pub fn new(data: &'a DataSet, seed: [u8; 32], size: usize) -> Self {
        Self {
            data,
            seed,
            size,
            epoch: None,
        }
    }

    /// The batch of a step, whichever steps were asked for before.
    pub fn batch(&mut self, step: u64) -> Batch {
        let mut batch = Batch::padding(self.size, self.data.sequence_length(), self.data.pad());
        self.fill(step, &mut batch);
        batch
    }

    /// [`Sampler::batch`] into a batch of the same shape.
    ///
    /// # Panics
    /// If `batch` has fewer rows or shorter ones.
    pub fn fill(&mut self, step: u64, batch: &mut Batch) {
        let rows = self.data.rows() as u128;
        for slot in 0..self.size {
            // 128 bits: no step number overflows the position.
            let position = u128::from(step) * self.size as u128 + slot as u128;
            let (epoch, at) = ((position / rows) as u64, (position % rows) as usize);
            let row = self.permutation(epoch)[at] as usize;
            self.data.fill(row, slot, batch);
        }
    }

    fn permutation(&mut self, epoch: u64) -> &[u32] {
        let stale = self
            .epoch
            .as_ref()
            .is_none_or(|(cached, _)| *cached != epoch);
        if stale {
            self.epoch = None;
        }
        let (seed, rows) = (&self.seed, self.data.rows() as u32);
        let draw = || Stream::new(seed, ORDER_PURPOSE, epoch).permutation(rows);
        &self.epoch.get_or_insert_with(|| (epoch, draw())).1
    }
}
