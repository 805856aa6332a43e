//! Causal attention out of register tiles, one key head at a time.
//!
//! Scores and their gradients are products whose upper triangle is not wanted: whole tiles above
//! the diagonal are left out. The other products sum along the triangle, where a chain must not
//! hold a masked term: tiles on the diagonal let each row join late or leave early.

use super::engine::Engine;
use super::product::{Source, Target, blocks};
use super::tile::Tile;
use crate::arith::Arith;
use crate::dispatch::{Path, dispatch};
use crate::matrix::{MatRef, Store};
use crate::pack::{PanelsRef, pack_b, padded};
use crate::reference::activation::softmax_in_place;
use crate::reference::attention::score_gradient;
use crate::reference::reduce::{BLOCK, LANES};
use crate::scratch::with_scratch;
use crate::shape::AttentionShape;

/// Query rows whose scores are computed together, up to the last one's key.
const ROWS: usize = 56;

/// What both directions read.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) engine: &'static Engine,
    pub(crate) path: Path,
    pub(crate) shape: &'a AttentionShape,
    pub(crate) scale: f32,
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
}

impl Inputs<'_> {
    /// How many independent tasks there are: key heads of all sequences.
    pub(crate) fn tasks(&self) -> usize {
        self.shape.batch * self.shape.kv_heads
    }

    /// The batch, key head and query heads of a task.
    fn task(&self, n: usize) -> (usize, usize, std::ops::Range<usize>) {
        let s = self.shape;
        let (batch, kv_head) = (n / s.kv_heads, n % s.kv_heads);
        (
            batch,
            kv_head,
            kv_head * s.group()..(kv_head + 1) * s.group(),
        )
    }

    /// Scores to probabilities, in place.
    fn softmax(&self, map: &mut [f32]) {
        let (seq, scale) = (self.shape.seq, self.scale);
        dispatch!(self.path, softmax(map: &mut [f32], seq: usize, scale: f32));
    }

    /// Gradients of probabilities `p` to those of scores, in place.
    fn score_gradients(&self, map: &mut [f32], p: &[f32]) {
        let (seq, scale) = (self.shape.seq, self.scale);
        dispatch!(
            self.path,
            gradients(map: &mut [f32], p: &[f32], seq: usize, scale: f32)
        );
    }

    /// One head of a query-shaped tensor: `[seq, head_dim]`.
    fn query<'b>(&self, x: &'b [f32], batch: usize, head: usize) -> MatRef<'b> {
        let s = self.shape;
        let from = s.query_offset(batch, 0, head);
        MatRef::new(&x[from..], s.seq, s.head_dim, s.heads * s.head_dim, 1)
    }

    /// One head of a key-shaped tensor: `[seq, head_dim]`.
    fn key<'b>(&self, x: &'b [f32], batch: usize, head: usize) -> MatRef<'b> {
        let s = self.shape;
        let from = s.key_offset(batch, 0, head);
        MatRef::new(&x[from..], s.seq, s.head_dim, s.kv_heads * s.head_dim, 1)
    }
}

/// One task of the forward pass.
///
/// # Safety
/// `out` is as long as q and `probs` as the shape's probabilities; no other task of this number
/// runs; no dimension is zero.
pub(crate) unsafe fn forward(x: Inputs<'_>, out: Target, probs: Target, task: usize) {
    let s = x.shape;
    let (batch, kv_head, heads) = x.task(task);
    with_panels(x.key(x.k, batch, kv_head).t(), |keys| {
        with_panels(x.key(x.v, batch, kv_head), |values| {
            for head in heads.clone() {
                let q = x.query(x.q, batch, head);
                // SAFETY: this head's map and columns of `out` belong to this task.
                unsafe {
                    let map = head_map(s, probs, batch, head);
                    scores(
                        x.engine,
                        q,
                        keys,
                        Target {
                            data: map.as_mut_ptr(),
                            stride: s.seq,
                        },
                    );
                    x.softmax(map);
                    let to = out.at(0, s.query_offset(batch, 0, head));
                    let to = Target {
                        stride: s.heads * s.head_dim,
                        ..to
                    };
                    lower(x.engine, map, values, s, to);
                }
            }
        });
    });
}

/// The gradients a task of the backward pass writes.
#[derive(Clone, Copy)]
pub(crate) struct Gradients {
    pub(crate) dq: Target,
    pub(crate) dk: Target,
    pub(crate) dv: Target,
}

