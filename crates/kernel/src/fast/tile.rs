//! One register tile: a few rows times a few vectors of outputs, along one block of k.

use super::vector::Vector;

/// What a tile computes and where.
///
/// Row i of the tile reads `a[i + k * a_stride]` (columns of a panel, [`UNIT`]) or
/// `a[i * a_stride + k]` (rows, [`STRIDED`]); column j reads `b[k * b_stride + j]`.
pub(super) struct Tile {
    pub(super) depth: usize,
    pub(super) a: *const f32,
    pub(super) a_stride: usize,
    pub(super) b: *const f32,
    pub(super) b_stride: usize,
    /// Part of what later tiles read, brought closer during this one: [`Tile::ahead`] values. Any
    /// address will do.
    pub(super) next: *const f32,
    pub(super) c: *mut f32,
    pub(super) c_stride: usize,
    /// Columns stored; `b` must be readable to the tile's full width whatever this is.
    pub(super) cols: usize,
    /// Whether the chain is added to `c` or stored.
    pub(super) add: bool,
}

impl Tile {
    /// How many values from `next` on a tile of this depth asks for.
    pub(super) fn ahead(depth: usize) -> usize {
        depth.div_ceil(CHUNK) * LINE
    }
}

/// Values in a cache line.
const LINE: usize = 16;
/// Steps along k between two requests to the caches.
const CHUNK: usize = 8;
/// How far ahead B is asked for, in steps.
const B_AHEAD: usize = 16;

/// `a` is laid out along the rows of the tile.
pub(super) const UNIT: u8 = 0;
/// `a` is laid out along k.
pub(super) const STRIDED: u8 = 1;
/// As `STRIDED`; row i takes part in the first `depth + i` steps only (keys up to its own).
pub(super) const CAUSAL_ROWS: u8 = 2;
/// As `UNIT`; row i takes part from step i on (queries from its own).
pub(super) const CAUSAL_COLUMNS: u8 = 3;

/// `from + i * stride`, without the overflow check that would stand between the registers.
///
/// # Safety
/// The result lies within the allocation of `from`.
#[inline(always)]
unsafe fn at(from: *const f32, i: usize, stride: usize) -> *const f32 {
    // SAFETY: the function's contract.
    unsafe { from.add(i.wrapping_mul(stride)) }
}

/// # Safety
/// The instruction set of `V`, and pointers valid for every element that the shape names.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const KIND: u8>(
    t: &Tile,
) {
    let (row_step, depth_step) = match KIND {
        UNIT | CAUSAL_COLUMNS => (1, t.a_stride),
        _ => (t.a_stride, 1),
    };
    // SAFETY: the function's contract.
    unsafe {
        let mut acc = [[V::zero(); VECTORS]; ROWS];
        let (mut a, mut b) = (t.a, t.b);
        let mut done = 0;
        if KIND == CAUSAL_COLUMNS {
            while done < t.depth.min(ROWS - 1) {
                partial_step::<V, ROWS, VECTORS>(&mut acc, a, row_step, b, |i| i <= done);
                a = a.add(depth_step);
                b = b.add(t.b_stride);
                done = done.wrapping_add(1);
            }
        }
        // Four pointers reach sixteen rows with two index registers; one pointer with a multiple
        // of the stride for each row would not fit the processor's general registers.
        let mut groups: [*const f32; 4] = std::array::from_fn(|g| {
            if g * 4 < ROWS {
                at(a, 4 * g, row_step)
            } else {
                a
            }
        });
        // Caches are told ahead what comes: this tile's part of C and the next panel of B, a line
        // at a time; the rows of the next tile where they lie apart; B some steps before its turn.
        let (mut c, mut next) = (t.c.cast_const(), t.next);
        let next_rows = row_step.wrapping_mul(ROWS);
        let mut left = t.depth.wrapping_sub(done);
        while left > 0 {
            let steps = left.min(if KIND == STRIDED { LINE } else { CHUNK });
            if KIND == STRIDED {
                for i in 0..ROWS {
                    let later = at(groups[i / 4], i % 4, row_step).wrapping_add(next_rows);
                    V::prefetch_far(later);
                }
            } else {
                for v in 0..VECTORS {
                    V::prefetch_far(c.wrapping_add(v * V::WIDTH));
                }
                c = c.wrapping_add(t.c_stride);
            }
            V::prefetch_far(next);
            next = next.wrapping_add(LINE);
            for _ in 0..steps {
                let mut right = [V::zero(); VECTORS];
                for (v, right) in right.iter_mut().enumerate() {
                    let b = b.add(v * V::WIDTH);
                    *right = V::load(b);
                    V::prefetch(b.wrapping_add(t.b_stride.wrapping_mul(B_AHEAD)));
                }
                for i in 0..ROWS {
                    let left = V::splat(at(groups[i / 4], i % 4, row_step));
                    for v in 0..VECTORS {
                        acc[i][v] = left.fma(right[v], acc[i][v]);
                    }
                }
                for group in &mut groups {
                    *group = group.add(depth_step);
                }
                b = b.add(t.b_stride);
            }
            left = left.wrapping_sub(steps);
        }
        a = groups[0];
        if KIND == CAUSAL_ROWS {
            for step in 1..ROWS {
                partial_step::<V, ROWS, VECTORS>(&mut acc, a, row_step, b, |i| i >= step);
                a = a.add(depth_step);
                b = b.add(t.b_stride);
            }
        }
        store::<V, ROWS, VECTORS>(&acc, t);
    }
}

/// One step along k for the rows that take part in it.
///
/// # Safety
/// As [`tile`]; rows that take no part are not read.
#[inline(always)]
unsafe fn partial_step<V: Vector, const ROWS: usize, const VECTORS: usize>(
    acc: &mut [[V; VECTORS]; ROWS],
    a: *const f32,
    row_step: usize,
    b: *const f32,
    active: impl Fn(usize) -> bool,
) {
    // SAFETY: the function's contract.
    unsafe {
        for (i, acc) in acc.iter_mut().enumerate() {
            if active(i) {
                let left = V::splat(at(a, i, row_step));
                for (v, acc) in acc.iter_mut().enumerate() {
                    *acc = left.fma(V::load(b.add(v * V::WIDTH)), *acc);
                }
            }
        }
    }
}

/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn store<V: Vector, const ROWS: usize, const VECTORS: usize>(
    acc: &[[V; VECTORS]; ROWS],
    t: &Tile,
) {
    // SAFETY: the function's contract.
    unsafe {
        if t.cols == VECTORS * V::WIDTH {
            for (i, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    let c =
                        t.c.add(i.wrapping_mul(t.c_stride).wrapping_add(v * V::WIDTH));
                    if t.add { V::load(c).add(*acc) } else { *acc }.store(c);
                }
            }
        } else {
            for (i, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    let n = t.cols.saturating_sub(v * V::WIDTH).min(V::WIDTH);
                    if n > 0 {
                        let c =
                            t.c.add(i.wrapping_mul(t.c_stride).wrapping_add(v * V::WIDTH));
                        let sum = if t.add {
                            V::load_first(c, n).add(*acc)
                        } else {
                            *acc
                        };
                        sum.store_first(c, n);
                    }
                }
            }
        }
    }
}
