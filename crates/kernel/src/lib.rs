//! Compute the same bits on every machine.
//!
//! Training must be replayable, so every operator here has one specified result: the order of
//! every sum, every constant and every rounding is fixed (`docs/kernel-spec.md`), and the scalar,
//! AVX2, AVX-512 and NEON paths on any number of threads agree with it bit for bit. Parallelism goes
//! across the elements of an output, never along the chain of operations that makes one.
//!
//! A [`Kernel`] is a handle on a path and its threads; operators are its methods, on plain
//! row-major `f32` slices. [`random`] holds the addressed random streams.
//!
//! ```
//! use assay_kernel::{Kernel, MatMut, MatRef, Store};
//!
//! let kernel = Kernel::detect()?;
//! let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0]);
//! let mut c = [0.0; 2];
//! kernel.gemm(
//!     MatRef::row_major(&a, 2, 2),
//!     MatRef::row_major(&b, 2, 1),
//!     &mut MatMut::row_major(&mut c, 2, 1),
//!     Store::Overwrite,
//! );
//! assert_eq!(c, [3.0, 7.0]);
//! # Ok::<(), assay_kernel::ConfigError>(())
//! ```

mod arith;
#[cfg(feature = "cuda")]
pub mod cuda;
mod dispatch;
mod environment;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code)
)]
mod fast;
mod finite;
mod kernel;
mod lanes;
mod matrix;
mod ops;
mod pack;
pub mod random;
mod reference;
mod scratch;
mod self_test;
mod shape;
mod split;

pub use environment::{EnvironmentError, check_environment};
pub use finite::{all_finite, all_finite_bf16};
pub use kernel::{ConfigError, Isa, Kernel, MAX_THREADS};
pub use matrix::{MatMut, MatRef, Store};
pub use ops::{GRAM_DEPTH, MAX_DEPTH_I8, PackedB, PackedI8, SORT_WIDTH};
pub use reference::norm::clip_factor;
pub use self_test::SelfTestError;
pub use shape::{AdamW, AttentionShape, BiasPowers, Function, IGNORE, ImageShape, Sgd};

/// The version of the arithmetic specification: it changes when any operator's bits change, and with
/// operators that jobs could not ask for before. Version 2 is version 1, bit for bit, with products of
/// 8-bit integers and with rounding to bfloat16; version 3 is version 2 with the operators of small
/// models on tables and images.
pub const SPEC_VERSION: u32 = 3;
