//! Embedding tables.

use super::expect_len;
use crate::kernel::Kernel;
use crate::reference::embedding;

impl Kernel {
    /// `out_t = table[ids_t]`; `table` is `[vocab, width]`, `out` is `[ids, width]`.
    ///
    /// # Panics
    /// If the lengths disagree or an id lies outside the table.
    pub fn embedding(&self, table: &[f32], ids: &[u32], width: usize, out: &mut [f32]) {
        check(table.len(), ids, width, out.len());
        embedding::gather(table, ids, width, out);
    }

    /// The gradient of [`Kernel::embedding`], overwritten: per id, positions ascending.
    ///
    /// # Panics
    /// If the lengths disagree or an id lies outside the table.
    pub fn embedding_backward(&self, dout: &[f32], ids: &[u32], width: usize, dtable: &mut [f32]) {
        check(dtable.len(), ids, width, dout.len());
        embedding::scatter(dout, ids, width, dtable);
    }
}

#[track_caller]
fn check(table: usize, ids: &[u32], width: usize, rows: usize) {
    expect_len("the rows", rows, ids.len() * width);
    let vocab = table.checked_div(width).unwrap_or(0);
    expect_len("the table", table, vocab * width);
    let outside = ids.iter().find(|id| width > 0 && **id as usize >= vocab);
    assert!(
        outside.is_none(),
        "id {outside:?} lies outside the table of {vocab} rows"
    );
}
