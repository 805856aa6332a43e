//! The tiles of each instruction set, by size.

use core::arch::x86_64::{__m256, __m512};

use super::tile::{CAUSAL_COLUMNS, CAUSAL_ROWS, STRIDED, Tile, UNIT, tile};
use crate::dispatch::Path;

/// Computes one tile.
///
/// # Safety
/// The processor has the engine's instructions, and the tile's pointers are valid for its shape.
pub(super) type TileFn = unsafe fn(&Tile);

/// Tiles of one width, one for every number of rows: entry i computes i + 1 rows.
pub(super) struct Tiles {
    pub(super) width: usize,
    pub(super) unit: &'static [TileFn],
    pub(super) strided: &'static [TileFn],
    pub(super) causal_rows: &'static [TileFn],
    pub(super) causal_columns: &'static [TileFn],
}

impl Tiles {
    /// The most rows one tile computes.
    pub(super) fn rows(&self) -> usize {
        self.unit.len()
    }
}

/// The tiles of one instruction set, narrowest first.
pub(crate) struct Engine {
    tiles: &'static [Tiles],
    /// Rows of a packed panel of A; every width has tiles of so many rows.
    pub(super) panel_rows: usize,
}

impl Engine {
    /// The engine of a path, `None` for the scalar ones.
    pub(crate) fn of(path: Path) -> Option<&'static Self> {
        match path {
            Path::Soft | Path::Hard => None,
            Path::Avx2 => Some(&AVX2),
            Path::Avx512 => Some(&AVX512),
        }
    }

    /// The narrowest tiles that hold `cols` columns, or the widest there are.
    pub(super) fn fit(&self, cols: usize) -> &'static Tiles {
        let fits = self.tiles.iter().find(|t| t.width >= cols);
        fits.unwrap_or(&self.tiles[self.tiles.len() - 1])
    }

    /// The width of the widest tiles.
    pub(super) fn width(&self) -> usize {
        self.tiles[self.tiles.len() - 1].width
    }
}

macro_rules! table {
    ($entry:ident, $vectors:literal, $kind:expr; $($rows:literal)*) => {
        &[$($entry::<$rows, $vectors, { $kind }> as TileFn),*]
    };
}
macro_rules! tiles {
    ($entry:ident, $width:literal, $vectors:literal; $($rows:literal)*) => {
        Tiles {
            width: $width,
            unit: table!($entry, $vectors, UNIT; $($rows)*),
            strided: table!($entry, $vectors, STRIDED; $($rows)*),
            causal_rows: table!($entry, $vectors, CAUSAL_ROWS; $($rows)*),
            causal_columns: table!($entry, $vectors, CAUSAL_COLUMNS; $($rows)*),
        }
    };
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn zmm<const ROWS: usize, const VECTORS: usize, const KIND: u8>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<__m512, ROWS, VECTORS, KIND>(t) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn ymm32<const ROWS: usize, const VECTORS: usize, const KIND: u8>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<__m256, ROWS, VECTORS, KIND>(t) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn ymm<const ROWS: usize, const VECTORS: usize, const KIND: u8>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<__m256, ROWS, VECTORS, KIND>(t) }
}

/// 14 x 32: 28 of the 32 registers accumulate, and one block of such a panel of B (32 KiB) stays
/// in the first-level cache.
static AVX512: Engine = Engine {
    tiles: &[
        tiles!(ymm32, 8, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        tiles!(zmm, 16, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        tiles!(zmm, 32, 2; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    ],
    panel_rows: 14,
};

/// 6 x 16: 12 of the 16 registers accumulate.
static AVX2: Engine = Engine {
    tiles: &[
        tiles!(ymm, 8, 1; 1 2 3 4 5 6 7 8 9 10 11 12),
        tiles!(ymm, 16, 2; 1 2 3 4 5 6),
    ],
    panel_rows: 6,
};
