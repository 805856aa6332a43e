//! Batches: what one training step reads.

use assay_kernel::IGNORE;

/// `batch` rows of `seq` tokens, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Rows.
    pub batch: usize,
    /// Tokens a row.
    pub seq: usize,
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each position, the token to predict there (the next one), or [`IGNORE`].
    pub labels: Vec<i32>,
}

impl Batch {
    /// A batch of padding, in which nothing counts.
    pub fn padding(batch: usize, seq: usize, pad: u32) -> Self {
        Self {
            batch,
            seq,
            ids: vec![pad; batch * seq],
            labels: vec![IGNORE; batch * seq],
        }
    }

    /// How many positions count towards the loss.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|label| **label != IGNORE).count()
    }
}
