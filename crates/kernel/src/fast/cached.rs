//! Causal attention of a few new positions to a cache of keys and values.

use super::attention::{Inputs, with_panels};
use super::product::{Right, Target, blocks, multiply};
use crate::arith::Arith;
use crate::dispatch::dispatch;
use crate::matrix::{MatRef, Store};
use crate::reference::activation::softmax_in_place;
use crate::reference::reduce::LANES;
use crate::scratch::with_scratch;

/// One task: every query that reads one key head.
///
/// # Safety
/// `out` is as long as q, k and v hold `past + seq` positions; no other task of this number runs;
/// no dimension is zero and there is one sequence.
pub(crate) unsafe fn forward(x: Inputs<'_>, past: usize, out: Target, kv_head: usize) {
    let s = x.shape;
    let (total, dim, group) = (past + s.seq, s.head_dim, s.group());
    let stride = s.kv_heads * dim;
    let from = s.key_offset(0, 0, kv_head);
    let head = kv_head * group;
    let width = total.next_multiple_of(LANES);
    let keys = MatRef::new(&x.k[from..], total, dim, stride, 1);
    with_panels(keys.t(), |keys| {
        with_scratch(group * width, |rows| {
            for i in 0..s.seq {
                let (seen, at) = (past + i + 1, s.query_offset(0, i, head));
                // The heads of a group lie side by side: one product for all of them.
                let q = MatRef::row_major(&x.q[at..], group, dim);
                let scores = Target {
                    data: rows.as_mut_ptr(),
                    stride: width,
                };
                // SAFETY: a row of the scratch holds more than `seen` values.
                unsafe {
                    let keys = keys.rows_from(0);
                    blocks(x.engine, q, keys, (0, seen), scores, Store::Overwrite);
                }
                let scale = x.scale;
                let map = &mut *rows;
                dispatch!(x.path, softmax(map: &mut [f32], width: usize, seen: usize, scale: f32));
                let p = MatRef::new(rows, group, seen, width, 1);
                let values = MatRef::new(&x.v[from..], seen, dim, stride, 1);
                // SAFETY: `group` rows of `dim` values of `out` that belong to this task.
                unsafe {
                    let to = Target {
                        stride: dim,
                        ..out.at(0, at)
                    };
                    let values = Right::Plain(values);
                    multiply(x.engine, p, values, (0, dim), to, Store::Overwrite);
                }
            }
        });
    });
}

/// Scales and normalises the first `seen` values of each row; why the row is rounded up to whole
/// vectors: see the softmax of [`super::attention`].
#[inline(always)]
fn softmax<F: Arith>(map: &mut [f32], width: usize, seen: usize, scale: f32) {
    for row in map.chunks_exact_mut(width) {
        let row = &mut row[..seen.next_multiple_of(LANES)];
        for x in row[..seen].iter_mut() {
            *x *= scale;
        }
        row[seen..].fill(f32::NEG_INFINITY);
        softmax_in_place::<F>(row);
    }
}
