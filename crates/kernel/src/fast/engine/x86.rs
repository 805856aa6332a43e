//! Tiles of AVX2 and AVX-512 registers.

use core::arch::x86_64::{__m256, __m512};

use super::{Engine, TileFn, Tiles};
use crate::fast::tile::{CAUSAL_COLUMNS, CAUSAL_ROWS, STRIDED, Tile, UNIT, tile};

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
pub(super) static AVX512: Engine = Engine {
    tiles: &[
        tiles!(ymm32, 8, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        tiles!(zmm, 16, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        tiles!(zmm, 32, 2; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    ],
    panel_rows: 14,
};

/// 6 x 16: 12 of the 16 registers accumulate.
pub(super) static AVX2: Engine = Engine {
    tiles: &[
        tiles!(ymm, 8, 1; 1 2 3 4 5 6 7 8 9 10 11 12),
        tiles!(ymm, 16, 2; 1 2 3 4 5 6),
    ],
    panel_rows: 6,
};
