//! The handle through which every operator is called.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

#[cfg(feature = "cuda")]
use crate::cuda::{Device, DeviceError};
use crate::dispatch::Path;
use crate::environment::{EnvironmentError, check_environment};

/// The most threads a kernel may be given.
pub const MAX_THREADS: usize = 1024;

/// An instruction set whose code path computes the operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Plain Rust, any processor.
    Scalar,
    /// AVX2 and FMA, 256-bit vectors.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL), 512-bit vectors.
    Avx512,
    /// AArch64's Advanced SIMD, 128-bit vectors.
    Neon,
}

impl Isa {
    /// Every instruction set, slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon];

    /// The name `ASSAY_KERNEL` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        self.path().is_some()
    }

    #[cfg(target_arch = "x86_64")]
    fn path(self) -> Option<Path> {
        use std::arch::is_x86_feature_detected as has;
        match self {
            Self::Scalar if has!("fma") => Some(Path::Hard),
            Self::Scalar => Some(Path::Soft),
            Self::Avx2 => (has!("avx2") && has!("fma")).then_some(Path::Avx2),
            Self::Avx512 => (has!("avx512f")
                && has!("avx512bw")
                && has!("avx512dq")
                && has!("avx512vl")
                && has!("avx2")
                && has!("fma"))
            .then_some(Path::Avx512),
            Self::Neon => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn path(self) -> Option<Path> {
        match self {
            Self::Scalar => Some(Path::Hard),
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon").then_some(Path::Neon),
            Self::Avx2 | Self::Avx512 => None,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn path(self) -> Option<Path> {
        (self == Self::Scalar).then_some(Path::Soft)
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a kernel could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `ASSAY_KERNEL` holds something else.
    #[error("ASSAY_KERNEL is {0:?}; use scalar, avx2, avx512 or neon, or leave it unset")]
    UnknownIsa(String),
    /// The processor lacks the instruction set asked for.
    #[error("this processor has no {0}; use ASSAY_KERNEL=scalar, or leave it unset")]
    Unsupported(Isa),
    /// `ASSAY_THREADS`, or the number given, is not a usable number of threads.
    #[error("the number of threads is {0:?}; use a whole number from 1 to 1024 (ASSAY_THREADS)")]
    BadThreads(String),
    /// The operating system refused the threads.
    #[error("could not start the compute threads")]
    Pool(#[source] rayon::ThreadPoolBuildError),
    /// A thread's floating-point state is not the IEEE default.
    #[error("a compute thread cannot follow the specification")]
    Environment(#[from] EnvironmentError),
    /// `ASSAY_DEVICE` holds something else.
    #[error("ASSAY_DEVICE is {0:?}; use cpu, cuda or cuda:N, or leave it unset")]
    UnknownDevice(String),
    /// The program was built without devices.
    #[cfg(not(feature = "cuda"))]
    #[error(
        "this program was built without CUDA; build it with `--features cuda`, or leave \
         ASSAY_DEVICE unset"
    )]
    NoCuda,
    /// The device cannot be used.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A cheap handle on one code path and one set of threads.
///
/// Whatever the path and the number of threads, operators give the same bits for finite inputs.
/// Each operator checks the lengths of its slices and panics when they disagree: lengths are the
/// caller's, never taken unchecked from outside bytes.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) path: Path,
    isa: Isa,
    threads: usize,
    pub(crate) pool: Option<Arc<ThreadPool>>,
    #[cfg(feature = "cuda")]
    device: Option<Device>,
}

impl Kernel {
    /// The best path of this processor on all its cores, or what the environment variables
    /// `ASSAY_KERNEL` (`scalar`, `avx2`, `avx512`, `neon`) and `ASSAY_THREADS` ask for; with
    /// `ASSAY_DEVICE` (`cuda`, `cuda:N`) also a device for whole steps.
    ///
    /// # Errors
    /// [`ConfigError`] names the valid values, or what a device lacks.
    pub fn detect() -> Result<Self, ConfigError> {
        let text = |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        let kernel = Self::from_settings(
            text("ASSAY_KERNEL").as_deref(),
            text("ASSAY_THREADS").as_deref(),
        )?;
        kernel.with_device_named(text("ASSAY_DEVICE").as_deref())
    }

    /// The same with the device of this name: `cpu` or none for no device, `cuda`, or `cuda:N`.
    ///
    /// # Errors
    /// [`ConfigError`] names the valid values, or what a device lacks.
    pub fn with_device_named(self, name: Option<&str>) -> Result<Self, ConfigError> {
        let unknown = |name: &str| ConfigError::UnknownDevice(name.chars().take(40).collect());
        let ordinal = match name {
            None | Some("cpu") => return Ok(self),
            Some("cuda") => 0,
            Some(name) => {
                let number = name.strip_prefix("cuda:").and_then(|n| n.parse().ok());
                number.ok_or_else(|| unknown(name))?
            }
        };
        self.with_cuda(ordinal)
    }

    #[cfg(feature = "cuda")]
    fn with_cuda(self, ordinal: usize) -> Result<Self, ConfigError> {
        let device = Some(Device::open(ordinal)?);
        Ok(Self { device, ..self })
    }

    #[cfg(not(feature = "cuda"))]
    fn with_cuda(self, _: usize) -> Result<Self, ConfigError> {
        Err(ConfigError::NoCuda)
    }

    /// The same with this device for whole steps.
    #[cfg(feature = "cuda")]
    #[must_use]
    pub fn with_device(self, device: Device) -> Self {
        let device = Some(device);
        Self { device, ..self }
    }

    /// The device that whole steps run on, if there is one.
    #[cfg(feature = "cuda")]
    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// As [`Kernel::detect`], from the values of the two variables.
    ///
    /// # Errors
    /// [`ConfigError`] names the valid values.
    pub fn from_settings(isa: Option<&str>, threads: Option<&str>) -> Result<Self, ConfigError> {
        let isa = match isa {
            None => best_isa(),
            Some(name) => Isa::ALL
                .into_iter()
                .find(|isa| isa.name() == name)
                .ok_or_else(|| ConfigError::UnknownIsa(name.to_owned()))?,
        };
        let threads = match threads {
            None => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MAX_THREADS),
            Some(n) => n
                .parse()
                .map_err(|_| ConfigError::BadThreads(n.to_owned()))?,
        };
        Self::new(isa, threads)
    }

    /// A kernel with this path and this many threads.
    ///
    /// # Errors
    /// When the processor lacks `isa`, `threads` is not in `1..=MAX_THREADS`, the threads cannot
    /// be started, or one of them has a non-default floating-point state.
    pub fn new(isa: Isa, threads: usize) -> Result<Self, ConfigError> {
        let path = isa.path().ok_or(ConfigError::Unsupported(isa))?;
        Self::with_path(path, isa, threads)
    }

    /// The scalar path as a processor without fused multiply-add runs it: slow, the same bits.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn without_fma(threads: usize) -> Result<Self, ConfigError> {
        Self::with_path(Path::Soft, Isa::Scalar, threads)
    }

    fn with_path(path: Path, isa: Isa, threads: usize) -> Result<Self, ConfigError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(ConfigError::BadThreads(threads.to_string()));
        }
        let pool = if threads == 1 {
            None
        } else {
            let builder = ThreadPoolBuilder::new().num_threads(threads);
            let named = builder.thread_name(|i| format!("assay-kernel-{i}"));
            Some(Arc::new(named.build().map_err(ConfigError::Pool)?))
        };
        let kernel = Self {
            path,
            isa,
            threads,
            pool,
            #[cfg(feature = "cuda")]
            device: None,
        };
        kernel.check_environment()?;
        Ok(kernel)
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The number of threads in use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Checks the floating-point state of the calling thread and of every compute thread. Call it
    /// at the entry of each training step.
    ///
    /// # Errors
    /// When a library in the process changed it.
    pub fn check_environment(&self) -> Result<(), EnvironmentError> {
        check_environment()?;
        match &self.pool {
            None => Ok(()),
            Some(pool) => pool
                .broadcast(|_| check_environment())
                .into_iter()
                .collect(),
        }
    }

    /// Runs `work` on one of the kernel's threads, so that the operators it calls need no
    /// hand-over each. A training step is best run inside one call.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            None => work(),
            Some(pool) => pool.install(work),
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("isa", &self.isa)
            .field("threads", &self.threads)
            .finish()
    }
}

fn best_isa() -> Isa {
    let available = Isa::ALL.into_iter().rev().find(|isa| isa.is_available());
    available.unwrap_or(Isa::Scalar)
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
