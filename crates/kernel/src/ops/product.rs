//! Matrix products.

use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::matrix::{MatMut, MatRef, Store};
use crate::reference::product;

/// A right-hand matrix kept in the layout the product reads: for weights that stay the same
/// across steps.
#[derive(Clone, Debug)]
pub struct PackedB {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
}

impl PackedB {
    /// Rows of the packed matrix (the depth of the product).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the packed matrix (and of the product).
    pub fn cols(&self) -> usize {
        self.cols
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
        dispatch!(self.path, gemm(a: MatRef<'_>, b: MatRef<'_>, c: &mut MatMut<'_>, store: Store));
    }

    /// Packs a right-hand matrix for [`Kernel::gemm_packed`] on this kernel's path.
    pub fn pack(&self, b: MatRef<'_>) -> PackedB {
        let (rows, cols) = (b.rows(), b.cols());
        let data = (0..rows * cols).map(|i| b.at(i / cols, i % cols)).collect();
        PackedB { data, rows, cols }
    }

    /// [`Kernel::gemm`] with a packed right-hand matrix; the same bits.
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn gemm_packed(&self, a: MatRef<'_>, b: &PackedB, c: &mut MatMut<'_>, store: Store) {
        self.gemm(a, MatRef::row_major(&b.data, b.rows, b.cols), c, store);
    }
}

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
