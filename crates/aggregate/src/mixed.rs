//! Nearest-neighbour mixing: every update becomes the mean of the `n - f` updates nearest to it, itself
//! included (Allouah et al., "Fixing by mixing: a recipe for optimal Byzantine ML under heterogeneity",
//! 2023, algorithm 2). Each coordinate is rounded to the nearest integer, ties to even.
//!
//! The mixtures are never held: a block of them is made when a rule reads it, from the sum of all updates
//! less those that are far, or from the near ones where these are fewer.

use assay_kernel::Kernel;

use crate::arith::{Divisor, mean};
use crate::distances::Distances;
use crate::error::AggregateError;
use crate::krum::Neighbours;
use crate::shape::Shape;
use crate::updates::Updates;

/// Updates, each mixed with its neighbours.
pub(crate) struct Mixed<'a> {
    kernel: &'a Kernel,
    inner: &'a dyn Updates,
    /// For each update the `n - f` nearest, itself first.
    near: Vec<Vec<u32>>,
    /// For each the others.
    far: Vec<Vec<u32>>,
}

impl<'a> Mixed<'a> {
    /// Mixes each update with all but the `liars` farthest.
    pub(crate) fn new(
        kernel: &'a Kernel,
        inner: &'a dyn Updates,
        distances: &Distances,
        liars: usize,
    ) -> Mixed<'a> {
        let count = distances.count();
        let neighbours = Neighbours::new(distances);
        let split = |update: usize| {
            let mut order = vec![update as u32];
            order.extend(neighbours.of(update).map(|j| j as u32));
            let far = order.split_off(count - liars.min(count - 1));
            (order, far)
        };
        let (near, far) = (0..count).map(split).unzip();
        Mixed {
            kernel,
            inner,
            near,
            far,
        }
    }

    /// How many of the others left an update out.
    pub(crate) fn left_out_by(&self, update: usize) -> u32 {
        let holds = |far: &&Vec<u32>| far.contains(&(update as u32));
        self.far.iter().filter(holds).count() as u32
    }

    fn kept(&self) -> i64 {
        self.near.first().map_or(1, Vec::len) as i64
    }

    /// Whether sums of all updates can be divided in 32 bits.
    fn narrow(&self) -> bool {
        let shape = self.shape();
        shape.updates() as i64 * i64::from(shape.largest()) <= Divisor::REACH
    }
}

impl Updates for Mixed<'_> {
    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        let mut sums = vec![0i64; out.len()];
        let near = self.near.get(update).map(Vec::as_slice).unwrap_or_default();
        for one in near {
            self.inner.read(*one as usize, first, out)?;
            self.kernel.multiply_add_integers(out, 1, &mut sums);
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = mean(sum, self.kept());
        }
        Ok(())
    }

    fn read_block(
        &self,
        first: usize,
        width: usize,
        out: &mut [i32],
    ) -> Result<(), AggregateError> {
        let mut values = vec![0; out.len()];
        self.inner.read_block(first, width, &mut values)?;
        let row = |update: usize| {
            values
                .get(update * width..(update + 1) * width)
                .unwrap_or_default()
        };
        let all = self
            .far
            .first()
            .is_some_and(|far| (far.len() as i64) < self.kept());
        let lists = if all { &self.far } else { &self.near };
        let sign = if all { -1 } else { 1 };
        if self.narrow() {
            let divisor = Divisor::new(self.kept() as usize);
            let mut total = vec![0i32; width];
            for update in (0..self.near.len()).filter(|_| all) {
                self.kernel.add_integers(row(update), &mut total);
            }
            for (out, list) in out.chunks_exact_mut(width.max(1)).zip(lists) {
                out.copy_from_slice(&total);
                for other in list {
                    match sign {
                        1 => self.kernel.add_integers(row(*other as usize), out),
                        _ => self.kernel.subtract_integers(row(*other as usize), out),
                    }
                }
                for value in out {
                    *value = divisor.mean(*value);
                }
            }
            return Ok(());
        }
        let mut total = vec![0i64; width];
        for update in (0..self.near.len()).filter(|_| all) {
            self.kernel
                .multiply_add_integers(row(update), 1, &mut total);
        }
        let mut sums = vec![0i64; width];
        for (out, list) in out.chunks_exact_mut(width.max(1)).zip(lists) {
            sums.copy_from_slice(&total);
            for other in list {
                self.kernel
                    .multiply_add_integers(row(*other as usize), sign, &mut sums);
            }
            for (value, sum) in out.iter_mut().zip(&sums) {
                *value = mean(*sum, self.kept());
            }
        }
        Ok(())
    }
}
