//! The operators on a CUDA device, with the bits of the processor paths.
//!
//! The kernels are our own text (`text/*.cu`), compiled by NVRTC when a [`Device`] is opened: f32
//! arithmetic on the ordinary cores with every rounding written out, and a specified chain per
//! output as everywhere (`docs/kernel-spec.md`). Driver and compiler are loaded at run time, so a
//! build needs neither, and a machine without them says so.
//!
//! Values live in [`DeviceSlice`]s of 4-byte words. Operators are methods of [`Device`] that check
//! lengths and start work on the device's one queue, in order; only [`Device::read`] waits. A step
//! can be recorded once and replayed ([`Device::record`]). Threads that share a device take turns
//! ([`Device::turn`]).

mod attention;
mod compare;
mod device;
mod elements;
mod error;
mod int8;
mod launch;
mod memory;
mod product;
mod rows;

pub use compare::{compare, compared_operators};
pub use device::Device;
pub use elements::{DeviceAdamW, Mask};
pub use error::DeviceError;
pub use int8::Int8Matrix;
pub use launch::Recording;
pub use memory::{DeviceSlice, Word};
pub use product::{ProductShape, Tile};