/// One task of the backward pass.
///
/// # Safety
/// The gradients are as long as q, k and v; no other task of this number runs; no dimension is
/// zero.
pub(crate) unsafe fn backward(
    x: Inputs<'_>,
    dout: &[f32],
    probs: &[f32],
    to: Gradients,
    task: usize,
) {
    let s = x.shape;
    let (batch, kv_head, heads) = x.task(task);
    let map_len = s.seq * s.seq;
    with_panels(x.key(x.v, batch, kv_head).t(), |values| {
        with_panels(x.key(x.k, batch, kv_head), |keys| {
            with_scratch(map_len, |ds| {
                for head in heads.clone() {
                    let add = head != heads.start;
                    let dout = x.query(dout, batch, head);
                    let p = &probs[(batch * s.heads + head) * map_len..][..map_len];
                    // SAFETY: these columns of the gradients belong to this task.
                    unsafe {
                        let target = Target {
                            data: ds.as_mut_ptr(),
                            stride: s.seq,
                        };
                        scores(x.engine, dout, values, target);
                        x.score_gradients(ds, p);
                        let dq = to.dq.at(0, s.query_offset(batch, 0, head));
                        let dq = Target {
                            stride: s.heads * s.head_dim,
                            ..dq
                        };
                        lower(x.engine, ds, keys, s, dq);
                        let at = s.key_offset(batch, 0, kv_head);
                        let stride = s.kv_heads * s.head_dim;
                        let dk = Target {
                            stride,
                            ..to.dk.at(0, at)
                        };
                        let dv = Target {
                            stride,
                            ..to.dv.at(0, at)
                        };
                        with_panels(x.query(x.q, batch, head), |queries| {
                            turned(x.engine, ds, queries, s, dk, add);
                        });
                        with_panels(dout, |dout| turned(x.engine, p, dout, s, dv, add));
                    }
                }
            });
        });
    });
}

/// The probabilities of one head.
///
/// # Safety
/// As [`forward`], and no other slice of this head's map is alive.
unsafe fn head_map<'a>(
    s: &AttentionShape,
    probs: Target,
    batch: usize,
    head: usize,
) -> &'a mut [f32] {
    let len = s.seq * s.seq;
    // SAFETY: the function's contract.
    unsafe {
        let first = probs.data.add((batch * s.heads + head) * len);
        std::slice::from_raw_parts_mut(first, len)
    }
}

/// A right-hand matrix in panels.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    data: &'a [f32],
    cols: usize,
}

impl<'a> Panel<'a> {
    /// The panels from row `start` (a multiple of 256) on.
    pub(super) fn rows_from(self, start: usize) -> Source<'a> {
        let width = padded(self.cols);
        Source::Panels(PanelsRef {
            data: &self.data[start * width..],
            width,
            first: 0,
        })
    }
}

pub(super) fn with_panels<R>(b: MatRef<'_>, body: impl FnOnce(Panel<'_>) -> R) -> R {
    with_scratch(b.rows() * padded(b.cols()), |data| {
        pack_b(b, 0, b.cols(), data);
        body(Panel {
            data,
            cols: b.cols(),
        })
    })
}

/// `to_ij = chain_d(a_id, b_dj)` for j <= i, and whatever for some j > i.
///
/// # Safety
/// `to` holds a square of `a.rows()`.
unsafe fn scores(engine: &Engine, a: MatRef<'_>, b: Panel<'_>, to: Target) {
    for row in (0..a.rows()).step_by(ROWS) {
        let count = ROWS.min(a.rows() - row);
        // SAFETY: rows and columns up to `row + count` lie in the square.
        unsafe {
            let rows = a.rows_from(row, count);
            blocks(
                engine,
                rows,
                b.rows_from(0),
                (0, row + count),
                to.at(row, 0),
                Store::Overwrite,
            );
        }
    }
}

/// Scales and normalises each row up to its own position, and clears the rest.
///
/// A row is rounded up to whole vectors with -infinity: such an element never is the maximum, its
/// exponential is +0, and the sums of exponentials it joins are not negative.
#[inline(always)]
fn softmax<F: Arith>(map: &mut [f32], seq: usize, scale: f32) {
    for (i, row) in map.chunks_exact_mut(seq).enumerate() {
        let end = seq.min((i + 1).next_multiple_of(LANES));
        let (row, masked) = row.split_at_mut(end);
        for x in row.iter_mut() {
            *x *= scale;
        }
        row[i + 1..].fill(f32::NEG_INFINITY);
        softmax_in_place::<F>(row);
        masked.fill(0.0);
    }
}

