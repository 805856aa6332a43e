//! The few vector instructions that tiles are made of.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// A register of f32 lanes.
///
/// # Safety
/// Every method requires the instruction set of its implementation, and pointers valid for the
/// lanes they touch. No alignment is needed.
pub(super) trait Vector: Copy {
    /// Lanes.
    const WIDTH: usize;

    unsafe fn zero() -> Self;
    /// All lanes from one value.
    unsafe fn splat(from: *const f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Loads the first `n` lanes, the others are zero; nothing behind them is touched.
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    /// Stores the first `n` lanes; nothing behind them is touched.
    unsafe fn store_first(self, to: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    /// `self * b + c`, fused.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// Asks for the cache line of an address; any address will do.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}
    /// As [`Vector::prefetch`], into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch_far(_from: *const f32) {}
}
