//! One body, compiled once per instruction set.

/// A code path: an instruction set and a way to do arithmetic with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// No fused multiply-add in hardware.
    Soft,
    /// Plain bodies, the processor's fused multiply-add.
    Hard,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128-bit vectors.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Calls the generic body named with the arithmetic and the instruction set of `$path`.
///
/// `dispatch!(path, module::body(a: &[f32], out: &mut [f32]) -> f32)`; the arguments are variables
/// in scope. The body is `#[inline(always)]`, so that it is compiled inside each wrapper with that
/// wrapper's instructions.
macro_rules! dispatch {
    ($path:expr, $($body:ident)::+($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "fma")]
        #[allow(clippy::too_many_arguments)]
        fn hard($($arg: $ty),*) $(-> $ret)? {
            $($body)::+::<$crate::arith::Hard>($($arg),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[allow(clippy::too_many_arguments)]
        fn avx2($($arg: $ty),*) $(-> $ret)? {
            $($body)::+::<$crate::arith::Wide>($($arg),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        #[allow(clippy::too_many_arguments)]
        fn avx512($($arg: $ty),*) $(-> $ret)? {
            $($body)::+::<$crate::arith::Wide>($($arg),*)
        }
        #[cfg(target_arch = "aarch64")]
        #[target_feature(enable = "neon")]
        #[allow(clippy::too_many_arguments)]
        fn neon($($arg: $ty),*) $(-> $ret)? {
            $($body)::+::<$crate::arith::Wide>($($arg),*)
        }
        match $path {
            $crate::dispatch::Path::Soft => $($body)::+::<$crate::arith::Soft>($($arg),*),
            // AArch64's baseline has the instruction.
            #[cfg(not(target_arch = "x86_64"))]
            $crate::dispatch::Path::Hard => $($body)::+::<$crate::arith::Hard>($($arg),*),
            // SAFETY: `Kernel` holds a path only after its instructions were detected.
            #[cfg(target_arch = "x86_64")]
            $crate::dispatch::Path::Hard => unsafe { hard($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::dispatch::Path::Avx2 => unsafe { avx2($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::dispatch::Path::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::dispatch::Path::Neon => unsafe { neon($($arg),*) },
        }
    }};
}
pub(crate) use dispatch;
