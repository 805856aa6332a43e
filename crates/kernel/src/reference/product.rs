//! The matrix product.

use super::reduce::BLOCK;
use crate::arith::Arith;
use crate::matrix::{MatMut, MatRef, Store};

/// Per output: `acc = +0; acc = fma(a_ik, b_kj, acc)` for ascending k within a block of 256; the
/// first block is stored, later ones `c = c + acc`; `Accumulate` adds the first one too.
///
/// The loop over j stands inside the one over k, which leaves every chain as it is and lets the
/// compiler work on many of them at once. The rows of `b` must be contiguous; `acc` is as long as
/// one.
#[inline(always)]
pub(crate) fn gemm<F: Arith>(
    a: MatRef<'_>,
    b: MatRef<'_>,
    c: &mut MatMut<'_>,
    store: Store,
    acc: &mut [f32],
) {
    let depth = a.cols();
    for i in 0..a.rows() {
        if depth == 0 && store == Store::Overwrite {
            c.row_mut(i).fill(0.0);
        }
        for start in (0..depth).step_by(BLOCK) {
            acc.fill(0.0);
            for k in start..depth.min(start + BLOCK) {
                let left = a.at(i, k);
                let row = &b.data()[k * b.row_stride()..][..acc.len()];
                for (acc, b) in acc.iter_mut().zip(row) {
                    *acc = F::fma(left, *b, *acc);
                }
            }
            let row = c.row_mut(i);
            if start == 0 && store == Store::Overwrite {
                row.copy_from_slice(acc);
            } else {
                for (c, acc) in row.iter_mut().zip(&*acc) {
                    *c += acc;
                }
            }
        }
    }
}