/// Turns the gradients of probabilities into those of scores.
#[inline(always)]
fn gradients<F: Arith>(map: &mut [f32], p: &[f32], seq: usize, scale: f32) {
    let rows = map.chunks_exact_mut(seq).zip(p.chunks_exact(seq));
    for (i, (row, p)) in rows.enumerate() {
        score_gradient::<F>(&p[..=i], &mut row[..=i], scale);
    }
}

/// `to_id = chain_j(map_ij, b_jd)` over j <= i.
///
/// # Safety
/// `to` holds `seq` rows of `head_dim` values that belong to the caller.
unsafe fn lower(engine: &Engine, map: &[f32], b: Panel<'_>, s: &AttentionShape, to: Target) {
    let seq = s.seq;
    for start in (0..seq).step_by(BLOCK) {
        let depth = BLOCK.min(seq - start);
        let whole = MatRef::new(&map[start * seq..], depth, start, seq, 1);
        // SAFETY: rows start..start + depth of the target.
        unsafe {
            let source = b.rows_from(0);
            blocks(
                engine,
                whole,
                source,
                (0, b.cols),
                to.at(start, 0),
                Store::Overwrite,
            );
        }
        let mut col = 0;
        while col < b.cols {
            let tiles = engine.fit(b.cols - col);
            let cols = tiles.width.min(b.cols - col);
            let (right, b_stride) = b.rows_from(start).at(0, depth, col);
            assert!(right.len() >= (depth - 1) * b_stride + tiles.width);
            for row in (0..depth).step_by(tiles.rows()) {
                let count = tiles.rows().min(depth - row);
                let a = &map[(start + row) * seq + start..];
                assert!(a.len() >= (count - 1) * seq + row + count);
                // SAFETY: row i of the tile reads `row + 1 + i` values of its own row of the map
                // and as many rows of the panel, both checked above; the tile lies in `to`.
                unsafe {
                    let c = to.at(start + row, col);
                    tiles.causal_rows[count - 1](&Tile {
                        depth: row + 1,
                        a: a.as_ptr(),
                        a_stride: seq,
                        b: right.as_ptr(),
                        b_stride,
                        next: right.as_ptr(),
                        c: c.data,
                        c_stride: c.stride,
                        cols,
                        add: start > 0,
                    });
                }
            }
            col += cols;
        }
    }
}

/// `to_jd = chain_i(map_ij, b_id)` over i >= j, or added to it.
///
/// # Safety
/// `to` holds `seq` rows of `head_dim` values that belong to the caller.
unsafe fn turned(
    engine: &Engine,
    map: &[f32],
    b: Panel<'_>,
    s: &AttentionShape,
    to: Target,
    add: bool,
) {
    let seq = s.seq;
    for start in (0..seq).step_by(BLOCK) {
        let depth = BLOCK.min(seq - start);
        let mut col = 0;
        while col < b.cols {
            let tiles = engine.fit(b.cols - col);
            let cols = tiles.width.min(b.cols - col);
            let (right, b_stride) = b.rows_from(start).at(0, depth, col);
            for row in (0..depth).step_by(tiles.rows()) {
                let count = tiles.rows().min(depth - row);
                let left = depth - row;
                let a = &map[(start + row) * seq + start + row..];
                let right = &right[row * b_stride..];
                assert!(a.len() >= (left - 1) * seq + count);
                assert!(right.len() >= (left - 1) * b_stride + tiles.width);
                // SAFETY: step k of the tile reads `count` values of row k of the map and row k
                // of the panel, both checked above; the tile lies in `to`.
                unsafe {
                    let c = to.at(start + row, col);
                    tiles.causal_columns[count - 1](&Tile {
                        depth: left,
                        a: a.as_ptr(),
                        a_stride: seq,
                        b: right.as_ptr(),
                        b_stride,
                        next: right.as_ptr(),
                        c: c.data,
                        c_stride: c.stride,
                        cols,
                        add,
                    });
                }
            }
            col += cols;
        }
        let below = start + depth;
        if below == seq {
            return;
        }
        let whole = MatRef::new(&map[below * seq + start..], seq - below, depth, seq, 1);
        // SAFETY: rows start..start + depth of the target.
        unsafe {
            let c = to.at(start, 0);
            blocks(
                engine,
                whole.t(),
                b.rows_from(below),
                (0, b.cols),
                c,
                Store::Accumulate,
            );
        }
    }
}
