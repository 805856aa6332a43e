//! Matrix products.

use super::device::Device;
use super::error::DeviceError;
use super::launch::{Threads, arguments, expect_len, int};
use super::memory::ALIGNED;
use super::memory::DeviceSlice;
use crate::matrix::Store;

/// `c [m, n] = a [m, k] b [k, n]`, both operands row-major and transposed as marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Rows of the product.
    pub m: usize,
    /// Columns of the product.
    pub n: usize,
    /// Terms of each chain.
    pub k: usize,
    /// Whether `a` is stored `[k, m]`.
    pub ta: bool,
    /// Whether `b` is stored `[n, k]`.
    pub tb: bool,
}

/// How a product is divided among the device's processors; no bit depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 128 x 256 outputs a block of threads, of operands that lie along the output; the others are
    /// transposed first, which costs one pass over them. Rows and columns are multiples of four.
    Large,
    /// 128 x 128, likewise.
    Medium,
    /// 64 x 64.
    Small,
    /// 128 x 8 outputs and 256 steps along k: for the rank side of an adapter.
    Thin,
}

/// At most so many columns (or rows) make a product thin.
const THIN: usize = 32;

impl Tile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Large, Self::Medium, Self::Small, Self::Thin];

    /// The one that takes the least time on so many processors: the tiles of the busiest one, by
    /// the rate at which it computes them.
    fn choose(shape: ProductShape, processors: usize) -> Self {
        if shape.m.min(shape.n) <= THIN {
            return Self::Thin;
        }
        let time = |tile: Self| {
            let (rows, cols) = tile.sides();
            let tiles = shape.m.div_ceil(rows) * shape.n.div_ceil(cols);
            // Relative to `Large`, as measured on an H200.
            let slowness = match tile {
                Self::Large => 100,
                Self::Medium => 104,
                Self::Small | Self::Thin => 176,
            };
            tiles.div_ceil(processors) * rows * cols * slowness
        };
        let all = [Self::Large, Self::Medium, Self::Small];
        all.into_iter()
            .min_by_key(|tile| time(*tile))
            .unwrap_or(Self::Small)
    }

    fn sides(self) -> (usize, usize) {
        match self {
            Self::Large => (128, 256),
            Self::Medium => (128, 128),
            Self::Small => (64, 64),
            Self::Thin => (128, 8),
        }
    }

    /// Whether it can compute a product at all.
    pub fn fits(self, shape: ProductShape) -> bool {
        let whole = shape.m.is_multiple_of(4) && shape.n.is_multiple_of(4);
        whole || matches!(self, Self::Small | Self::Thin)
    }

    /// Bytes of shared memory to ask for: stages of so many steps along k, rows padded by four
    /// values.
    fn shared(self) -> u32 {
        let (m, n) = self.sides();
        let steps = match self {
            Self::Large => 2 * 32,
            Self::Medium => 3 * 16,
            Self::Small | Self::Thin => 0,
        };
        (steps * (m + 4 + n + 4) * 4) as u32
    }
}

const SMALL: [&str; 4] = [
    "product_small_nn",
    "product_small_nt",
    "product_small_tn",
    "product_small_tt",
];

pub(super) fn functions() -> impl Iterator<Item = (&'static str, u32)> {
    let small = SMALL.map(|name| (name, Tile::Small.shared()));
    let large = [
        ("product_large", Tile::Large.shared()),
        ("product_medium", Tile::Medium.shared()),
    ];
    large.into_iter().chain(small)
}

impl Device {
    /// Words that [`Device::product`] needs beside its operands.
    pub fn product_scratch(&self, shape: ProductShape) -> usize {
        scratch(self.tile(shape), shape)
    }

    fn tile(&self, shape: ProductShape) -> Tile {
        Tile::choose(shape, self.0.processors as usize)
    }

    /// A product, as [`Kernel::gemm`](crate::Kernel::gemm).
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree with the shape, or `scratch` is shorter than
    /// [`Device::product_scratch`] says.
    pub fn product(
        &self,
        operands: [&DeviceSlice; 2],
        c: &DeviceSlice,
        shape: ProductShape,
        store: Store,
        scratch: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        self.product_with(self.tile(shape), operands, c, shape, store, scratch)
    }

