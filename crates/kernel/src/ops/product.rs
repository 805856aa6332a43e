//! Matrix products.

use std::ops::Range;

use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::fast::Engine;
use crate::fast::product::{COLS, GROUP, Right, Target, multiply, reads_plain};
use crate::kernel::Kernel;
use crate::matrix::{MatMut, MatRef, Store};
use crate::pack::{PANEL, Panels, PanelsRef, pack_b, padded, panel_offset, parts};
use crate::reference::product;
use crate::reference::reduce::BLOCK;
use crate::scratch::with_scratch;
use rayon::prelude::*;

/// A right-hand matrix kept in the layout the product reads, the same on every path: for weights
/// that stay as they are across steps.
#[derive(Clone, Debug)]
pub struct PackedB(Panels);

impl PackedB {
    /// Rows of the packed matrix (the depth of the product).
    pub fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Columns of the packed matrix (and of the product).
    pub fn cols(&self) -> usize {
        self.0.cols()
    }
}

#[inline(always)]
fn gemm<F: Arith>(a: MatRef<'_>, b: MatRef<'_>, c: &mut MatMut<'_>, store: Store) {
    product::gemm::<F>(a, b, c, store, &mut vec![0.0; b.cols()]);
}

impl Kernel {
    /// `c = a b` (or `c = c + a b`): m x k times k x n, blocks of 256 along k.
    ///
    /// A transpose is a [`MatRef::t`]; k = 0 stores +0, or leaves `c` as it is.
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn gemm(&self, a: MatRef<'_>, b: MatRef<'_>, c: &mut MatMut<'_>, store: Store) {
        check(&a, b.rows(), b.cols(), c);
        if self.gemm_fast(a, Right::Plain(b), c, store) {
            return;
        }
        if b.col_stride() != 1 {
            // The plain body walks along the rows of b.
            let (rows, cols) = (b.rows(), b.cols());
            let plain: Vec<f32> = (0..rows * cols).map(|i| b.at(i / cols, i % cols)).collect();
            return self.gemm(a, MatRef::row_major(&plain, rows, cols), c, store);
        }
        self.share_rows(c, a.cols() * b.cols() / 2, |rows, c| {
            let a = a.rows_from(rows.start, rows.len());
            dispatch!(
                self.path,
                gemm(a: MatRef<'_>, b: MatRef<'_>, c: &mut MatMut<'_>, store: Store)
            );
        });
    }

    /// Packs a right-hand matrix for [`Kernel::gemm_packed`].
    pub fn pack(&self, b: MatRef<'_>) -> PackedB {
        PackedB(Panels::new(b))
    }

    /// [`Kernel::gemm`] with a packed right-hand matrix; the same bits.
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn gemm_packed(&self, a: MatRef<'_>, b: &PackedB, c: &mut MatMut<'_>, store: Store) {
        let panels = &b.0;
        check(&a, panels.rows(), panels.cols(), c);
        if self.gemm_fast(a, Right::Packed(panels.view()), c, store) {
            return;
        }
        // The plain path reads the matrix back, row-major.
        let (rows, cols) = (panels.rows(), panels.cols());
        let mut plain = vec![0.0; rows * cols];
        for (k, row) in plain.chunks_exact_mut(cols.max(1)).enumerate() {
            let start = k / BLOCK * BLOCK;
            let depth = BLOCK.min(rows - start);
            for (n, to) in row.chunks_mut(PANEL).enumerate() {
                let panel = panel_offset(start, depth, n * PANEL, padded(cols));
                let at = panel + (k - start) * PANEL;
                to.copy_from_slice(&panels.data()[at..at + to.len()]);
            }
        }
        self.gemm(a, MatRef::row_major(&plain, rows, cols), c, store);
    }

    /// Shares the rows of a product among the threads; `cost` is the work of one.
    pub(super) fn share_rows(
        &self,
        c: &mut MatMut<'_>,
        cost: usize,
        body: impl Fn(Range<usize>, &mut MatMut<'_>) + Sync,
    ) {
        let (rows, cols, stride) = (c.rows(), c.cols(), c.row_stride());
        if rows == 0 || cols == 0 {
            return;
        }
        // The last row may end before its stride does, so it is not a whole row to split.
        let whole = (rows - 1) * stride;
        let (front, last) = c.data_mut().split_at_mut(whole);
        self.for_rows(rows - 1, cost, [stride], [front], |r, [part]| {
            if !r.is_empty() {
                let mut c = MatMut::new(part, r.len(), cols, stride);
                body(r, &mut c);
            }
        });
        body(rows - 1..rows, &mut MatMut::new(last, 1, cols, stride));
    }

    /// The vector paths; false when this kernel's path has none.
    fn gemm_fast(&self, a: MatRef<'_>, b: Right<'_>, c: &mut MatMut<'_>, store: Store) -> bool {
        let Some(engine) = Engine::of(self.path) else {
            return false;
        };
        let (rows, cols) = (c.rows(), c.cols());
        if rows == 0 || cols == 0 {
            return true;
        }
        if a.cols() == 0 {
            for i in 0..rows {
                if store == Store::Overwrite {
                    c.row_mut(i).fill(0.0);
                }
            }
            return true;
        }
        let target = Target {
            stride: c.row_stride(),
            data: c.data_mut().as_mut_ptr(),
        };
        let threads = self.useful_threads(rows * cols * a.cols() / 10);
        match b {
            Right::Plain(b) if !reads_plain(a, cols) => {
                self.gemm_shared(engine, a, b, target, store, threads);
            }
            _ => self.gemm_pieces(engine, a, b, (0, cols), target, store, threads),
        }
        true
    }

    /// Packs some blocks of B with all threads, multiplies by that copy while it lies in the caches,
    /// and goes on to the next ones.
    fn gemm_shared(
        &self,
        engine: &'static Engine,
        a: MatRef<'_>,
        b: MatRef<'_>,
        c: Target,
        store: Store,
        threads: usize,
    ) {
        for from in (0..b.cols()).step_by(COLS) {
            let to = b.cols().min(from + COLS);
            let width = padded(to - from);
            with_scratch(b.rows().min(GROUP) * width, |data| {
                for start in (0..b.rows()).step_by(GROUP) {
                    let depth = GROUP.min(b.rows() - start);
                    let (a, b) = (a.columns_from(start, depth), b.rows_from(start, depth));
                    let data = &mut data[..depth * width];
                    if threads == 1 {
                        pack_b(b, from, to, data);
                    } else {
                        let parts = parts(b, from, to, data, 2 * threads);
                        self.run(|| parts.into_par_iter().for_each(|part| part.pack(b)));
                    }
                    let first = from;
                    let packed = Right::Packed(PanelsRef { data, width, first });
                    let store = if start > 0 { Store::Accumulate } else { store };
                    self.gemm_pieces(engine, a, packed, (from, to), c, store, threads);
                }
            });
        }
    }

    /// Columns `from..to` of the product, a piece for each thread.
    #[allow(clippy::too_many_arguments)]
    fn gemm_pieces(
        &self,
        engine: &'static Engine,
        a: MatRef<'_>,
        b: Right<'_>,
        (from, to): (usize, usize),
        c: Target,
        store: Store,
        threads: usize,
    ) {
        let grid = Grid::new(threads, a.rows(), to - from);
        self.for_each(grid.pieces(), |piece| {
            let ((top, bottom), (left, right)) = grid.piece(piece);
            let a = a.rows_from(top, bottom - top);
            let columns = (from + left, from + right);
            // SAFETY: the engine belongs to the kernel's detected path; c has the product's shape
            // (checked by the caller) and the grid's pieces do not overlap.
            unsafe {
                multiply(engine, a, b, columns, c.at(top, from + left), store);
            }
        });
    }
}

/// A division of a matrix into pieces, one a thread: along the rows when each piece has many, so
/// that no two threads copy the same part of A; else along the longer side first. Columns are cut at
/// multiples of a panel.
pub(super) struct Grid {
    rows: usize,
    cols: usize,
    down: usize,
    across: usize,
}

impl Grid {
    pub(super) fn new(threads: usize, rows: usize, cols: usize) -> Self {
        let (tall, wide) = (rows.div_ceil(16), cols.div_ceil(PANEL));
        let (down, across) = if rows >= cols || rows >= threads * MANY_ROWS {
            let down = threads.min(tall);
            (down, (threads / down).min(wide))
        } else {
            let across = threads.min(wide);
            ((threads / across).min(tall), across)
        };
        Self {
            rows,
            cols,
            down,
            across,
        }
    }

    pub(super) fn pieces(&self) -> usize {
        self.down * self.across
    }

    /// Rows and columns of a piece.
    pub(super) fn piece(&self, n: usize) -> ((usize, usize), (usize, usize)) {
        let (i, j) = (n / self.across, n % self.across);
        let row = |i: usize| self.rows * i / self.down;
        let panels = self.cols.div_ceil(PANEL);
        let col = |j: usize| (panels * j / self.across * PANEL).min(self.cols);
        ((row(i), row(i + 1)), (col(j), col(j + 1)))
    }
}

/// Rows that keep a thread busy with one panel of B.
const MANY_ROWS: usize = 224;

#[track_caller]
fn check(a: &MatRef<'_>, b_rows: usize, b_cols: usize, c: &MatMut<'_>) {
    assert!(
        a.cols() == b_rows && c.rows() == a.rows() && c.cols() == b_cols,
        "a product of {} x {} and {b_rows} x {b_cols} does not fit {} x {}",
        a.rows(),
        a.cols(),
        c.rows(),
        c.cols()
    );
}
