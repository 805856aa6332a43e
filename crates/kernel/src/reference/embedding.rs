//! Rows of a table by token id.

/// `out_t = table[ids_t]`.
#[inline(always)]
pub(crate) fn gather(table: &[f32], ids: &[u32], width: usize, out: &mut [f32]) {
    for (out, id) in out.chunks_exact_mut(width.max(1)).zip(ids) {
        out.copy_from_slice(&table[*id as usize * width..][..width]);
    }
}

/// `dtable[id]` = +0, then `+ dout_t` for every position t of that id, ascending.
#[inline(always)]
pub(crate) fn scatter(dout: &[f32], ids: &[u32], width: usize, dtable: &mut [f32]) {
    dtable.fill(0.0);
    for (dout, id) in dout.chunks_exact(width.max(1)).zip(ids) {
        let row = &mut dtable[*id as usize * width..][..width];
        for (row, d) in row.iter_mut().zip(dout) {
            *row += d;
        }
    }
}
