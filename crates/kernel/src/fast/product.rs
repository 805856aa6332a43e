//! The blocked matrix product.

use super::engine::{Engine, TileFn};
use super::tile::Tile;
use crate::matrix::{MatRef, Store};
use crate::pack::{self, PANEL, PanelsRef, even_cuts, padded};
use crate::reference::reduce::BLOCK;
use crate::scratch::with_scratch;

/// Values of A packed at a time: 256 KiB, to stay in the second-level cache with panels of B.
const PACKED_A: usize = 64 << 10;
/// Rows of B packed at a time: a part of C goes through so many blocks before the next part does.
pub(crate) const GROUP: usize = 4 * BLOCK;
/// Columns of B packed at a time: a group of blocks is 8 MiB at most.
pub(crate) const COLS: usize = 2048;
/// Up to so many columns, B is copied into rows of one tile's width, and A is read once along its
/// rows.
const NARROW: usize = 16;
/// From so many columns on, A is copied into panels first ...
const PACK_A_FROM: usize = 768;
/// ... and from so many, when its rows lie a multiple of a KiB apart, where they would push each
/// other out of the nearest cache.
const PACK_ALIASED_A_FROM: usize = 192;
/// Up to so many rows, B is read where it lies: copying would cost more than it saves.
const DIRECT_B_ROWS: usize = 28;

/// Where a product's result goes: `cols` columns of rows `stride` apart.
///
/// A raw pointer, because several threads write disjoint parts of one matrix.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) data: *mut f32,
    pub(crate) stride: usize,
}

// SAFETY: whoever shares a target gives each thread rows and columns of its own.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The part that begins at this row and column.
    ///
    /// # Safety
    /// The element must lie within the target or one past its end.
    pub(crate) unsafe fn at(self, row: usize, col: usize) -> Self {
        // SAFETY: the function's contract.
        let data = unsafe { self.data.add(row * self.stride + col) };
        Self { data, ..self }
    }
}

