//! Integer tiles of AVX2 and AVX-512 registers.

use core::arch::x86_64::*;

use super::tile::{Dot, Out, Tile, peak, tile};
use super::{Engine, TileFn, tiles};
use crate::pack::quads::LeftForm;

/// One instruction for four products a lane. It takes unsigned bytes on one side, so A is read plus
/// 128 and 128 times the column's sum is taken off at the end: exact, since all of it is modulo 2^32.
struct Vnni;

/// Products of 16-bit integers, added in pairs: exact, where the instruction for bytes saturates.
struct Wide512;

/// As [`Wide512`], half as wide.
struct Wide256;

/// The sums as floats times the scales, added to or stored in the first `n` lanes of `c`.
#[inline(always)]
unsafe fn store512(sums: __m512i, out: Out, n: usize) {
    let mask = ((1u32 << n) - 1) as __mmask16;
    // SAFETY: AVX-512 and pointers by the callers' contract; masked lanes are not accessed.
    unsafe {
        let mut value = _mm512_cvtepi32_ps(sums);
        value = _mm512_mul_ps(value, _mm512_set1_ps(out.row_scale));
        if !out.column_scales.is_null() {
            let scales = _mm512_maskz_loadu_ps(mask, out.column_scales);
            value = _mm512_mul_ps(value, scales);
        }
        if n == 16 {
            if out.add {
                value = _mm512_add_ps(_mm512_loadu_ps(out.c), value);
            }
            _mm512_storeu_ps(out.c, value);
        } else {
            if out.add {
                value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out.c), value);
            }
            _mm512_mask_storeu_ps(out.c, mask, value);
        }
    }
}

impl Dot for Vnni {
    const LANES: usize = 16;
    const FORM: LeftForm = LeftForm::Offset;
    type Sums = __m512i;
    type Left = __m512i;
    type Right = __m512i;

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn left(from: *const i8) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn right(from: *const i8) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn dot(sums: __m512i, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_dpbusd_epi32(sums, left, right) }
    }
    #[inline(always)]
    unsafe fn store(sums: __m512i, out: Out, n: usize) {
        // SAFETY: the trait's contract.
        unsafe {
            let columns = _mm512_loadu_si512(out.columns.cast());
            let sums = _mm512_sub_epi32(sums, _mm512_slli_epi32::<7>(columns));
            store512(sums, out, n);
        }
    }
}

/// Two registers of 16-bit integers: values 0 and 2 of each quad, and values 1 and 3.
#[derive(Clone, Copy)]
struct Pair<T> {
    even: T,
    odd: T,
}

impl Dot for Wide512 {
    const LANES: usize = 16;
    const FORM: LeftForm = LeftForm::Wide;
    type Sums = __m512i;
    type Left = Pair<__m512i>;
    type Right = Pair<__m512i>;

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn left(from: *const i8) -> Pair<__m512i> {
        let from = from.cast::<i32>();
        // SAFETY: the trait's contract: eight bytes.
        unsafe {
            Pair {
                even: _mm512_set1_epi32(from.read_unaligned()),
                odd: _mm512_set1_epi32(from.add(1).read_unaligned()),
            }
        }
    }
    #[inline(always)]
    unsafe fn right(from: *const i8) -> Pair<__m512i> {
        // SAFETY: the trait's contract.
        unsafe {
            let quads = _mm512_loadu_si512(from.cast());
            Pair {
                even: _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(quads)),
                odd: _mm512_srai_epi16::<8>(quads),
            }
        }
    }
    #[inline(always)]
    unsafe fn dot(sums: __m512i, left: Pair<__m512i>, right: Pair<__m512i>) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe {
            let even = _mm512_madd_epi16(left.even, right.even);
            let odd = _mm512_madd_epi16(left.odd, right.odd);
            _mm512_add_epi32(sums, _mm512_add_epi32(even, odd))
        }
    }
    #[inline(always)]
    unsafe fn store(sums: __m512i, out: Out, n: usize) {
        // SAFETY: the trait's contract.
        unsafe { store512(sums, out, n) }
    }
}

#[rustfmt::skip]
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Dot for Wide256 {
    const LANES: usize = 8;
    const FORM: LeftForm = LeftForm::Wide;
    type Sums = __m256i;
    type Left = Pair<__m256i>;
    type Right = Pair<__m256i>;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the trait's contract.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn left(from: *const i8) -> Pair<__m256i> {
        let from = from.cast::<i32>();
        // SAFETY: the trait's contract: eight bytes.
        unsafe {
            Pair {
                even: _mm256_set1_epi32(from.read_unaligned()),
                odd: _mm256_set1_epi32(from.add(1).read_unaligned()),
            }
        }
    }
    #[inline(always)]
    unsafe fn right(from: *const i8) -> Pair<__m256i> {
        // SAFETY: the trait's contract.
        unsafe {
            let quads = _mm256_loadu_si256(from.cast());
            Pair {
                even: _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(quads)),
                odd: _mm256_srai_epi16::<8>(quads),
            }
        }
    }
    #[inline(always)]
    unsafe fn dot(sums: __m256i, left: Pair<__m256i>, right: Pair<__m256i>) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe {
            let even = _mm256_madd_epi16(left.even, right.even);
            let odd = _mm256_madd_epi16(left.odd, right.odd);
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }
    #[inline(always)]
    unsafe fn store(sums: __m256i, out: Out, n: usize) {
        debug_assert!(n <= 8);
        // SAFETY: the eight values from 8 - n lie in the table for every n up to 8; the rest by
        // the trait's contract, masked lanes are not accessed.
        unsafe {
            let mask = _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast());
            let mut value = _mm256_cvtepi32_ps(sums);
            value = _mm256_mul_ps(value, _mm256_set1_ps(out.row_scale));
            if !out.column_scales.is_null() {
                value = _mm256_mul_ps(value, _mm256_maskload_ps(out.column_scales, mask));
            }
            if out.add {
                value = _mm256_add_ps(_mm256_maskload_ps(out.c, mask), value);
            }
            _mm256_maskstore_ps(out.c, mask, value);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn vnni<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<Vnni, ROWS, VECTORS>(t) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn wide512<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<Wide512, ROWS, VECTORS>(t) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn wide256<const ROWS: usize, const VECTORS: usize>(t: &Tile) {
    // SAFETY: the features are enabled here; pointers as `TileFn` promises.
    unsafe { tile::<Wide256, ROWS, VECTORS>(t) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn vnni_peak() -> u64 {
    // SAFETY: the features are enabled here.
    unsafe { peak::<Vnni, 24>() }
}

/// 14 x 32: 28 of the 32 registers accumulate.
pub(super) static VNNI: Engine = Engine {
    name: "avx512vnni",
    tiles: tiles!(vnni, 2; 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    width: 32,
    form: LeftForm::Offset,
    peak: Some(vnni_peak),
};

/// 10 x 32: the products need registers of their own before they are added.
pub(super) static AVX512: Engine = Engine {
    name: "avx512bw",
    tiles: tiles!(wide512, 2; 1 2 3 4 5 6 7 8 9 10),
    width: 32,
    form: LeftForm::Wide,
    peak: None,
};

/// 4 x 16.
pub(super) static AVX2: Engine = Engine {
    name: "avx2",
    tiles: tiles!(wide256, 2; 1 2 3 4),
    width: 16,
    form: LeftForm::Wide,
    peak: None,
};
