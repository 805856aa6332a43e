//! Products of 8-bit integers out of register tiles. Sums of integers have no order, so a tile runs
//! along all of k at once and only the scaling at its end is specified.

use super::product::Target;
use crate::dispatch::Path;
use crate::matrix::Store;
use crate::pack::even_cuts;
use crate::pack::quads::{LeftForm, PANEL, QUAD, QuadsRef, pack_left};
use crate::scratch::with_bytes;
use tile::Tile;

#[cfg(target_arch = "aarch64")]
mod neon;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Bytes of A that are packed at once and stay near while the panels of B pass over them.
const NEAR: usize = 256 << 10;

/// Computes one tile.
///
/// # Safety
/// The processor has the engine's instructions, and the tile's pointers are valid for its shape.
type TileFn = unsafe fn(&Tile);

/// The tiles of one instruction set; entry i computes i + 1 rows.
pub(crate) struct Engine {
    name: &'static str,
    tiles: &'static [TileFn],
    /// Columns of a tile, a divisor of a panel's.
    width: usize,
    form: LeftForm,
    /// Dot products that never leave the registers, and how many multiply-adds they are; none where
    /// a dot product is several instructions, of which the compiler would do some only once.
    peak: Option<unsafe fn() -> u64>,
}

impl Engine {
    /// The engine of a path, `None` for the scalar ones.
    pub(crate) fn of(path: Path) -> Option<&'static Self> {
        match path {
            Path::Soft | Path::Hard => None,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Some(&x86::AVX2),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 if std::arch::is_x86_feature_detected!("avx512vnni") => Some(&x86::VNNI),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Some(&x86::AVX512),
            #[cfg(target_arch = "aarch64")]
            Path::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(&neon::DOT),
            #[cfg(target_arch = "aarch64")]
            Path::Neon => Some(&neon::PLAIN),
        }
    }

    /// Runs dot products that never leave the registers; returns how many multiply-adds they were.
    ///
    /// # Safety
    /// The processor has the engine's instructions.
    pub(crate) unsafe fn peak(&self) -> Option<u64> {
        // SAFETY: the function's contract.
        self.peak.map(|peak| unsafe { peak() })
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Rows of quantised values with their scales.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) values: &'a [i8],
    pub(crate) scales: &'a [f32],
}

/// Columns `from..to` of the product of `a` and `b` (`from` a multiple of 32), scaled, stored in or
/// added to `c`. `column_scales` belong to all columns of `b`.
///
/// # Safety
/// The processor has the engine's instructions; `c` is valid for a row each scale of `a` and `to -
/// from` columns, and nobody else touches them.
pub(crate) unsafe fn multiply(
    engine: &Engine,
    a: Left<'_>,
    b: QuadsRef<'_>,
    column_scales: Option<&[f32]>,
    (from, to): (usize, usize),
    c: Target,
    store: Store,
) {
    debug_assert!(from.is_multiple_of(PANEL));
    let steps = b.depth.div_ceil(QUAD);
    let row_bytes = steps * engine.form.bytes();
    let height = engine.tiles.len();
    let rows = (NEAR / row_bytes.max(1) / height).clamp(1, 64) * height;
    for (top, count) in even_cuts(a.scales.len(), rows) {
        let values = &a.values[top * b.depth..][..count * b.depth];
        let scales = &a.scales[top..top + count];
        with_bytes(count * row_bytes, |packed| {
            pack_left(values, b.depth, count, height, engine.form, packed);
            for col in (from..to).step_by(engine.width) {
                let cols = engine.width.min(to - col);
                let inside = col % PANEL * QUAD;
                let panel = b.panel(col / PANEL);
                let columns = &b.sums[col..col + engine.width];
                let column_scales = column_scales.map(|all| &all[col..col + cols]);
                for (row, count) in even_cuts(count, height) {
                    let left = &packed[row * row_bytes..][..count * row_bytes];
                    // SAFETY: `left` holds `count` rows; the panel holds `steps` times 32 quads,
                    // of which the tile's width from `inside` on are read; sums and scales were
                    // cut to the columns; the tile of c lies within the target.
                    unsafe {
                        let to = c.at(top + row, col - from);
                        engine.tiles[count - 1](&Tile {
                            steps,
                            a: left.as_ptr(),
                            b: panel.as_ptr().wrapping_add(inside),
                            columns: columns.as_ptr(),
                            row_scales: scales[row..row + count].as_ptr(),
                            column_scales: column_scales.map_or(std::ptr::null(), <[f32]>::as_ptr),
                            c: to.data,
                            c_stride: c.stride,
                            cols,
                            add: store == Store::Accumulate,
                        });
                    }
                }
            }
        });
    }
}

/// The tiles of one kind, one for every number of rows listed.
macro_rules! tiles {
    ($entry:ident, $vectors:literal; $($rows:literal)*) => {
        &[$($entry::<$rows, $vectors> as TileFn),*]
    };
}
use tiles;

#[cfg(test)]
mod tests;
