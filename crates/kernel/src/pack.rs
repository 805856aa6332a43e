//! Copies of operands in the order in which tiles read them.

use crate::matrix::MatRef;
use crate::reference::reduce::BLOCK;
use crate::scratch::Buffer;

/// Columns of a packed panel of B, on every path.
pub(crate) const PANEL: usize = 32;

/// A right-hand matrix in panels: for each block of 256 along k, for each 32 columns, the rows of
/// that panel one after the other, columns beyond the last filled with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    data: Buffer,
    rows: usize,
    cols: usize,
}

impl Panels {
    pub(crate) fn new(b: MatRef<'_>) -> Self {
        let (rows, cols) = (b.rows(), b.cols());
        let mut data = Buffer::zeroed(rows * padded(cols));
        let len = rows * padded(cols);
        pack_b(b, 0, cols, data.take(len));
        Self { data, rows, cols }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn data(&self) -> &[f32] {
        self.data.as_slice()
    }

    /// The panels to read.
    pub(crate) fn view(&self) -> PanelsRef<'_> {
        PanelsRef {
            data: self.data(),
            width: padded(self.cols),
            first: 0,
        }
    }
}

/// Panels of a matrix `width` columns wide that begins at column `first` of the right-hand side.
#[derive(Clone, Copy)]
pub(crate) struct PanelsRef<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) width: usize,
    pub(crate) first: usize,
}

/// `cols` rounded up to whole panels.
pub(crate) fn padded(cols: usize) -> usize {
    cols.next_multiple_of(PANEL)
}

/// Where the panel of column `col` (a multiple of 32) begins in the block that starts at row
/// `start` and has `depth` rows, for a matrix padded to `width` columns.
pub(crate) fn panel_offset(start: usize, depth: usize, col: usize, width: usize) -> usize {
    start * width + col * depth
}

/// Packs columns `from..to` of `b` (`from` a multiple of 32) as a matrix of their own.
pub(crate) fn pack_b(b: MatRef<'_>, from: usize, to: usize, out: &mut [f32]) {
    for part in parts(b, from, to, out, 1) {
        part.pack(b);
    }
}

/// Some panels of one block of a right-hand matrix, to be packed by one thread.
pub(crate) struct Part<'a> {
    start: usize,
    depth: usize,
    from: usize,
    to: usize,
    out: &'a mut [f32],
}

/// Cuts the packing of columns `from..to` of `b` into at least `least` parts, if it has so many
/// panels.
pub(crate) fn parts<'a>(
    b: MatRef<'_>,
    from: usize,
    to: usize,
    mut out: &'a mut [f32],
    least: usize,
) -> Vec<Part<'a>> {
    let cuts = b.rows().div_ceil(BLOCK).max(1);
    let panels = (to - from).div_ceil(PANEL);
    let step = (panels / least.div_ceil(cuts)).max(1) * PANEL;
    let mut all = Vec::new();
    for start in (0..b.rows()).step_by(BLOCK) {
        let depth = BLOCK.min(b.rows() - start);
        for col in (from..to).step_by(step) {
            let end = to.min(col + step);
            let (part, rest) = out.split_at_mut(depth * padded(end - col));
            out = rest;
            all.push(Part {
                start,
                depth,
                from: col,
                to: end,
                out: part,
            });
        }
    }
    all
}

impl Part<'_> {
    /// Copies this part out of `b`.
    pub(crate) fn pack(self, b: MatRef<'_>) {
        let size = self.depth * PANEL;
        let mut col = self.from;
        // Four panels at once, so that a row is read in longer runs.
        for group in self.out.chunks_mut(4 * size) {
            let end = self.to.min(col + 4 * PANEL);
            if b.col_stride() == 1 {
                for k in 0..self.depth {
                    let at = (self.start + k) * b.row_stride();
                    for line in (col..end).step_by(16) {
                        prefetch(b.data(), at + ROWS_AHEAD * b.row_stride() + line);
                    }
                    copy_row(&b.data()[at + col..at + end], k, size, group);
                }
            } else {
                for (n, panel) in group.chunks_exact_mut(size).enumerate() {
                    let first = col + n * PANEL;
                    let cols = PANEL.min(end - first);
                    if cols < PANEL {
                        panel.fill(0.0);
                    }
                    interleave(b.t(), first, cols, self.start, self.depth, panel, PANEL);
                }
            }
            col = end;
        }
    }
}

