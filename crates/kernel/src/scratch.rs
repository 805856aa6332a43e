//! Buffers that each thread keeps between calls.

use std::cell::RefCell;

/// Values in a cache line.
const LINE: usize = 16;
/// Values in a large page.
const PAGE: usize = (2 << 20) / size_of::<f32>();

/// A growable f32 buffer that starts on a cache line, a large one on a large page where there are
/// such pages: fewer addresses to translate while a product runs through it.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    values: Vec<f32>,
    /// Where the buffer starts in `values`.
    from: usize,
    len: usize,
}

impl Buffer {
    /// A zeroed buffer of `len` values.
    pub(crate) fn zeroed(len: usize) -> Self {
        let alignment = if len < PAGE { LINE } else { PAGE };
        // Fresh from the system: what nobody touches takes no memory.
        let values = vec![0.0; len + alignment];
        let from = values.as_ptr().align_offset(alignment * size_of::<f32>());
        // An allocator that is not able to say leaves the buffer where it is.
        let from = if from <= alignment { from } else { 0 };
        let buffer = Self { values, from, len };
        want_large_pages(&buffer.as_slice()[..len / PAGE * PAGE]);
        buffer
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        &self.values[self.from..][..self.len]
    }

    /// `len` values, of no particular content.
    pub(crate) fn take(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            *self = Self::zeroed(len);
        }
        &mut self.values[self.from..][..len]
    }

    /// The whole buffer as bytes.
    pub(crate) fn as_bytes(&self) -> &[i8] {
        let values = self.as_slice();
        // SAFETY: four bytes a value, every bit pattern is an i8, and bytes need no alignment.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), 4 * values.len()) }
    }

    /// `len` bytes, of no particular content.
    pub(crate) fn take_bytes(&mut self, len: usize) -> &mut [i8] {
        let values = self.take(len.div_ceil(4));
        // SAFETY: as in `as_bytes`; every bit pattern is an f32 as well, the borrow is exclusive, and
        // there are at least `len` bytes.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.take(self.len).copy_from_slice(self.as_slice());
        copy
    }
}

/// Asks the system for large pages, before the first touch; it may decline.
fn want_large_pages(values: &[f32]) {
    #[cfg(target_os = "linux")]
    if !values.is_empty() {
        use rustix::mm::{Advice, madvise};
        let (start, bytes) = (values.as_ptr().cast_mut().cast(), size_of_val(values));
        // SAFETY: the advice changes no content, and the range is allocated.
        let _declined = unsafe { madvise(start, bytes, Advice::LinuxHugepage) };
    }
    let _ = values;
}

thread_local! {
    static SPARE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` a buffer of `len` values of no particular content; it may ask for more inside.
pub(crate) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    with_buffer(|buffer| body(buffer.take(len)))
}

/// [`with_scratch`] for bytes.
pub(crate) fn with_bytes<R>(len: usize, body: impl FnOnce(&mut [i8]) -> R) -> R {
    with_buffer(|buffer| body(buffer.take_bytes(len)))
}

fn with_buffer<R>(body: impl FnOnce(&mut Buffer) -> R) -> R {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = body(&mut buffer);
    SPARE.with_borrow_mut(|spare| spare.push(buffer));
    result
}
