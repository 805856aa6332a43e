//! Eight rows at a time, transposed in registers.

use core::arch::x86_64::*;

/// Rows that lie this far ahead are asked for: those of the next panel.
const ROWS_AHEAD: usize = 14;

/// `out[k * out_stride + i] = from[i * stride + k]` for eight rows and `depth` columns.
#[target_feature(enable = "avx2")]
pub(super) fn interleave8(
    from: &[f32],
    stride: usize,
    depth: usize,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(depth == 0 || from.len() >= 7 * stride + depth);
    assert!(depth == 0 || out.len() >= (depth - 1) * out_stride + 8);
    let whole = depth / 8 * 8;
    for k in (0..whole).step_by(8) {
        // SAFETY: row 7, columns k..k + 8 end before 7 * stride + depth; output row k + 7 ends
        // at (k + 7) * out_stride + 8; both lie inside the slices by the assertions above. A
        // prefetch of any address is sound.
        unsafe {
            let r: [__m256; 8] =
                std::array::from_fn(|i| _mm256_loadu_ps(from.as_ptr().add(i * stride + k)));
            if k % 16 == 0 {
                for i in ROWS_AHEAD..ROWS_AHEAD + 8 {
                    let later = from.as_ptr().wrapping_add(i * stride + k);
                    _mm_prefetch::<_MM_HINT_T0>(later.cast());
                }
            }
            for (n, row) in transpose8(r).into_iter().enumerate() {
                _mm256_storeu_ps(out.as_mut_ptr().add((k + n) * out_stride), row);
            }
        }
    }
    for k in whole..depth {
        for i in 0..8 {
            out[k * out_stride + i] = from[i * stride + k];
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose8(r: [__m256; 8]) -> [__m256; 8] {
    let lo = |a, b| _mm256_unpacklo_ps(a, b);
    let hi = |a, b| _mm256_unpackhi_ps(a, b);
    let t = [
        lo(r[0], r[1]),
        hi(r[0], r[1]),
        lo(r[2], r[3]),
        hi(r[2], r[3]),
        lo(r[4], r[5]),
        hi(r[4], r[5]),
        lo(r[6], r[7]),
        hi(r[6], r[7]),
    ];
    let low = |a, b| _mm256_shuffle_ps::<0b01_00_01_00>(a, b);
    let high = |a, b| _mm256_shuffle_ps::<0b11_10_11_10>(a, b);
    let u = [
        low(t[0], t[2]),
        high(t[0], t[2]),
        low(t[1], t[3]),
        high(t[1], t[3]),
        low(t[4], t[6]),
        high(t[4], t[6]),
        low(t[5], t[7]),
        high(t[5], t[7]),
    ];
    let first = |a, b| _mm256_permute2f128_ps::<0x20>(a, b);
    let second = |a, b| _mm256_permute2f128_ps::<0x31>(a, b);
    [
        first(u[0], u[4]),
        first(u[1], u[5]),
        first(u[2], u[6]),
        first(u[3], u[7]),
        second(u[0], u[4]),
        second(u[1], u[5]),
        second(u[2], u[6]),
        second(u[3], u[7]),
    ]
}
