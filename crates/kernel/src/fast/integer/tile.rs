//! One register tile of integer sums: a few rows times a few vectors of outputs, along all of k.

use crate::pack::quads::{LeftForm, PANEL, QUAD};

/// A way to add dot products of four bytes to 32-bit sums, for some columns at once.
pub(super) trait Dot {
    /// Columns of a vector.
    const LANES: usize;
    /// How A lies.
    const FORM: LeftForm;
    /// The sums of a vector.
    type Sums: Copy;
    /// A quad of A for every lane.
    type Left: Copy;
    /// A quad of B in each lane.
    type Right: Copy;

    /// Sums of nothing.
    ///
    /// # Safety
    /// The instruction set; for all functions of the trait.
    unsafe fn zero() -> Self::Sums;
    /// Reads a quad in [`Dot::FORM`].
    ///
    /// # Safety
    /// It is readable.
    unsafe fn left(from: *const i8) -> Self::Left;
    /// Reads [`Dot::LANES`] quads.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn right(from: *const i8) -> Self::Right;
    /// `sums + left . right`, modulo 2^32.
    ///
    /// # Safety
    /// As [`Dot::zero`].
    unsafe fn dot(sums: Self::Sums, left: Self::Left, right: Self::Right) -> Self::Sums;
    /// Writes the first `n` outputs of a vector.
    ///
    /// # Safety
    /// The pointers of `out` are valid for `n` values, that of the column sums for a whole vector.
    unsafe fn store(sums: Self::Sums, out: Out, n: usize);
}

/// Where a vector of sums goes and what it is multiplied by.
#[derive(Clone, Copy)]
pub(super) struct Out {
    /// The sums of these columns of B, for [`LeftForm::Offset`].
    #[cfg_attr(
        target_arch = "aarch64",
        allow(dead_code, reason = "its tiles read A as it is")
    )]
    pub(super) columns: *const i32,
    /// The row's scale.
    pub(super) row_scale: f32,
    /// The columns' scales, or null.
    pub(super) column_scales: *const f32,
    pub(super) c: *mut f32,
    /// Whether the result is added to `c`.
    pub(super) add: bool,
}

/// What a tile computes and where.
pub(super) struct Tile {
    /// Steps of four along k.
    pub(super) steps: usize,
    /// A panel of as many rows as the tile has.
    pub(super) a: *const i8,
    /// The first column in a panel of B.
    pub(super) b: *const i8,
    pub(super) columns: *const i32,
    pub(super) row_scales: *const f32,
    /// Null when there are none.
    pub(super) column_scales: *const f32,
    pub(super) c: *mut f32,
    pub(super) c_stride: usize,
    /// Columns stored; B is readable to the tile's full width whatever this is.
    pub(super) cols: usize,
    pub(super) add: bool,
}

/// # Safety
/// The instruction set of `D`, and pointers valid for every element that the shape names.
#[inline(always)]
pub(super) unsafe fn tile<D: Dot, const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the function's contract.
    unsafe {
        let mut sums = [[D::zero(); VECTORS]; ROWS];
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.steps {
            let right: [D::Right; VECTORS] =
                std::array::from_fn(|v| D::right(b.add(v * D::LANES * QUAD)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let left = D::left(a.add(i * D::FORM.bytes()));
                for (sums, right) in sums.iter_mut().zip(right) {
                    *sums = D::dot(*sums, left, right);
                }
            }
            a = a.add(ROWS * D::FORM.bytes());
            b = b.add(PANEL * QUAD);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, sums) in sums.iter().enumerate() {
                let first = v * D::LANES;
                let n = t.cols.saturating_sub(first).min(D::LANES);
                if n == 0 {
                    break;
                }
                let column_scales = match t.column_scales.is_null() {
                    true => t.column_scales,
                    false => t.column_scales.add(first),
                };
                let out = Out {
                    columns: t.columns.add(first),
                    row_scale: *t.row_scales.add(i),
                    column_scales,
                    c: t.c.add(i * t.c_stride + first),
                    add: t.add,
                };
                D::store(*sums, out, n);
            }
        }
    }
}

/// Dot products on `N` vectors of sums that stay in registers; returns how many multiply-adds.
///
/// # Safety
/// The instruction set of `D`.
#[inline(always)]
pub(super) unsafe fn peak<D: Dot, const N: usize>() -> u64 {
    const STEPS: u64 = 100_000;
    let quads = [3i8; 64];
    let mut c = [0.0f32; 16];
    // SAFETY: a vector has at most 16 lanes of four bytes; the rest by the function's contract.
    unsafe {
        let (left, right) = (D::left(quads.as_ptr()), D::right(quads.as_ptr()));
        let mut sums = [D::zero(); N];
        for _ in 0..STEPS {
            // Hidden from the optimiser, which could multiply instead of adding up.
            let left = std::hint::black_box(left);
            for sums in &mut sums {
                *sums = D::dot(*sums, left, right);
            }
        }
        for sums in sums {
            let out = Out {
                columns: [0i32; 16].as_ptr(),
                row_scale: 1.0,
                column_scales: std::ptr::null(),
                c: c.as_mut_ptr(),
                add: true,
            };
            D::store(sums, out, D::LANES);
        }
    }
    std::hint::black_box(c);
    STEPS * (N * D::LANES * QUAD) as u64
}
