//! Memory of a device.

use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::device::Device;
use super::error::DeviceError;

/// Slices start at multiples of so many words, so that rows can be read 16 bytes at a time.
pub(super) const ALIGNED: usize = 64;

/// Consecutive 4-byte words in a device's memory: floats, or integers. A cheap handle; the memory is
/// given back with the last one.
#[derive(Clone)]
pub struct DeviceSlice {
    /// Holds the memory; `None` for no words at all.
    memory: Option<Arc<CudaSlice<u32>>>,
    pointer: CUdeviceptr,
    /// Words of the memory before these.
    start: usize,
    len: usize,
}

impl DeviceSlice {
    /// Words of value zero.
    pub(super) fn new(stream: &Arc<CudaStream>, len: usize) -> Result<Self, DeviceError> {
        if len == 0 {
            return Ok(Self {
                memory: None,
                pointer: 0,
                start: 0,
                len: 0,
            });
        }
        let memory = stream.alloc_zeros::<u32>(len).map_err(|source| {
            let out = cudarc::driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY;
            match source.0 == out {
                true => DeviceError::OutOfMemory {
                    bytes: len as u64 * 4,
                },
                false => DeviceError::Driver {
                    what: "reserve memory",
                    source,
                },
            }
        })?;
        let pointer = memory.device_ptr(stream).0;
        Ok(Self {
            memory: Some(Arc::new(memory)),
            pointer,
            start: 0,
            len,
        })
    }

    /// How many words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Some of the words.
    ///
    /// # Panics
    /// If they are not all there.
    #[must_use]
    pub fn part(&self, start: usize, len: usize) -> Self {
        let fits = start.checked_add(len).is_some_and(|end| end <= self.len);
        assert!(fits, "words {start}.. of {len} lie outside of {}", self.len);
        Self {
            memory: self.memory.clone(),
            pointer: self.pointer + start as u64 * 4,
            start: self.start + start,
            len,
        }
    }

    /// The first words.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn first(&self, len: usize) -> Self {
        self.part(0, len)
    }

    /// How many words after another slice of the same memory this one starts.
    ///
    /// # Panics
    /// If it does not lie behind it.
    pub fn words_after(&self, first: &Self) -> usize {
        let same = match (&self.memory, &first.memory) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        assert!(
            same && self.pointer >= first.pointer,
            "slices of different memory"
        );
        ((self.pointer - first.pointer) / 4) as usize
    }

    /// So many words of the same memory from where this slice starts.
    ///
    /// # Panics
    /// If the memory ends before.
    #[must_use]
    pub fn extended(&self, len: usize) -> Self {
        let fits = match &self.memory {
            None => len == 0,
            Some(memory) => self.start + len <= memory.len(),
        };
        assert!(fits, "{len} words reach beyond the memory");
        Self {
            len,
            ..self.clone()
        }
    }

    /// Where they lie.
    pub(super) fn pointer(&self) -> CUdeviceptr {
        self.pointer
    }

    /// Whether both start at the same word.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.pointer == other.pointer && self.memory.is_some() == other.memory.is_some()
    }
}

impl std::fmt::Debug for DeviceSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceSlice({} words)", self.len)
    }
}

/// A kind of 4-byte word that can be copied to a device and back.
pub trait Word: Copy + private::Sealed {}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u32 {}
    impl Sealed for i32 {}
}

impl Word for f32 {}
impl Word for u32 {}
impl Word for i32 {}

impl Device {
    /// Words of value zero.
    ///
    /// # Errors
    /// When the device has too little memory.
    pub fn reserve(&self, len: usize) -> Result<DeviceSlice, DeviceError> {
        DeviceSlice::new(&self.0.stream, len)
    }

    /// Several slices in one piece of memory, in order.
    ///
    /// # Errors
    /// When the device has too little memory.
    pub fn reserve_all(&self, sizes: &[usize]) -> Result<Vec<DeviceSlice>, DeviceError> {
        let padded = |len: usize| len.next_multiple_of(ALIGNED);
        let all = self.reserve(sizes.iter().map(|len| padded(*len)).sum())?;
        let mut start = 0;
        let slice = |len: &usize| {
            let slice = all.part(start, *len);
            start += padded(*len);
            slice
        };
        Ok(sizes.iter().map(slice).collect())
    }

    /// Words in new memory.
    ///
    /// # Errors
    /// As [`Device::reserve`].
    pub fn upload<W: Word>(&self, words: &[W]) -> Result<DeviceSlice, DeviceError> {
        let slice = self.reserve(words.len())?;
        self.write(&slice, words)?;
        Ok(slice)
    }

    /// Copies words to the device.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn write<W: Word>(&self, to: &DeviceSlice, words: &[W]) -> Result<(), DeviceError> {
        super::launch::expect_len("words", words.len(), to.len);
        if words.is_empty() {
            return Ok(());
        }
        let failed = DeviceError::driver("take values");
        self.bind(&failed)?;
        // SAFETY: `to` lies in live memory of this many words. The driver has copied pageable
        // memory when the call returns.
        unsafe { result::memcpy_htod_async(to.pointer, words, self.0.stream.cu_stream()) }
            .map_err(failed)
    }

    /// Copies words back, after all work started before.
    ///
    /// # Errors
    /// When the driver refuses, or work started before failed.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn read<W: Word>(&self, from: &DeviceSlice, words: &mut [W]) -> Result<(), DeviceError> {
        super::launch::expect_len("words", words.len(), from.len);
        if words.is_empty() {
            return Ok(());
        }
        let failed = DeviceError::driver("give values back");
        self.bind(&failed)?;
        // SAFETY: `from` lies in live memory of this many words, every word is a valid value, and
        // the queue is waited for before the borrow ends.
        unsafe { result::memcpy_dtoh_async(words, from.pointer, self.0.stream.cu_stream()) }
            .map_err(&failed)?;
        self.0.stream.synchronize().map_err(failed)
    }

    /// Copies words within the device.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy(&self, from: &DeviceSlice, to: &DeviceSlice) -> Result<(), DeviceError> {
        super::launch::expect_len("words", from.len, to.len);
        if from.is_empty() {
            return Ok(());
        }
        let failed = DeviceError::driver("copy values");
        self.bind(&failed)?;
        let (stream, bytes) = (self.queue().cu_stream(), from.len * 4);
        // SAFETY: both lie in live memory of this many words.
        unsafe { result::memcpy_dtod_async(to.pointer, from.pointer, bytes, stream) }
            .map_err(failed)
    }

    /// Sets words to zero.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn clear(&self, words: &DeviceSlice) -> Result<(), DeviceError> {
        if words.is_empty() {
            return Ok(());
        }
        let failed = DeviceError::driver("clear values");
        self.bind(&failed)?;
        let (stream, bytes) = (self.queue().cu_stream(), words.len * 4);
        // SAFETY: the words lie in live memory.
        unsafe { result::memset_d8_async(words.pointer, 0, bytes, stream) }.map_err(failed)
    }

    /// Waits for all work started before.
    ///
    /// # Errors
    /// When some of it failed.
    pub fn wait(&self) -> Result<(), DeviceError> {
        let failed = DeviceError::driver("finish its work");
        self.0.stream.synchronize().map_err(failed)
    }

    pub(super) fn bind(
        &self,
        failed: &impl Fn(cudarc::driver::DriverError) -> DeviceError,
    ) -> Result<(), DeviceError> {
        self.0.stream.context().bind_to_thread().map_err(failed)
    }
}