    /// [`Device::product`] with a given division.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// As [`Device::product`].
    pub fn product_with(
        &self,
        tile: Tile,
        [a, b]: [&DeviceSlice; 2],
        c: &DeviceSlice,
        shape: ProductShape,
        store: Store,
        scratch: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, k, ta, tb } = shape;
        expect_len("a", a.len(), m * k);
        expect_len("b", b.len(), k * n);
        expect_len("c", c.len(), m * n);
        let accumulate = store == Store::Accumulate;
        if k == 0 {
            return if accumulate { Ok(()) } else { self.clear(c) };
        }
        match tile {
            Tile::Thin => self.thin([a, b], c, shape, accumulate, scratch),
            Tile::Small => {
                let name = SMALL[usize::from(ta) * 2 + usize::from(tb)];
                self.tiled(name, tile, [a, b], c, shape, accumulate)
            }
            Tile::Medium | Tile::Large => {
                let (first, second) = halves(shape);
                let mut operands = [a.clone(), b.clone()];
                if !ta {
                    operands[0] = scratch.first(first);
                    self.transpose(a, m, k, &operands[0])?;
                }
                if tb {
                    let start = scratch.len().min(first.next_multiple_of(ALIGNED));
                    operands[1] = scratch.part(start, second);
                    self.transpose(b, n, k, &operands[1])?;
                }
                let name = match tile {
                    Tile::Large => "product_large",
                    _ => "product_medium",
                };
                let [a, b] = &operands;
                assert!(tile.fits(shape), "{tile:?} tiles cannot compute {shape:?}");
                let aligned = |slice: &DeviceSlice| slice.pointer().is_multiple_of(16);
                assert!(
                    aligned(a) && aligned(b) && aligned(c),
                    "an operand is misaligned"
                );
                self.tiled(name, tile, [a, b], c, shape, accumulate)
            }
        }
    }

    fn tiled(
        &self,
        name: &'static str,
        tile: Tile,
        [a, b]: [&DeviceSlice; 2],
        c: &DeviceSlice,
        shape: ProductShape,
        accumulate: bool,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, k, .. } = shape;
        let (rows, cols) = tile.sides();
        let threads = Threads {
            grid: [n.div_ceil(cols) as u32, m.div_ceil(rows) as u32, 1],
            block: [256, 1],
            shared: tile.shared(),
        };
        let (m, n, k) = (int(m), int(n), int(k));
        self.launch(name, threads, arguments![a, b, c, m, n, k, accumulate])
    }

    /// `out [cols, rows]` is the transpose of `x`.
    fn transpose(
        &self,
        x: &DeviceSlice,
        rows: usize,
        cols: usize,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let grid = [cols.div_ceil(32) as u32, rows.div_ceil(32) as u32, 1];
        let sizes = arguments![x, out, int(rows), int(cols)];
        self.launch("transpose", Threads::new(grid, [256, 1]), sizes)
    }

    fn thin(
        &self,
        [a, b]: [&DeviceSlice; 2],
        c: &DeviceSlice,
        shape: ProductShape,
        accumulate: bool,
        scratch: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, k, ta, tb } = shape;
        // Length, and steps between neighbours along (output, k), of both operands.
        let mut left = (a, m, if ta { (1, m) } else { (k, 1) });
        let mut right = (b, n, if tb { (k, 1) } else { (1, n) });
        let mut out = (n, 1);
        if m < n {
            std::mem::swap(&mut left, &mut right);
            out = (1, n);
        }
        let ((left, long, (a_i, a_k)), (right, short, (b_j, b_k))) = (left, right);
        let rows = a_k == 1 && a_i.is_multiple_of(4) && left.pointer().is_multiple_of(16);
        let blocks = k.div_ceil(256);
        let (wide, high) = (long.div_ceil(128) as u32, short.div_ceil(8) as u32);
        let threads = Threads::new([wide, high, blocks as u32], [128, 1]);
        let parts = match blocks {
            1 => None,
            _ => Some(scratch.first(blocks * m * n)),
        };
        let parts = parts.as_ref();
        let (long, short, c_i, c_j) = (int(long), int(short), int(out.0), int(out.1));
        let (a_i, a_k, b_k, b_j) = (int(a_i), int(a_k), int(b_k), int(b_j));
        let name = if rows { "thin_rows" } else { "thin_any" };
        let k = int(k);
        self.launch(
            name,
            threads,
            arguments![
                left, right, c, parts, long, short, k, a_i, a_k, b_k, b_j, c_i, c_j, accumulate
            ],
        )?;
        let Some(parts) = parts else {
            return Ok(());
        };
        let threads = Threads::new([(m * n).div_ceil(256) as u32, 1, 1], [256, 1]);
        let blocks = int(blocks);
        self.launch(
            "thin_fold",
            threads,
            arguments![parts, c, long, short, blocks, c_i, c_j, accumulate],
        )
    }
}

/// Words of the transposes of both operands, where they are needed.
fn halves(shape: ProductShape) -> (usize, usize) {
    let ProductShape { m, n, k, ta, tb } = shape;
    (if ta { 0 } else { m * k }, if tb { k * n } else { 0 })
}

fn scratch(tile: Tile, shape: ProductShape) -> usize {
    let blocks = shape.k.div_ceil(256);
    match tile {
        Tile::Small => 0,
        Tile::Thin if blocks == 1 => 0,
        Tile::Thin => blocks * shape.m * shape.n,
        Tile::Medium | Tile::Large => {
            let (first, second) = halves(shape);
            first.next_multiple_of(ALIGNED) + second
        }
    }
}
