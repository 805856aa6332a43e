//! Distances between many long updates, from sketches.
//!
//! Every coordinate is added, with a random sign, to one of `k` random buckets (Charikar, Chen and
//! Farach-Colton, "Finding frequent items in data streams", 2002; as a projection: Weinberger et al.,
//! "Feature hashing for large scale multitask learning", 2009). With `D` the squared distance of
//! two updates and `E` that of their sketches, `E[E] = D` and `Var[E] <= 2 D^2 / k`, so by Chebyshev's
//! inequality `P(|E - D| > e D) <= 2 / (k e^2)`: for 4,096 buckets a tenth is missed in at most one of
//! twenty pairs, and in practice in one of a million. Buckets and signs follow from the seed, which must be
//! drawn after the updates are fixed: who knows them can hide.
//!
//! Sums have more than 24 bits. They are shifted right, all by as many places, until the largest has 24
//! with its sign, rounded to the nearest, ties to even.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_kernel::Kernel;

use crate::arith::divide;
use crate::distances::Distances;
use crate::error::AggregateError;
use crate::pass::{self, each};
use crate::shape::{MAX_BITS, largest};
use crate::updates::{Rows, Updates};

/// What buckets and signs are drawn for.
const PURPOSE: &str = "aggregate/sketch";

/// Coordinates that are read at once.
const BLOCK: usize = 4096;

impl Distances {
    /// Estimated distances, from sketches of `buckets` sums (a power of two, at most 2^16).
    ///
    /// # Errors
    /// When an update cannot be read, or a value is outside of the range.
    pub fn sketched(
        kernel: &Kernel,
        updates: &dyn Updates,
        buckets: u32,
        seed: &Digest,
    ) -> Result<Distances, AggregateError> {
        let shape = updates.shape();
        let mask = buckets.next_power_of_two().min(1 << 16) - 1;
        let length = mask as usize + 1;
        let mut sums = vec![0i64; shape.updates() * length];
        let mut stream = Stream::new(*seed, PURPOSE, 0);
        for first in (0..shape.coordinates()).step_by(BLOCK) {
            let width = BLOCK.min(shape.coordinates() - first);
            let words: Vec<u32> = (0..width).map(|_| word(&mut stream)).collect();
            let add = |(update, sums): (usize, &mut [i64])| {
                let mut values = vec![0; width];
                pass::read(updates, update, first, &mut values)?;
                for (word, value) in words.iter().zip(values) {
                    let signed = if word >> 31 == 1 { -value } else { value };
                    if let Some(sum) = sums.get_mut((word & mask) as usize) {
                        *sum += i64::from(signed);
                    }
                }
                Ok(())
            };
            each(kernel, sums.chunks_mut(length).enumerate().collect(), add)?;
        }
        let top = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0);
        let limit = largest(MAX_BITS);
        let mut shift = 0;
        while rounded(top as i64, shift) > i64::from(limit) {
            shift += 1;
        }
        let shrink = |sums: &[i64]| sums.iter().map(|sum| rounded(*sum, shift) as i32).collect();
        let rows: Vec<Vec<i32>> = sums.chunks(length).map(shrink).collect();
        drop(sums);
        let rows = Rows::new(&rows, MAX_BITS)?;
        Ok(Distances::exact(kernel, &rows)?.shifted(2 * shift))
    }
}

fn rounded(sum: i64, shift: u32) -> i64 {
    divide(sum, 1 << shift)
}

fn word(stream: &mut Stream) -> u32 {
    let mut bytes = [0; 4];
    stream.fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
