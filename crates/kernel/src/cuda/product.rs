//! Matrix products.

use super::launch::{Threads, arguments, expect_len, int};
use super::{Device, DeviceError, DeviceSlice};
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
    /// 128 x 256 outputs a block.
    Large,
    /// 128 x 128.
    Medium,
    /// 64 x 64.
    Small,
    /// 16 x 8 outputs, in parallel along k too: for the rank side of an adapter.
    Thin,
}

impl Tile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Large, Self::Medium, Self::Small, Self::Thin];

    fn sides(self) -> (usize, usize) {
        match self {
            Self::Large => (128, 256),
            Self::Medium => (128, 128),
            Self::Small => (64, 64),
            Self::Thin => (16, 8),
        }
    }

    /// Bytes of shared memory: three stages of 16 steps along k, rows padded by four values.
    fn shared(self) -> u32 {
        let (m, n) = self.sides();
        (3 * 16 * (m + 4 + n + 4) * 4) as u32
    }

    fn function(self, ta: bool, tb: bool) -> &'static str {
        let index = usize::from(ta) * 2 + usize::from(tb);
        match self {
            Self::Large => LARGE[index],
            Self::Medium => MEDIUM[index],
            Self::Small | Self::Thin => SMALL[index],
        }
    }
}

const LARGE: [&str; 4] = [
    "product_large_nn",
    "product_large_nt",
    "product_large_tn",
    "product_large_tt",
];
const MEDIUM: [&str; 4] = [
    "product_medium_nn",
    "product_medium_nt",
    "product_medium_tn",
    "product_medium_tt",
];
const SMALL: [&str; 4] = [
    "product_small_nn",
    "product_small_nt",
    "product_small_tn",
    "product_small_tt",
];

pub(super) fn functions() -> impl Iterator<Item = (&'static str, u32)> {
    let all = [
        (LARGE, Tile::Large),
        (MEDIUM, Tile::Medium),
        (SMALL, Tile::Small),
    ];
    all.into_iter()
        .flat_map(|(names, tile)| names.map(|name| (name, tile.shared())))
}

/// At most so many columns (or rows) make a product thin.
const THIN: usize = 32;

impl Device {
    /// A product, as [`Kernel::gemm`](crate::Kernel::gemm).
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree with the shape.
    pub fn product(
        &self,
        a: &DeviceSlice,
        b: &DeviceSlice,
        c: &DeviceSlice,
        shape: ProductShape,
        store: Store,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, .. } = shape;
        let enough = |tile: Tile| {
            let (rows, cols) = tile.sides();
            let blocks = m.div_ceil(rows) * n.div_ceil(cols);
            blocks * 4 >= 3 * self.0.processors as usize
        };
        let tile = match m.min(n) {
            ..=THIN => Tile::Thin,
            _ if enough(Tile::Large) => Tile::Large,
            _ if enough(Tile::Medium) => Tile::Medium,
            _ => Tile::Small,
        };
        self.product_with(tile, a, b, c, shape, store)
    }

    /// [`Device::product`] with a given division.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree with the shape.
    pub fn product_with(
        &self,
        tile: Tile,
        a: &DeviceSlice,
        b: &DeviceSlice,
        c: &DeviceSlice,
        shape: ProductShape,
        store: Store,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, k, ta, tb } = shape;
        expect_len("a", a.len(), m * k);
        expect_len("b", b.len(), k * n);
        expect_len("c", c.len(), m * n);
        let accumulate = store == Store::Accumulate;
        if k == 0 {
            return if accumulate { Ok(()) } else { self.clear(c) };
        }
        if tile == Tile::Thin {
            return self.thin(a, b, c, shape, accumulate);
        }
        // 16 bytes at a time where every row starts at a multiple of that.
        let vectors = |slice: &DeviceSlice, row: usize| {
            row.is_multiple_of(4) && slice.pointer().is_multiple_of(16)
        };
        let (rows, cols) = tile.sides();
        let threads = Threads {
            grid: [n.div_ceil(cols) as u32, m.div_ceil(rows) as u32, 1],
            block: [256, 1],
            shared: tile.shared(),
        };
        let vector_a = vectors(a, if ta { m } else { k });
        let vector_b = vectors(b, if tb { k } else { n });
        let (m, n, k) = (int(m), int(n), int(k));
        self.launch(
            tile.function(ta, tb),
            threads,
            arguments![a, b, c, m, n, k, accumulate, vector_a, vector_b],
        )
    }

    fn thin(
        &self,
        a: &DeviceSlice,
        b: &DeviceSlice,
        c: &DeviceSlice,
        shape: ProductShape,
        accumulate: bool,
    ) -> Result<(), DeviceError> {
        let ProductShape { m, n, k, ta, tb } = shape;
        // Steps between neighbours along (output, k), for both operands.
        let mut left = (a, m, if ta { (1, m) } else { (k, 1) });
        let mut right = (b, n, if tb { (k, 1) } else { (1, n) });
        let mut out = (n, 1);
        if m < n {
            std::mem::swap(&mut left, &mut right);
            out = (1, n);
        }
        let rows = |(slice, _, (step, along)): (&DeviceSlice, usize, (usize, usize))| {
            along == 1 && step.is_multiple_of(4) && slice.pointer().is_multiple_of(16)
        };
        let name = match (rows(left), rows(right)) {
            (false, false) => "thin_plain",
            (false, true) => "thin_rows_b",
            (true, false) => "thin_rows_a",
            (true, true) => "thin_rows",
        };
        let (long, short) = (left.1, right.1);
        let slices = k.div_ceil(256).min(8) as u32;
        let threads = Threads::new(
            [long.div_ceil(16) as u32, short.div_ceil(8) as u32, 1],
            [128, slices],
        );
        let ((left, _, (a_i, a_k)), (right, _, (b_j, b_k))) = (left, right);
        self.launch(
            name,
            threads,
            arguments![
                left,
                right,
                c,
                int(long),
                int(short),
                int(k),
                int(a_i),
                int(a_k),
                int(b_k),
                int(b_j),
                int(out.0),
                int(out.1),
                accumulate
            ],
        )
    }
}
