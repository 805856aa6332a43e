//! Buffers that each thread keeps between calls.

use std::cell::RefCell;

/// One cache line, so that buffers start on one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; 16]);

/// A growable f32 buffer that starts on a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Vec<Line>);

impl Buffer {
    /// A zeroed buffer of at least `len` values.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![Line([0.0; 16]); len.div_ceil(16)])
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        self.0.as_flattened_lines()
    }

    /// At least `len` values, of no particular content.
    pub(crate) fn take(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; 16]));
        }
        &mut self.0.as_flattened_lines_mut()[..len]
    }

    /// The whole buffer as bytes.
    pub(crate) fn as_bytes(&self) -> &[i8] {
        let values = self.as_slice();
        // SAFETY: four bytes a value, every bit pattern is an i8, and bytes need no alignment.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), 4 * values.len()) }
    }

    /// At least `len` bytes, of no particular content.
    pub(crate) fn take_bytes(&mut self, len: usize) -> &mut [i8] {
        let values = self.take(len.div_ceil(4));
        // SAFETY: as in `as_bytes`; every bit pattern is an f32 as well, the borrow is exclusive, and
        // there are at least `len` bytes.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
    }
}

/// Lines seen as one slice of values.
trait Flatten {
    fn as_flattened_lines(&self) -> &[f32];
    fn as_flattened_lines_mut(&mut self) -> &mut [f32];
}

impl Flatten for [Line] {
    fn as_flattened_lines(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` over sixteen f32 without padding (its size is its
        // alignment), so n lines are 16 n consecutive values.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len() * 16) }
    }
    fn as_flattened_lines_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * 16) }
    }
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
