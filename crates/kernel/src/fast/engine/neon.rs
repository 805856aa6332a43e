//! Tiles of NEON registers.

use core::arch::aarch64::float32x4_t;

use super::{Engine, TileFn, Tiles};
use crate::fast::tile::{CAUSAL_COLUMNS, CAUSAL_ROWS, STRIDED, Tile, UNIT, tile};

#[target_feature(enable = "neon")]
unsafe fn quads<const ROWS: usize, const VECTORS: usize, const KIND: u8>(t: &Tile) {
    // SAFETY: the feature is enabled here; pointers as `TileFn` promises.
    unsafe { tile::<float32x4_t, ROWS, VECTORS, KIND>(t) }
}

/// 6 x 16 and 12 x 8: 24 of the 32 registers accumulate.
pub(super) static NEON: Engine = Engine {
    tiles: &[
        tiles!(quads, 8, 2; 1 2 3 4 5 6 7 8 9 10 11 12),
        tiles!(quads, 16, 4; 1 2 3 4 5 6),
    ],
    panel_rows: 6,
};
