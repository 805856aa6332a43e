//! The tiles of each instruction set, by size.

use super::tile::Tile;
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
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Some(&x86::AVX2),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Some(&x86::AVX512),
            #[cfg(target_arch = "aarch64")]
            Path::Neon => Some(&neon::NEON),
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

/// The tiles of one kind and width: one for every number of rows listed.
macro_rules! table {
    ($entry:ident, $vectors:literal, $kind:expr; $($rows:literal)*) => {
        &[$($entry::<$rows, $vectors, { $kind }> as TileFn),*]
    };
}
/// All kinds of tiles of one width.
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

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;
