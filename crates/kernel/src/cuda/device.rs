//! A device and its compiled operators.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::sys::CUfunction_attribute_enum;
use cudarc::driver::{CudaContext, CudaFunction, CudaStream};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

use super::error::DeviceError;
use super::launch::PLAIN_SHARED;
use super::memory::DeviceSlice;
use super::{int8, product};

/// The kernels' text, in order of use.
const TEXT: [&str; 6] = [
    include_str!("text/common.cu"),
    include_str!("text/product.cu"),
    include_str!("text/rows.cu"),
    include_str!("text/int8.cu"),
    include_str!("text/elements.cu"),
    include_str!("text/attention.cu"),
];

/// Kernels without shared memory of a chosen size.
const PLAIN: [&str; 37] = [
    "thin_rows",
    "thin_any",
    "thin_fold",
    "transpose",
    "rmsnorm",
    "rmsnorm_backward",
    "row_norms",
    "causal_softmax",
    "causal_score_gradient",
    "count_labels",
    "cross_entropy",
    "sum",
    "sum_squares",
    "column_sums",
    "column_dots",
    "norm_weight_gradient",
    "quantize_rows",
    "embedding",
    "embedding_backward",
    "add_bias",
    "add_assign",
    "divide",
    "scale",
    "scale_by",
    "scale_columns",
    "round_bf16",
    "rope",
    "silu_mul",
    "silu_mul_backward",
    "clip_factor",
    "next_powers",
    "adamw",
    "dropout",
    "find_fault",
    "attention_scores",
    "attention_rows",
    "attention_columns",
];

/// Every kernel with the shared memory it is started with, in bytes.
fn kernels() -> impl Iterator<Item = (&'static str, u32)> {
    let plain = PLAIN.into_iter().map(|name| (name, 0));
    plain.chain(product::functions()).chain(int8::functions())
}

/// The oldest compute capability whose instructions the kernels use (asynchronous copies, integer
/// tensor cores, warp reductions).
const OLDEST: (i32, i32) = (8, 0);

/// The devices that were opened; opening one again would compile everything again.
static OPEN: Mutex<Vec<Device>> = Mutex::new(Vec::new());

/// A CUDA device with the compiled operators. A cheap handle.
#[derive(Clone)]
pub struct Device(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) stream: Arc<CudaStream>,
    /// The queue that takes what is recorded; it never runs anything.
    pub(super) recorder: Arc<CudaStream>,
    pub(super) recording: AtomicBool,
    pub(super) turn: Mutex<()>,
    pub(super) functions: HashMap<&'static str, CudaFunction>,
    pub(super) name: String,
    pub(super) ordinal: usize,
    pub(super) processors: u32,
    /// One word, for what an operator passes to the next.
    pub(super) count: DeviceSlice,
}

impl Device {
    /// Opens a device by its number and compiles the operators for it, which takes some seconds the
    /// first time. A device stays open.
    ///
    /// # Errors
    /// [`DeviceError`] says what is missing: the driver, the compiler library, or the device.
    pub fn open(ordinal: usize) -> Result<Self, DeviceError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = open.iter().find(|device| device.ordinal() == ordinal) {
            return Ok(device.clone());
        }
        let device = Self::start(ordinal)?;
        open.push(device.clone());
        Ok(device)
    }

    fn start(ordinal: usize) -> Result<Self, DeviceError> {
        // SAFETY: these look for a library file by name and load it; the libraries' start-up code
        // is NVIDIA's.
        let (driver, compiler) = unsafe {
            (
                cudarc::driver::sys::is_culib_present(),
                cudarc::nvrtc::sys::is_culib_present(),
            )
        };
        if !driver {
            return Err(DeviceError::NoDriver);
        }
        let devices = CudaContext::device_count().map_err(DeviceError::driver("start"))?;
        if usize::try_from(devices).is_ok_and(|devices| ordinal >= devices) || devices < 1 {
            return Err(DeviceError::NoDevice { ordinal, devices });
        }
        if !compiler {
            return Err(DeviceError::NoCompiler);
        }
        let context = CudaContext::new(ordinal).map_err(DeviceError::driver("open the device"))?;
        let ask = DeviceError::driver("ask about the device");
        let name = context.name().map_err(ask)?;
        let ask = DeviceError::driver("ask about the device");
        let (major, minor) = context.compute_capability().map_err(ask)?;
        if (major, minor) < OLDEST {
            return Err(DeviceError::TooOld { name, major, minor });
        }
        // SAFETY: all work goes to the one queue below, so nothing has to wait for events.
        unsafe { context.disable_event_tracking() };
        let queue = || {
            context
                .new_stream()
                .map_err(DeviceError::driver("make a queue"))
        };
        let (stream, recorder) = (queue()?, queue()?);
        let attribute =
            cudarc::driver::sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let ask = DeviceError::driver("ask about the device");
        let processors = context.attribute(attribute).map_err(ask)?.max(1) as u32;
        let options = CompileOptions {
            fmad: Some(false),
            ftz: Some(false),
            prec_div: Some(true),
            prec_sqrt: Some(true),
            options: vec![
                format!("--gpu-architecture=compute_{major}{minor}"),
                "--std=c++17".into(),
            ],
            name: Some("assay.cu".into()),
            ..CompileOptions::default()
        };
        let text = compile_ptx_with_opts(TEXT.concat(), options)
            .map_err(|error| DeviceError::Compile(format!("{error:?}")))?;
        let module = context
            .load_module(text)
            .map_err(DeviceError::driver("load the kernels"))?;
        let mut functions = HashMap::new();
        for (function, shared) in kernels() {
            let found = module
                .load_function(function)
                .map_err(DeviceError::driver(function))?;
            if shared > PLAIN_SHARED {
                let attribute =
                    CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                found
                    .set_attribute(attribute, shared as i32)
                    .map_err(DeviceError::driver("reserve shared memory"))?;
            }
            functions.insert(function, found);
        }
        let count = DeviceSlice::new(&stream, 1)?;
        Ok(Self(Arc::new(Inner {
            stream,
            recorder,
            recording: AtomicBool::new(false),
            turn: Mutex::new(()),
            functions,
            name,
            ordinal,
            processors,
            count,
        })))
    }

    /// Waits until no other thread has the device. Whoever starts several operators that belong
    /// together, or records them, holds the guard meanwhile.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue that operators go to.
    pub(super) fn queue(&self) -> &Arc<CudaStream> {
        match self.0.recording.load(Ordering::Acquire) {
            true => &self.0.recorder,
            false => &self.0.stream,
        }
    }

    /// Its name, as the driver gives it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its number.
    pub fn ordinal(&self) -> usize {
        self.0.ordinal
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cuda:{} ({})", self.0.ordinal, self.0.name)
    }
}
