//! Starting kernels, and recording them.

use std::sync::atomic::Ordering;

use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, LaunchConfig, PushKernelArg, result};

use super::device::Device;
use super::error::DeviceError;
use super::memory::DeviceSlice;

/// Bytes of shared memory that a kernel may use without asking.
pub(super) const PLAIN_SHARED: u32 = 48 * 1024;

/// An argument of a kernel.
pub(super) enum Argument {
    Pointer(u64),
    Int(i32),
    Word(u32),
    Long(i64),
    Float(f32),
}

impl From<&DeviceSlice> for Argument {
    fn from(slice: &DeviceSlice) -> Self {
        Self::Pointer(slice.pointer())
    }
}

/// No values: a null pointer.
impl From<Option<&DeviceSlice>> for Argument {
    fn from(slice: Option<&DeviceSlice>) -> Self {
        Self::Pointer(slice.map_or(0, DeviceSlice::pointer))
    }
}

impl From<i32> for Argument {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Argument {
    fn from(value: u32) -> Self {
        Self::Word(value)
    }
}

impl From<i64> for Argument {
    fn from(value: i64) -> Self {
        Self::Long(value)
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

/// How many threads start, and with how much shared memory.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 2],
    pub(super) shared: u32,
}

impl Threads {
    pub(super) fn new(grid: [u32; 3], block: [u32; 2]) -> Self {
        Self {
            grid,
            block,
            shared: 0,
        }
    }

    /// A warp for each of so many rows.
    pub(super) fn warps(rows: usize) -> Self {
        Self::new([rows.div_ceil(8) as u32, 1, 1], [256, 1])
    }
}

/// Checks a length that the caller is responsible for.
#[track_caller]
pub(super) fn expect_len(name: &str, found: usize, wanted: usize) {
    assert!(
        found == wanted,
        "{name} holds {found} words, the shape asks for {wanted}"
    );
}

/// A size as kernels take it.
///
/// # Panics
/// If it is larger than the graph's limit on tensors, 2^31 - 1.
#[track_caller]
pub(super) fn int(size: usize) -> i32 {
    let fits = i32::try_from(size);
    assert!(fits.is_ok(), "{size} is more than a tensor may hold");
    fits.unwrap_or(i32::MAX)
}

/// A list of arguments.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => {
        &[$(crate::cuda::launch::Argument::from($argument)),*]
    };
}
pub(super) use arguments;

impl Device {
    /// Starts a kernel.
    pub(super) fn launch(
        &self,
        name: &'static str,
        threads: Threads,
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        if threads.grid.contains(&0) {
            return Ok(());
        }
        let function = &self.0.functions[name];
        let mut launch = self.queue().launch_builder(function);
        for argument in arguments {
            match argument {
                Argument::Pointer(value) => launch.arg(value),
                Argument::Int(value) => launch.arg(value),
                Argument::Word(value) => launch.arg(value),
                Argument::Long(value) => launch.arg(value),
                Argument::Float(value) => launch.arg(value),
            };
        }
        let [x, y, z] = threads.grid;
        let [wide, high] = threads.block;
        let config = LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (wide, high, 1),
            shared_mem_bytes: threads.shared,
        };
        // SAFETY: the operators, the only callers, pass what their kernel's text declares, after
        // they have checked every slice's length against the shape; kernels stay inside it. All
        // work runs in order on one queue, and slices keep their memory until it is done, since
        // freeing goes through the same queue.
        unsafe { launch.launch(config) }
            .map(drop)
            .map_err(DeviceError::driver(name))
    }

    /// Threads for an operator on single elements.
    pub(super) fn elements(&self, count: usize) -> Threads {
        let most = self.0.processors * 16;
        let blocks = u32::try_from(count.div_ceil(256)).map_or(most, |blocks| blocks.min(most));
        Threads::new([blocks, 1, 1], [256, 1])
    }

    /// Records the operators that `work` starts instead of running them. The caller has the
    /// device's turn.
    ///
    /// # Errors
    /// What `work` gives, or when the driver refuses; nothing is recorded then.
    pub fn record<E: From<DeviceError>>(
        &self,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Recording, E> {
        let failed = DeviceError::driver("record a step");
        let recorder = &self.0.recorder;
        recorder
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(&failed)?;
        self.0.recording.store(true, Ordering::Release);
        let worked = work();
        self.0.recording.store(false, Ordering::Release);
        let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let ended = recorder.end_capture(flags).map_err(&failed);
        worked?;
        Ok(Recording(ended?))
    }

    /// Runs a recording, in order with what was started before. What it reads and writes must still
    /// be there.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        let Some(graph) = &recording.0 else {
            return Ok(());
        };
        let failed = DeviceError::driver("replay a step");
        self.bind(&failed)?;
        // SAFETY: the graph is whole and belongs to this context; its operators' slices are kept by
        // whoever keeps the recording.
        unsafe { result::graph::launch(graph.cu_graph_exec(), self.0.stream.cu_stream()) }
            .map_err(failed)
    }
}

/// Operators that were recorded.
pub struct Recording(Option<CudaGraph>);

// SAFETY: a graph may be used by one thread at a time; `Recording` is not `Sync`, and
// `Device::replay` binds the context to whichever thread uses it.
unsafe impl Send for Recording {}