/// The right-hand side of a product.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    /// As the caller holds it.
    Plain(MatRef<'a>),
    /// Packed before.
    Packed(PanelsRef<'a>),
}

/// `c = a b` or `c += a b` for columns `from..to` of b (`from` a multiple of 32), on this thread.
///
/// # Safety
/// The processor has the engine's instructions; `c` is valid for `a.rows()` rows of `to - from`
/// columns and nobody else touches them.
pub(crate) unsafe fn multiply(
    engine: &Engine,
    a: MatRef<'_>,
    b: Right<'_>,
    (from, to): (usize, usize),
    c: Target,
    store: Store,
) {
    debug_assert!(from.is_multiple_of(PANEL));
    // SAFETY: the function's contract is the callees'.
    unsafe {
        match b {
            Right::Packed(panels) => {
                let source = Source::Panels(panels);
                blocks(engine, a, source, (from, to), c, store);
            }
            Right::Plain(b) if is_thin(a, to - from) => turned(engine, a, b, (from, to), c, store),
            Right::Plain(b) if to - from <= NARROW => narrow(engine, a, b, (from, to), c, store),
            Right::Plain(b) => {
                let mut rest = from;
                if b.col_stride() == 1 && a.rows() <= DIRECT_B_ROWS {
                    rest = to - (to - from) % engine.width();
                    blocks(engine, a, Source::Rows(b), (from, rest), c, store);
                }
                for col in (rest..to).step_by(COLS) {
                    let end = to.min(col + COLS);
                    let width = padded(end - col);
                    let c = c.at(0, col - from);
                    with_scratch(b.rows() * width, |data| {
                        pack::pack_b(b, col, end, data);
                        let source = Source::Panels(PanelsRef {
                            data,
                            width,
                            first: col,
                        });
                        blocks(engine, a, source, (col, end), c, store);
                    });
                }
            }
        }
    }
}

/// Whether a product is better made by [`multiply`] from B as it lies; otherwise threads share one
/// packed copy.
pub(crate) fn reads_plain(a: MatRef<'_>, cols: usize) -> bool {
    is_thin(a, cols) || cols <= NARROW || a.rows() <= DIRECT_B_ROWS
}

/// Where tiles read B.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In panels.
    Panels(PanelsRef<'a>),
    /// In rows of consecutive values, for tiles of full width only.
    Rows(MatRef<'a>),
}

impl<'a> Source<'a> {
    /// The values from `(start, col)` on and the distance of two rows, for a block of this depth.
    pub(super) fn at(self, start: usize, depth: usize, col: usize) -> (&'a [f32], usize) {
        match self {
            Self::Panels(PanelsRef { data, width, first }) => {
                let (panel, inside) = ((col - first) / PANEL * PANEL, (col - first) % PANEL);
                (
                    &data[pack::panel_offset(start, depth, panel, width) + inside..],
                    PANEL,
                )
            }
            Self::Rows(b) => (&b.data()[start * b.row_stride() + col..], b.row_stride()),
        }
    }

    /// Where the values from `(start, col)` on lie, or anywhere when there are none; to be asked
    /// for, not to be read. At most `depth` rows follow.
    fn address(self, start: usize, depth: usize, col: usize) -> *const f32 {
        match self {
            Self::Panels(PanelsRef { data, width, first }) => {
                let depth = depth.min(BLOCK);
                let at = pack::panel_offset(start, depth, (col - first) / PANEL * PANEL, width);
                data.as_ptr().wrapping_add(at)
            }
            Self::Rows(b) => b.data().as_ptr().wrapping_add(start * b.row_stride() + col),
        }
    }
}

/// All blocks of the chain in order, A copied where that pays.
///
/// # Safety
/// As [`multiply`].
pub(super) unsafe fn blocks(
    engine: &Engine,
    a: MatRef<'_>,
    b: Source<'_>,
    columns: (usize, usize),
    c: Target,
    store: Store,
) {
    let plain = a.row_stride() == 1 || a.col_stride() == 1;
    let cols = columns.1 - columns.0;
    let aliased = a.row_stride().is_multiple_of(256) && cols >= PACK_ALIASED_A_FROM;
    let copy = !plain || aliased || cols >= PACK_A_FROM;
    let narrow = cols <= NARROW && !copy;
    // Few columns: the rows of a tile through the whole depth, so that A is read once along its
    // rows. Many: as many rows and blocks as a near cache holds.
    let (rows, group) = match narrow {
        true => (engine.fit(cols).rows(), a.cols()),
        false => {
            let whole = PACKED_A / GROUP.min(a.cols().max(1)) / engine.panel_rows;
            (whole.max(1) * engine.panel_rows, GROUP)
        }
    };
    for start in (0..a.cols()).step_by(group.max(1)) {
        let depth = group.min(a.cols() - start);
        let add = start > 0 || store == Store::Accumulate;
        let group = Group { start, depth, add };
        for (row, count) in even_cuts(a.rows(), rows) {
            // SAFETY: the function's contract; the rows lie within c.
            unsafe {
                let c = c.at(row, 0);
                if copy {
                    with_scratch(count * depth, |data| {
                        let height = engine.panel_rows;
                        for from in (0..depth).step_by(BLOCK) {
                            let block = (start + from, BLOCK.min(depth - from));
                            let to = &mut data[count * from..];
                            pack::pack_a(a, (row, row + count), block, height, to);
                        }
                        let left = Left::Panels { data, height };
                        sweep(engine, left, count, b, columns, group, c);
                    });
                } else {
                    let data = &a.data()[row * a.row_stride() + start * a.col_stride()..];
                    let left = if a.row_stride() == 1 {
                        Left::Columns {
                            data,
                            stride: a.col_stride(),
                        }
                    } else {
                        Left::Rows {
                            data,
                            stride: a.row_stride(),
                        }
                    };
                    sweep(engine, left, count, b, columns, group, c);
                }
            }
        }
    }
}

/// Some blocks of the chain.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    depth: usize,
    /// Whether the first one is added to C.
    add: bool,
}

/// A group of blocks of A, from the element in its first row and column on.
#[derive(Clone, Copy)]
enum Left<'a> {
    /// Block by block, panels of at most `height` rows.
    Panels { data: &'a [f32], height: usize },
    /// Rows `stride` apart.
    Rows { data: &'a [f32], stride: usize },
    /// Columns `stride` apart.
    Columns { data: &'a [f32], stride: usize },
}

/// Every tile of a group: for each panel of B each block, which then lies in the nearest cache, with
/// all rows; so a part of C is done before the next one is begun.
///
/// # Safety
/// As [`multiply`]; `left` holds `rows` rows of the group's depth.
unsafe fn sweep(
    engine: &Engine,
    left: Left<'_>,
    rows: usize,
    b: Source<'_>,
    (from, to): (usize, usize),
    group: Group,
    c: Target,
) {
    let mut col = from;
    while col < to {
        let tiles = engine.fit(to - col);
        let cols = tiles.width.min(to - col);
        let height = match left {
            Left::Panels { height, .. } => height,
            _ => tiles.rows(),
        };
        for done in (0..group.depth).step_by(BLOCK) {
            let depth = BLOCK.min(group.depth - done);
            let (right, b_stride) = b.at(group.start + done, depth, col);
            assert!(right.len() >= (depth - 1) * b_stride + tiles.width);
            // What comes after this block, a part of it during each tile.
            let mut next = match done + depth < group.depth {
                true => b.address(group.start + done + depth, group.depth - done - depth, col),
                false => b.address(group.start, group.depth, col + cols),
            };
            for (row, count) in even_cuts(rows, height) {
                let (a, a_stride, table): (_, _, &[TileFn]) = match left {
                    Left::Panels { data, .. } => {
                        (&data[rows * done + row * depth..], count, tiles.unit)
                    }
                    Left::Rows { data, stride } => {
                        (&data[row * stride + done..], stride, tiles.strided)
                    }
                    Left::Columns { data, stride } => {
                        (&data[row + done * stride..], stride, tiles.unit)
                    }
                };
                // SAFETY: a holds `count` rows of the block by the caller's contract; b was
                // checked above; the tile of c lies within the target.
                unsafe {
                    let to = c.at(row, col - from);
                    table[count - 1](&Tile {
                        depth,
                        a: a.as_ptr(),
                        a_stride,
                        b: right.as_ptr(),
                        b_stride,
                        next,
                        c: to.data,
                        c_stride: c.stride,
                        cols,
                        add: group.add || done > 0,
                    });
                }
                next = next.wrapping_add(Tile::ahead(depth));
            }
        }
        col += cols;
    }
}

/// A product with few columns: B in rows of one tile's width, copied unless it lies so.
///
/// # Safety
/// As [`multiply`].
unsafe fn narrow(
    engine: &Engine,
    a: MatRef<'_>,
    b: MatRef<'_>,
    (from, to): (usize, usize),
    c: Target,
    store: Store,
) {
    let (depth, cols) = (b.rows(), to - from);
    let width = engine.fit(cols).width;
    let b = b.columns_from(from, cols);
    // SAFETY: the function's contract.
    unsafe {
        if b.col_stride() == 1 && b.row_stride() == width && cols == width {
            return blocks(engine, a, Source::Rows(b), (0, cols), c, store);
        }
        with_scratch(depth * width, |data| {
            pack::pack_rows(b, width, data);
            let rows = MatRef::row_major(data, depth, width);
            blocks(engine, a, Source::Rows(rows), (0, cols), c, store);
        });
    }
}

/// Whether the transposed product is the faster one: few columns, which would leave most lanes
/// empty, and rows of A^T that can be read as they lie.
fn is_thin(a: MatRef<'_>, cols: usize) -> bool {
    cols <= 12 && a.row_stride() == 1 && a.rows() >= PANEL
}

/// `c^T = b^T a^T`: a product commutes, so every chain keeps its bits.
///
/// # Safety
/// As [`multiply`].
unsafe fn turned(
    engine: &Engine,
    a: MatRef<'_>,
    b: MatRef<'_>,
    (from, to): (usize, usize),
    c: Target,
    store: Store,
) {
    let (rows, cols) = (a.rows(), to - from);
    with_scratch(rows * cols, |turned| {
        let target = Target {
            data: turned.as_mut_ptr(),
            stride: rows,
        };
        let left = b.columns_from(from, cols).t();
        // SAFETY: the scratch holds `cols` rows of `rows` values; c as the contract says.
        unsafe {
            let element = |i: usize, j: usize| c.data.add(i * c.stride + j);
            if store == Store::Accumulate {
                for (j, line) in turned.chunks_exact_mut(rows).enumerate() {
                    for (i, to) in line.iter_mut().enumerate() {
                        *to = *element(i, j);
                    }
                }
            }
            multiply(engine, left, Right::Plain(a.t()), (0, rows), target, store);
            for (j, line) in turned.chunks_exact(rows).enumerate() {
                for (i, from) in line.iter().enumerate() {
                    *element(i, j) = *from;
                }
            }
        }
    });
}
