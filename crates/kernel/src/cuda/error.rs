//! What can go wrong with a device.

use cudarc::driver::DriverError;

/// Why a device cannot be used, or stopped working.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No driver.
    #[error(
        "no CUDA device was found: the NVIDIA driver (libcuda) is not installed; leave ASSAY_DEVICE \
         unset to compute on the processor"
    )]
    NoDriver,
    /// No such device.
    #[error(
        "no CUDA device {ordinal} was found, the driver knows {devices}; use ASSAY_DEVICE=cuda:N with N below that"
    )]
    NoDevice {
        /// The number asked for.
        ordinal: usize,
        /// How many there are.
        devices: i32,
    },
    /// No compiler library.
    #[error(
        "the CUDA compiler library (libnvrtc) was not found; install the CUDA toolkit and put its \
         lib64 folder on LD_LIBRARY_PATH"
    )]
    NoCompiler,
    /// A device from before 2020.
    #[error("{name} has compute capability {major}.{minor}; 8.0 or newer is needed")]
    TooOld {
        /// Its name.
        name: String,
        /// Its capability.
        major: i32,
        /// Its capability.
        minor: i32,
    },
    /// The kernels do not compile there.
    #[error("the kernels do not compile for this device: {0}")]
    Compile(String),
    /// The device has too little memory left.
    #[error(
        "the device has no {bytes} bytes left; lower batch_size or sequence_length, or set gradient_checkpointing"
    )]
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// An operator gives other bits than the processor.
    #[error("operator {0} gives wrong bits on this device; it must not train or audit")]
    WrongBits(&'static str),
    /// The driver refused something.
    #[error("the device could not {what}")]
    Driver {
        /// What was tried.
        what: &'static str,
        /// What the driver said.
        #[source]
        source: DriverError,
    },
}

impl DeviceError {
    /// Names what was tried.
    pub(super) fn driver(what: &'static str) -> impl Fn(DriverError) -> Self {
        move |source| Self::Driver { what, source }
    }
}
