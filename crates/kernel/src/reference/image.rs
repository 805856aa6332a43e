//! Small images: patches of 3 x 3 pixels for a convolution, and the largest of 2 x 2.
//!
//! `F` is named for the sake of `dispatch!`; nothing here is fused.
#![allow(clippy::extra_unused_type_parameters)]

use crate::arith::Arith;
use crate::shape::ImageShape;

/// Pixels of a patch.
const TAPS: usize = ImageShape::TAPS;

/// The pixel that a patch around `(row, column)` holds at `tap`; none outside the image.
#[inline(always)]
fn neighbour(shape: &ImageShape, row: usize, column: usize, tap: usize) -> Option<usize> {
    let (y, x) = (row + tap / 3, column + tap % 3);
    let inside = y > 0 && x > 0 && y <= shape.height && x <= shape.width;
    inside.then(|| (y - 1) * shape.width + x - 1)
}

/// For every pixel, its patch: `out[pixel, c * 9 + ky * 3 + kx] = x[y + ky - 1, x + kx - 1, c]`, and +0
/// outside the image.
#[inline(always)]
pub(crate) fn patches<F: Arith>(x: &[f32], shape: &ImageShape, out: &mut [f32]) {
    let channels = shape.channels;
    let images = x.chunks_exact(shape.image_len());
    for (x, out) in images.zip(out.chunks_exact_mut(TAPS * shape.image_len())) {
        for (pixel, patch) in out.chunks_exact_mut(TAPS * channels).enumerate() {
            let (row, column) = (pixel / shape.width, pixel % shape.width);
            for tap in 0..TAPS {
                let from = neighbour(shape, row, column, tap);
                for c in 0..channels {
                    let value = from.map_or(0.0, |pixel| x[pixel * channels + c]);
                    patch[c * TAPS + tap] = value;
                }
            }
        }
    }
}

/// The gradient of [`patches`]: for every pixel and channel, `acc = +0`, then `acc = acc + dout` of the
/// patches that hold it, those patches' pixels in ascending order.
#[inline(always)]
pub(crate) fn patches_backward<F: Arith>(dout: &[f32], shape: &ImageShape, dx: &mut [f32]) {
    let channels = shape.channels;
    let images = dout.chunks_exact(TAPS * shape.image_len());
    for (dout, dx) in images.zip(dx.chunks_exact_mut(shape.image_len())) {
        for (pixel, dx) in dx.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (pixel / shape.width, pixel % shape.width);
            dx.fill(0.0);
            for tap in 0..TAPS {
                // The patch of a neighbour holds this pixel at the opposite place.
                let Some(patch) = neighbour(shape, row, column, tap) else {
                    continue;
                };
                let patch = &dout[patch * TAPS * channels..(patch + 1) * TAPS * channels];
                for (c, dx) in dx.iter_mut().enumerate() {
                    *dx += patch[c * TAPS + (TAPS - 1 - tap)];
                }
            }
        }
    }
}

/// The four pixels under one of the pooled image: above left, above right, below left, below right.
#[inline(always)]
fn window(shape: &ImageShape, pooled: usize) -> [usize; 4] {
    let width = shape.width / 2;
    let first = 2 * (pooled / width) * shape.width + 2 * (pooled % width);
    let below = first + shape.width;
    [first, first + 1, below, below + 1]
}

/// Which of the four pixels of a channel is largest: a later one when it is strictly greater.
#[inline(always)]
fn largest(x: &[f32], window: [usize; 4], channels: usize, channel: usize) -> usize {
    let mut best = window[0] * channels + channel;
    for pixel in &window[1..] {
        let other = pixel * channels + channel;
        best = if x[other] > x[best] { other } else { best };
    }
    best
}

/// `out` is the largest of four pixels. A last odd row or column takes no part.
#[inline(always)]
pub(crate) fn max_pool<F: Arith>(x: &[f32], shape: &ImageShape, out: &mut [f32]) {
    let channels = shape.channels;
    let images = x.chunks_exact(shape.image_len());
    for (x, out) in images.zip(out.chunks_exact_mut(shape.pooled().image_len())) {
        for (at, out) in out.chunks_exact_mut(channels).enumerate() {
            let window = window(shape, at);
            for (c, out) in out.iter_mut().enumerate() {
                *out = x[largest(x, window, channels, c)];
            }
        }
    }
}

/// The gradient of [`max_pool`]: `dout` goes to the pixel that was taken, +0 to all others.
#[inline(always)]
pub(crate) fn max_pool_backward<F: Arith>(
    dout: &[f32],
    x: &[f32],
    shape: &ImageShape,
    dx: &mut [f32],
) {
    let channels = shape.channels;
    let images = dout.chunks_exact(shape.pooled().image_len());
    let sources = x.chunks_exact(shape.image_len());
    for ((dout, x), dx) in images
        .zip(sources)
        .zip(dx.chunks_exact_mut(shape.image_len()))
    {
        dx.fill(0.0);
        for (at, dout) in dout.chunks_exact(channels).enumerate() {
            let window = window(shape, at);
            for (c, dout) in dout.iter().enumerate() {
                dx[largest(x, window, channels, c)] = *dout;
            }
        }
    }
}
