//! Fused multiply-adds that never leave the registers: the peak products are judged by.

use core::arch::x86_64::{__m256, __m512};

use super::vector::Vector;
use crate::dispatch::Path;
use crate::kernel::Kernel;

const STEPS: u64 = 100_000;

impl Kernel {
    /// Runs fused multiply-adds on one thread, as many at once as the processor takes, and returns
    /// how many floating-point operations that were; `None` on the scalar path. Time it to learn
    /// the peak.
    pub fn multiply_add_peak(&self) -> Option<u64> {
        // SAFETY: `Kernel` holds a path only after its instructions were detected.
        let (lanes, result) = unsafe {
            match self.path {
                Path::Soft | Path::Hard => return None,
                Path::Avx2 => (8 * 10, ymm()),
                Path::Avx512 => (16 * 24, zmm()),
            }
        };
        std::hint::black_box(result);
        Some(2 * lanes * STEPS)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn zmm() -> f32 {
    // SAFETY: the features are enabled here.
    unsafe { chains::<__m512, 24>() }
}

#[target_feature(enable = "avx2,fma")]
fn ymm() -> f32 {
    // SAFETY: the features are enabled here.
    unsafe { chains::<__m256, 10>() }
}

/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn chains<V: Vector, const N: usize>() -> f32 {
    let (x, y) = (std::hint::black_box(0.5), std::hint::black_box(0.25));
    let mut out = [0.0; 16];
    // SAFETY: the function's contract; `out` holds the widest vector.
    unsafe {
        let (x, y) = (V::splat(&x), V::splat(&y));
        let mut acc = [V::zero(); N];
        for _ in 0..STEPS {
            for acc in &mut acc {
                *acc = acc.fma(x, y);
            }
        }
        let mut sum = V::zero();
        for acc in acc {
            sum = sum.add(acc);
        }
        sum.store(out.as_mut_ptr());
    }
    out[0]
}
