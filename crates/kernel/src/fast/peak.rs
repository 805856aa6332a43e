//! Fused multiply-adds that never leave the registers: the peak products are judged by.

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
                #[cfg(target_arch = "x86_64")]
                Path::Avx2 => (8 * 10, ymm()),
                #[cfg(target_arch = "x86_64")]
                Path::Avx512 => (16 * 24, zmm()),
                #[cfg(target_arch = "aarch64")]
                Path::Neon => (4 * 24, quads()),
            }
        };
        std::hint::black_box(result);
        Some(2 * lanes * STEPS)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn zmm() -> f32 {
    // SAFETY: the features are enabled here.
    unsafe { chains::<core::arch::x86_64::__m512, 24>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn ymm() -> f32 {
    // SAFETY: the features are enabled here.
    unsafe { chains::<core::arch::x86_64::__m256, 10>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn quads() -> f32 {
    // SAFETY: the feature is enabled here.
    unsafe { chains::<core::arch::aarch64::float32x4_t, 24>() }
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
