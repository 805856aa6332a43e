//! One pass over all updates, block by block of coordinates.
//!
//! Every rule is made of passes. A block is read, one value for each of its coordinates is made, and one
//! number for each update is counted; numbers are integers, so it does not matter which thread
//! adds which block.

use std::ops::Range;

use assay_kernel::{Kernel, SORT_WIDTH};
use rayon::prelude::*;

use crate::error::AggregateError;
use crate::updates::Updates;

/// Values of a block, about: a quarter of a megabyte stays near the processor.
const BLOCK: usize = 1 << 16;

/// The most coordinates of a block, of which squared distances fit in 60 bits.
const WIDEST: usize = 4096;

/// Coordinates of a block of `n` updates.
pub(crate) fn width(updates: usize) -> usize {
    let fitting = BLOCK / updates.max(1) / SORT_WIDTH * SORT_WIDTH;
    fitting.clamp(SORT_WIDTH, WIDEST)
}

/// Coordinates of every update.
pub(crate) struct Block<'a> {
    /// Which.
    pub(crate) coordinates: Range<usize>,
    values: &'a [i32],
    largest: i32,
}

impl<'a> Block<'a> {
    /// The largest magnitude of a value.
    pub(crate) fn largest(&self) -> i64 {
        i64::from(self.largest)
    }

    /// The values of one update.
    pub(crate) fn row(&self, update: usize) -> &'a [i32] {
        let width = self.coordinates.len();
        self.values
            .get(update * width..(update + 1) * width)
            .unwrap_or_default()
    }

    /// The values of all updates, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [i32]> {
        self.values.chunks_exact(self.coordinates.len().max(1))
    }
}

/// Makes a value for every coordinate, and counts a number for every update. `make` gets a block, the
/// values to make, as they were before, and what to add for each update: below 2^62 in each block.
///
/// # Errors
/// When a block cannot be read, or a value is outside of the range.
pub(crate) fn pass(
    kernel: &Kernel,
    updates: &dyn Updates,
    out: &mut [i32],
    make: impl Fn(&Block<'_>, &mut [i32], &mut [i64]) + Sync,
) -> Result<Vec<i128>, AggregateError> {
    let count = updates.shape().updates();
    let width = width(count);
    let block = |room: &mut Room, (at, out): (usize, &mut [i32])| {
        let first = at * width;
        let coordinates = first..first + out.len();
        let values = room.values.get_mut(..count * out.len()).unwrap_or_default();
        fill(updates, first, out.len(), values)?;
        room.counts.fill(0);
        let block = Block {
            coordinates,
            values,
            largest: updates.shape().largest(),
        };
        make(&block, out, &mut room.counts);
        for (total, count) in room.totals.iter_mut().zip(&room.counts) {
            *total += i128::from(*count);
        }
        Ok::<(), AggregateError>(())
    };
    // As many parts as threads, each with one room, so that memory follows from the threads.
    let each_part = out.len().div_ceil(width).div_ceil(kernel.threads()).max(1);
    let part = |(part, out): (usize, &mut [i32])| {
        let mut room = Room::new(count, width);
        let blocks = out.chunks_mut(width).enumerate();
        let mut blocks = blocks.map(|(at, out)| (part * each_part + at, out));
        blocks.try_for_each(|part| block(&mut room, part))?;
        Ok(room.totals)
    };
    let parts = out.chunks_mut(each_part * width).enumerate().collect();
    let mut totals = vec![0; count];
    for part in each(kernel, parts, part)? {
        for (total, more) in totals.iter_mut().zip(part) {
            *total += more;
        }
    }
    Ok(totals)
}

/// Calls `work` with every item on the kernel's threads; of several errors the one of the first item.
pub(crate) fn each<T: Send, R: Send>(
    kernel: &Kernel,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, AggregateError> + Sync + Send,
) -> Result<Vec<R>, AggregateError> {
    if kernel.threads() == 1 || items.len() == 1 {
        return items.into_iter().map(work).collect();
    }
    let done: Vec<Result<R, AggregateError>> =
        kernel.run(|| items.into_par_iter().map(work).collect());
    done.into_iter().collect()
}

/// What a thread works in.
struct Room {
    values: Vec<i32>,
    counts: Vec<i64>,
    totals: Vec<i128>,
}

impl Room {
    fn new(updates: usize, width: usize) -> Room {
        Room {
            values: vec![0; updates * width],
            counts: vec![0; updates],
            totals: vec![0; updates],
        }
    }
}

/// Reads a block and checks its values.
pub(crate) fn fill(
    updates: &dyn Updates,
    first: usize,
    width: usize,
    out: &mut [i32],
) -> Result<(), AggregateError> {
    updates.read_block(first, width, out)?;
    for (update, row) in out.chunks_exact(width.max(1)).enumerate() {
        check(updates, update, first, row)?;
    }
    Ok(())
}

/// Reads a part of one update and checks its values.
pub(crate) fn read(
    updates: &dyn Updates,
    update: usize,
    first: usize,
    out: &mut [i32],
) -> Result<(), AggregateError> {
    updates.read(update, first, out)?;
    check(updates, update, first, out)
}

fn check(
    updates: &dyn Updates,
    update: usize,
    first: usize,
    row: &[i32],
) -> Result<(), AggregateError> {
    let largest = updates.shape().largest();
    // Both ends in one comparison, for all values at once.
    let far = |value: &i32| u32::from(value.wrapping_add(largest) as u32 > 2 * largest as u32);
    if row.iter().map(far).fold(0, |all, one| all | one) == 0 {
        return Ok(());
    }
    let at = row.iter().position(|value| far(value) == 1).unwrap_or(0);
    Err(AggregateError::OutOfRange {
        update,
        coordinate: first + at,
        value: row.get(at).copied().unwrap_or(0),
        largest,
    })
}
