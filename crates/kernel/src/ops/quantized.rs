//! Rows of 8-bit integers and their products.

use rayon::prelude::*;

use super::expect_len;
use super::product::Grid;
use crate::dispatch::dispatch;
use crate::fast::integer::{Engine, Left, multiply};
use crate::fast::product::Target;
use crate::kernel::Kernel;
use crate::matrix::{MatMut, Store};
use crate::pack::quads::{Quads, QuadsRef};
use crate::reference::quantized;
use crate::scratch::{with_bytes, with_scratch};

/// The longest sum of products of 8-bit integers that 32 bits hold: (2^31 - 1) / 2^14.
pub const MAX_DEPTH_I8: usize = 131_071;

/// A right-hand matrix of 8-bit integers in the layout the product reads, the same on every path.
#[derive(Clone, Debug)]
pub struct PackedI8(Quads);

impl PackedI8 {
    /// Rows of the packed matrix (the depth of the product).
    pub fn rows(&self) -> usize {
        self.0.depth()
    }

    /// Columns of the packed matrix (and of the product).
    pub fn cols(&self) -> usize {
        self.0.cols()
    }
}

impl Kernel {
    /// Rounds every row of `x` (`[rows, cols]`), its columns first multiplied by `factors` where
    /// they are given, to integers `q` within 127 of zero and one scale a row: `q * scale` is near
    /// `x`. A row with a NaN or infinity gets zeros and a scale that is not finite; one without a
    /// magnitude of 2^-100 gets zeros and the scale 0.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn quantize_rows(
        &self,
        x: &[f32],
        factors: Option<&[f32]>,
        q: &mut [i8],
        scale: &mut [f32],
    ) {
        let rows = scale.len();
        let cols = x.len().checked_div(rows).unwrap_or(0);
        expect_len("x", x.len(), rows * cols);
        expect_len("q", q.len(), rows * cols);
        // Without rows nothing says how many columns there are.
        if let Some(factors) = factors.filter(|_| rows > 0) {
            expect_len("factors", factors.len(), cols);
        }
        if cols == 0 {
            return scale.fill(0.0);
        }
        let pieces = self.useful_threads(x.len() * 2);
        if pieces == 1 {
            return self.quantize_some(x, factors, cols, q, scale);
        }
        let share = rows.div_ceil(pieces);
        let all = x
            .par_chunks(share * cols)
            .zip(q.par_chunks_mut(share * cols))
            .zip(scale.par_chunks_mut(share));
        self.run(|| {
            all.for_each(|((x, q), scale)| self.quantize_some(x, factors, cols, q, scale));
        });
    }

    fn quantize_some(
        &self,
        x: &[f32],
        factors: Option<&[f32]>,
        cols: usize,
        q: &mut [i8],
        scale: &mut [f32],
    ) {
        dispatch!(
            self.path,
            quantized::rows(
                x: &[f32],
                factors: Option<&[f32]>,
                cols: usize,
                q: &mut [i8],
                scale: &mut [f32],
            )
        );
    }

    /// Packs a row-major right-hand matrix of `rows` x `cols`, or its transpose, for
    /// [`Kernel::product_i8`].
    ///
    /// # Panics
    /// If `values` does not hold `rows * cols`.
    pub fn pack_i8(&self, values: &[i8], rows: usize, cols: usize, transposed: bool) -> PackedI8 {
        expect_len("values", values.len(), rows * cols);
        PackedI8(Quads::new(values, rows, cols, transposed))
    }

    /// `c_ij = f32(sum_k qa_ik * b_kj) * sa_i`, times `sb_j` where `sb` is given; or `c_ij` plus
    /// that. The sum is exact; `qa` is `[rows of c, rows of b]`.
    ///
    /// # Panics
    /// If the shapes disagree or `b` has more than [`MAX_DEPTH_I8`] rows.
    pub fn product_i8(
        &self,
        qa: &[i8],
        sa: &[f32],
        b: &PackedI8,
        sb: Option<&[f32]>,
        c: &mut MatMut<'_>,
        store: Store,
    ) {
        let (rows, cols, depth) = (c.rows(), c.cols(), b.rows());
        expect_len("qa", qa.len(), rows * depth);
        expect_len("sa", sa.len(), rows);
        expect_len("the columns of c", cols, b.cols());
        if let Some(sb) = sb {
            expect_len("sb", sb.len(), cols);
        }
        assert!(
            depth <= MAX_DEPTH_I8,
            "a sum of {depth} products of 8-bit integers may not fit 32 bits"
        );
        if rows == 0 || cols == 0 {
            return;
        }
        let b = b.0.view();
        let Some(engine) = Engine::of(self.path) else {
            return self.share_rows(c, depth * cols, |rows, c| {
                let qa = &qa[rows.start * depth..rows.end * depth];
                self.product_plain(qa, &sa[rows], b, sb, c, store);
            });
        };
        let target = Target {
            stride: c.row_stride(),
            data: c.data_mut().as_mut_ptr(),
        };
        let threads = self.useful_threads(rows * cols * depth / 30);
        let grid = Grid::new(threads, rows, cols);
        self.for_each(grid.pieces(), |piece| {
            let ((top, bottom), (left, right)) = grid.piece(piece);
            let a = Left {
                values: &qa[top * depth..bottom * depth],
                scales: &sa[top..bottom],
            };
            // SAFETY: the engine belongs to the kernel's detected path; c has the product's shape
            // and the grid's pieces do not overlap.
            unsafe {
                let c = target.at(top, left);
                multiply(engine, a, b, sb, (left, right), c, store);
            }
        });
    }

    fn product_plain(
        &self,
        qa: &[i8],
        sa: &[f32],
        b: QuadsRef<'_>,
        sb: Option<&[f32]>,
        c: &mut MatMut<'_>,
        store: Store,
    ) {
        dispatch!(
            self.path,
            quantized::product(
                qa: &[i8],
                sa: &[f32],
                b: QuadsRef<'_>,
                sb: Option<&[f32]>,
                c: &mut MatMut<'_>,
                store: Store,
            )
        );
    }

    /// [`Kernel::quantize_rows`] of `x`, then [`Kernel::product_i8`] of the result with `b`.
    ///
    /// # Panics
    /// As both.
    pub fn quantized_product(
        &self,
        x: &[f32],
        factors: Option<&[f32]>,
        b: &PackedI8,
        sb: Option<&[f32]>,
        c: &mut MatMut<'_>,
        store: Store,
    ) {
        expect_len("x", x.len(), c.rows() * b.rows());
        with_bytes(x.len(), |q| {
            with_scratch(c.rows(), |scale| {
                self.quantize_rows(x, factors, q, scale);
                self.product_i8(q, scale, b, sb, c, store);
            });
        });
    }

    /// Runs integer dot products on one thread, as many at once as the processor takes, and returns
    /// how many operations (a multiplication and an addition each) that were; `None` where that
    /// is not one instruction. Time it to learn the peak.
    pub fn multiply_add_i8_peak(&self) -> Option<u64> {
        let engine = Engine::of(self.path)?;
        // SAFETY: the engine belongs to the kernel's detected path.
        unsafe { engine.peak() }.map(|n| 2 * n)
    }
}
