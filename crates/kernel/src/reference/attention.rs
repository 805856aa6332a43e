//! Causal attention with grouped queries.

use super::activation::softmax_in_place;
use super::reduce::BLOCK;
use crate::arith::Arith;
use crate::shape::AttentionShape;

/// For every column d, the chain of a matrix product `out_d = chain_k(a_k, b_kd)` over k in
/// `start..end`, in blocks at multiples of 256; `add` adds the first block to `out`, too.
#[inline(always)]
fn chains<'a, F: Arith>(
    (start, end): (usize, usize),
    a: impl Fn(usize) -> f32,
    b: impl Fn(usize) -> &'a [f32],
    out: &mut [f32],
    add: bool,
) {
    let mut acc = vec![0.0; out.len()];
    let mut k = start;
    while k < end {
        let stop = end.min((k / BLOCK + 1) * BLOCK);
        let store = k == start && !add;
        acc.fill(0.0);
        while k < stop {
            let a = a(k);
            for (acc, b) in acc.iter_mut().zip(b(k)) {
                *acc = F::fma(a, *b, *acc);
            }
            k += 1;
        }
        for (out, acc) in out.iter_mut().zip(&acc) {
            *out = if store { *acc } else { *out + acc };
        }
    }
}

/// `out[d * seq + t] = x[at(t) + d]`: one head with its positions side by side.
#[inline(always)]
fn transposed(x: &[f32], at: impl Fn(usize) -> usize, out: &mut [f32], seq: usize) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = x[at(i % seq) + i / seq];
    }
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
    let mut keys = vec![0.0; dim * seq];
    for batch in 0..shape.batch {
        for head in 0..shape.heads {
            let at = |t: usize| shape.query_offset(batch, t, head);
            let kv = |t: usize| shape.key_offset(batch, t, shape.kv_head(head));
            let map = &mut probs[(batch * shape.heads + head) * seq * seq..][..seq * seq];
            transposed(k, kv, &mut keys, seq);
            for i in 0..seq {
                let (row, masked) = map[i * seq..][..seq].split_at_mut(i + 1);
                let key = |d: usize| &keys[d * seq..][..=i];
                row.fill(0.0);
                chains::<F>((0, dim), |d| q[at(i) + d], key, row, false);
                for score in row.iter_mut() {
                    *score *= scale;
                }
                softmax_in_place::<F>(row);
                masked.fill(0.0);
                let value = |j: usize| &v[kv(j)..][..dim];
                chains::<F>(
                    (0, i + 1),
                    |j| row[j],
                    value,
                    &mut out[at(i)..][..dim],
                    false,
                );
            }
        }
    }
}

/// The last `shape.seq` rows of [`forward`] on one sequence of `past + shape.seq` positions, whose
/// keys and values are all given.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn cached<F: Arith>(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: &AttentionShape,
    past: usize,
    scale: f32,
    out: &mut [f32],
) {
    let (total, dim) = (past + shape.seq, shape.head_dim);
    let mut keys = vec![0.0; dim * total];
    let mut row = vec![0.0; total];
    for head in 0..shape.heads {
        let at = |t: usize| shape.query_offset(0, t, head);
        let kv = |t: usize| shape.key_offset(0, t, shape.kv_head(head));
        transposed(k, kv, &mut keys, total);
        for i in 0..shape.seq {
            let row = &mut row[..=past + i];
            let key = |d: usize| &keys[d * total..][..=past + i];
            row.fill(0.0);
            chains::<F>((0, dim), |d| q[at(i) + d], key, row, false);
            for score in row.iter_mut() {
                *score *= scale;
            }
            softmax_in_place::<F>(row);
            let value = |j: usize| &v[kv(j)..][..dim];
            let to = &mut out[at(i)..][..dim];
            chains::<F>((0, past + i + 1), |j| row[j], value, to, false);
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
    let mut values = vec![0.0; dim * seq];
    for batch in 0..shape.batch {
        for head in 0..shape.heads {
            let add = head % shape.group() != 0;
            let at = |t: usize| shape.query_offset(batch, t, head);
            let kv = |t: usize| shape.key_offset(batch, t, shape.kv_head(head));
            let map = &probs[(batch * shape.heads + head) * seq * seq..][..seq * seq];
            transposed(v, kv, &mut values, seq);
            for i in 0..seq {
                let row = &mut ds[i * seq..][..=i];
                let value = |d: usize| &values[d * seq..][..=i];
                row.fill(0.0);
                chains::<F>((0, dim), |d| dout[at(i) + d], value, row, false);
                score_gradient::<F>(&map[i * seq..][..=i], row, scale);
                let key = |j: usize| &k[kv(j)..][..dim];
                chains::<F>((0, i + 1), |j| row[j], key, &mut dq[at(i)..][..dim], false);
            }
            for j in 0..seq {
                let to = kv(j)..kv(j) + dim;
                let query = |i: usize| &q[at(i)..][..dim];
                let gradient = |i: usize| &dout[at(i)..][..dim];
                let span = (j, seq);
                chains::<F>(span, |i| ds[i * seq + j], query, &mut dk[to.clone()], add);
                chains::<F>(span, |i| map[i * seq + j], gradient, &mut dv[to], add);
            }
        }
    }
}