/// Rows of B asked for before they are copied: each lies in a page of its own, which the processor
/// does not foresee.
const ROWS_AHEAD: usize = 8;

/// Asks for the cache line of an element, if there is one.
fn prefetch(data: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if at < data.len() {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory, and the address lies in the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(data.as_ptr().add(at).cast()) };
    }
    let _ = (data, at);
}

/// Row k of some panels of `size` values each, the last one filled up with zeros.
fn copy_row(row: &[f32], k: usize, size: usize, panels: &mut [f32]) {
    let (whole, rest) = row.as_chunks::<PANEL>();
    let mut to = k * PANEL;
    for row in whole {
        panels[to..to + PANEL].copy_from_slice(row);
        to += size;
    }
    if !rest.is_empty() {
        let to = &mut panels[to..to + PANEL];
        to.fill(0.0);
        to[..rest.len()].copy_from_slice(rest);
    }
}

/// Copies a matrix of at most `width` columns into rows of `width`, the rest zeros.
pub(crate) fn pack_rows(b: MatRef<'_>, width: usize, out: &mut [f32]) {
    if b.cols() < width {
        out.fill(0.0);
    }
    if b.col_stride() == 1 {
        for (k, to) in out.chunks_exact_mut(width).enumerate() {
            let at = k * b.row_stride();
            to[..b.cols()].copy_from_slice(&b.data()[at..at + b.cols()]);
        }
    } else {
        interleave(b.t(), 0, b.cols(), 0, b.rows(), out, width);
    }
}

/// Cuts `n` rows into as few parts of at most `most` as there can be, of almost equal size: a small
/// rest would leave most of the processor idle. Gives the first row and the number of rows.
pub(crate) fn even_cuts(n: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = n.div_ceil(most);
    let (size, larger) = (n / parts.max(1), n % parts.max(1));
    (0..parts).map(move |i| (i * size + i.min(larger), size + usize::from(i < larger)))
}

/// Packs rows `from..to` of columns `start..start + depth` of `a` in panels of at most `rows` rows,
/// as [`even_cuts`] cuts them.
pub(crate) fn pack_a(
    a: MatRef<'_>,
    (from, to): (usize, usize),
    (start, depth): (usize, usize),
    rows: usize,
    out: &mut [f32],
) {
    for (first, count) in even_cuts(to - from, rows) {
        let row = from + first;
        let panel = &mut out[first * depth..][..count * depth];
        if a.row_stride() == 1 {
            for (k, to) in panel.chunks_exact_mut(count).enumerate() {
                let at = (start + k) * a.col_stride() + row;
                to.copy_from_slice(&a.data()[at..at + count]);
            }
        } else {
            interleave(a, row, count, start, depth, panel, count);
        }
    }
}

/// `out[k * stride + i] = m[first + i][start + k]` for `i < count`, `k < depth`.
fn interleave(
    m: MatRef<'_>,
    first: usize,
    count: usize,
    start: usize,
    depth: usize,
    out: &mut [f32],
    stride: usize,
) {
    let mut row = 0;
    if m.col_stride() == 1 {
        while row < count {
            // The last group of eight may repeat rows of the one before.
            let group = row.min(count.saturating_sub(8));
            let from = &m.data()[(first + group) * m.row_stride() + start..];
            if count < 8 || !interleave8(from, m.row_stride(), depth, &mut out[group..], stride) {
                break;
            }
            row = group + 8;
        }
    }
    for i in row..count {
        for k in 0..depth {
            out[k * stride + i] = m.at(first + i, start + k);
        }
    }
}

/// `out[k * out_stride + i] = from[i * stride + k]` for eight rows and `depth` columns; false,
/// with nothing done, when the processor has no suitable instructions.
fn interleave8(
    from: &[f32],
    stride: usize,
    depth: usize,
    out: &mut [f32],
    out_stride: usize,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was detected.
        unsafe { avx2::interleave8(from, stride, depth, out, out_stride) };
        return true;
    }
    let _ = (from, stride, depth, out, out_stride);
    false
}

#[cfg(target_arch = "x86_64")]
mod avx2;
pub(crate) mod quads;

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
