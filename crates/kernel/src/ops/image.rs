//! Patches and pools of small images.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::reference::image;
use crate::shape::ImageShape;

/// Work units of a value that is moved.
const MOVE_COST: usize = 8;

impl Kernel {
    /// For every pixel of `x` the 3 x 3 pixels around it, `9 * channels` values a row of `out`, channel by
    /// channel and in each from the upper left to the lower right; +0 outside the image. The product of
    /// these rows with a kernel's weights is a convolution of stride 1 and padding 1.
    ///
    /// # Panics
    /// If the lengths are not those of the shape.
    pub fn patches(&self, x: &[f32], shape: ImageShape, out: &mut [f32]) {
        let (len, wide) = (shape.image_len(), ImageShape::TAPS * shape.image_len());
        expect_len("x", x.len(), shape.images * len);
        expect_len("out", out.len(), shape.images * wide);
        if len == 0 {
            return;
        }
        let cost = MOVE_COST * wide;
        self.for_rows(shape.images, cost, [wide], [out], |r, [out]| {
            let (x, shape) = (&x[r.start * len..r.end * len], &shape);
            dispatch!(self.path, image::patches(x: &[f32], shape: &ImageShape, out: &mut [f32]));
        });
    }

    /// The gradient of [`Kernel::patches`], overwritten.
    ///
    /// # Panics
    /// If the lengths are not those of the shape.
    pub fn patches_backward(&self, dout: &[f32], shape: ImageShape, dx: &mut [f32]) {
        let (len, wide) = (shape.image_len(), ImageShape::TAPS * shape.image_len());
        expect_len("dout", dout.len(), shape.images * wide);
        expect_len("dx", dx.len(), shape.images * len);
        if len == 0 {
            return;
        }
        let cost = MOVE_COST * wide;
        self.for_rows(shape.images, cost, [len], [dx], |r, [dx]| {
            let (dout, shape) = (&dout[r.start * wide..r.end * wide], &shape);
            dispatch!(
                self.path,
                image::patches_backward(dout: &[f32], shape: &ImageShape, dx: &mut [f32])
            );
        });
    }

    /// The largest of every 2 x 2 pixels, channel by channel: images of [`ImageShape::pooled`]. Of equal
    /// values the first in reading order is taken.
    ///
    /// # Panics
    /// If the lengths are not those of the shapes.
    pub fn max_pool(&self, x: &[f32], shape: ImageShape, out: &mut [f32]) {
        let (len, pooled) = (shape.image_len(), shape.pooled().image_len());
        expect_len("x", x.len(), shape.images * len);
        expect_len("out", out.len(), shape.images * pooled);
        if pooled == 0 {
            return;
        }
        self.for_rows(
            shape.images,
            MOVE_COST * len,
            [pooled],
            [out],
            |r, [out]| {
                let (x, shape) = (&x[r.start * len..r.end * len], &shape);
                dispatch!(self.path, image::max_pool(x: &[f32], shape: &ImageShape, out: &mut [f32]));
            },
        );
    }

    /// The gradient of [`Kernel::max_pool`], overwritten.
    ///
    /// # Panics
    /// If the lengths are not those of the shapes.
    pub fn max_pool_backward(&self, dout: &[f32], x: &[f32], shape: ImageShape, dx: &mut [f32]) {
        let (len, pooled) = (shape.image_len(), shape.pooled().image_len());
        expect_len("dout", dout.len(), shape.images * pooled);
        expect_len("x", x.len(), shape.images * len);
        expect_len("dx", dx.len(), shape.images * len);
        if pooled == 0 {
            return dx.fill(0.0);
        }
        self.for_rows(shape.images, MOVE_COST * len, [len], [dx], |r, [dx]| {
            let dout = &dout[r.start * pooled..r.end * pooled];
            let (x, shape) = (&x[r.start * len..r.end * len], &shape);
            dispatch!(
                self.path,
                image::max_pool_backward(
                    dout: &[f32],
                    x: &[f32],
                    shape: &ImageShape,
                    dx: &mut [f32],
                )
            );
        });
    }
}
