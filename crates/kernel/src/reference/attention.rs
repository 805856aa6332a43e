//! Causal attention with grouped queries.

use super::activation::softmax_in_place;
use super::reduce::BLOCK;
use crate::arith::Arith;
use crate::shape::AttentionShape;

/// The chain of a matrix product over k in `start..end`, in blocks at multiples of 256; `first`
/// is the value the first block is added to, `None` when it is stored.
#[inline(always)]
fn chain<F: Arith>(
    start: usize,
    end: usize,
    first: Option<f32>,
    a: impl Fn(usize) -> f32,
    b: impl Fn(usize) -> f32,
) -> f32 {
    let mut c = first;
    let mut k = start;
    while k < end {
        let stop = end.min((k / BLOCK + 1) * BLOCK);
        let mut acc = 0.0;
        while k < stop {
            acc = F::fma(a(k), b(k), acc);
            k += 1;
        }
        c = Some(match c {
            None => acc,
            Some(c) => c + acc,
        });
    }
    c.unwrap_or(0.0)
}

/// Per (batch, head), for every query i and key j <= i: scores `chain_d(q_id, k_jd) * scale`, a
/// softmax over j, and `out_id = chain_j(p_ij, v_jd)`. Entries j > i of `probs` are +0 and stand
/// outside every chain.
#[inline(always)]
pub(crate) fn forward<F: Arith>(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: &AttentionShape,
    scale: f32,
    out: &mut [f32],
    probs: &mut [f32],
) {
    let (seq, dim) = (shape.seq, shape.head_dim);
    for batch in 0..shape.batch {
        for head in 0..shape.heads {
            let at = |t: usize| shape.query_offset(batch, t, head);
            let kv = |t: usize| shape.key_offset(batch, t, shape.kv_head(head));
            let map = &mut probs[(batch * shape.heads + head) * seq * seq..][..seq * seq];
            for i in 0..seq {
                let row = &mut map[i * seq..][..seq];
                for (j, s) in row[..=i].iter_mut().enumerate() {
                    *s = chain::<F>(0, dim, None, |d| q[at(i) + d], |d| k[kv(j) + d]) * scale;
                }
                softmax_in_place::<F>(&mut row[..=i]);
                row[i + 1..].fill(0.0);
                for d in 0..dim {
                    out[at(i) + d] = chain::<F>(0, i + 1, None, |j| row[j], |j| v[kv(j) + d]);
                }
            }
        }
    }
}

/// One row: `d = dot(p, dp)`, `ds = (p * (dp - d)) * scale`, in place of dp.
#[inline(always)]
pub(crate) fn score_gradient<F: Arith>(p: &[f32], dp: &mut [f32], scale: f32) {
    let d = F::dot(p, dp);
    for (dp, p) in dp.iter_mut().zip(p) {
        *dp = (p * (*dp - d)) * scale;
    }
}

/// Per (batch, head): `dp_ij = chain_d(dout_id, v_jd)`, `ds_ij = (p_ij * (dp_ij - dot_j(p_i,
/// dp_i))) * scale`, `dq_id = chain_j(ds_ij, k_jd)`, and over the queries i >= j
/// `dk_jd = chain_i(ds_ij, q_id)`, `dv_jd = chain_i(p_ij, dout_id)`, the heads of a group
/// accumulated in ascending order.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward<F: Arith>(
    dout: &[f32],
    q: &[f32],
    k: &[f32],
    v: &[f32],
    probs: &[f32],
    shape: &AttentionShape,
    scale: f32,
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
) {
    let (seq, dim) = (shape.seq, shape.head_dim);
    let mut ds = vec![0.0; seq * seq];
    for batch in 0..shape.batch {
        for head in 0..shape.heads {
            let first = head % shape.group() == 0;
            let at = |t: usize| shape.query_offset(batch, t, head);
            let kv = |t: usize| shape.key_offset(batch, t, shape.kv_head(head));
            let map = &probs[(batch * shape.heads + head) * seq * seq..][..seq * seq];
            for i in 0..seq {
                let p = &map[i * seq..][..=i];
                let row = &mut ds[i * seq..][..=i];
                for (j, ds) in row.iter_mut().enumerate() {
                    *ds = chain::<F>(0, dim, None, |d| dout[at(i) + d], |d| v[kv(j) + d]);
                }
                score_gradient::<F>(p, row, scale);
                for d in 0..dim {
                    dq[at(i) + d] = chain::<F>(0, i + 1, None, |j| row[j], |j| k[kv(j) + d]);
                }
            }
            for j in 0..seq {
                for d in 0..dim {
                    let old = |x: f32| if first { None } else { Some(x) };
                    let to = kv(j) + d;
                    let ds = |i: usize| ds[i * seq + j];
                    let p = |i: usize| map[i * seq + j];
                    dk[to] = chain::<F>(j, seq, old(dk[to]), ds, |i| q[at(i) + d]);
                    dv[to] = chain::<F>(j, seq, old(dv[to]), p, |i| dout[at(i) + d]);
                }
            }
        }
    }
}
