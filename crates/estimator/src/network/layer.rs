//! Layers: what each computes and what goes back through it.

use assay_kernel::{ImageShape, Kernel, MatMut, MatRef, Store};

/// The sizes of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Image {
    pub(crate) fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    fn pixels(self) -> usize {
        self.height * self.width
    }

    fn of(self, images: usize) -> ImageShape {
        ImageShape {
            images,
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }
}

/// One layer, on rows of so many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Images from channel by channel to pixel by pixel; not one of PyTorch's layers.
    Pixels(Image),
    /// `y = W x + b`.
    Dense { inputs: usize, outputs: usize },
    /// `y = max(x, 0)`.
    Relu { len: usize },
    /// A convolution of 3 x 3 pixels with padding 1.
    Conv { image: Image, filters: usize },
    /// The largest of every 2 x 2 pixels.
    Pool(Image),
    /// Images from pixel by pixel to channel by channel.
    Flatten(Image),
}

/// What a layer keeps for its way back, beside its input.
pub(crate) type Kept = Vec<f32>;

impl Layer {
    /// Values of a row that it gives.
    pub(crate) fn outputs(&self) -> usize {
        match *self {
            Self::Pixels(image) | Self::Flatten(image) => image.len(),
            Self::Dense { outputs, .. } => outputs,
            Self::Relu { len } => len,
            Self::Conv { image, filters } => image.pixels() * filters,
            Self::Pool(image) => (image.height / 2) * (image.width / 2) * image.channels,
        }
    }

    /// Numbers that it holds for a row.
    pub(crate) fn held(&self) -> u64 {
        let patches = match *self {
            Self::Conv { image, .. } => ImageShape::TAPS * image.len(),
            _ => 0,
        };
        (self.outputs() + patches) as u64
    }

    /// Whether PyTorch's `Sequential` has it.
    pub(crate) fn is_numbered(&self) -> bool {
        !matches!(self, Self::Pixels(_))
    }

    /// The name of what it computes, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pixels(_) => "pixels",
            Self::Dense { .. } => "dense",
            Self::Relu { .. } => "relu",
            Self::Conv { .. } => "conv",
            Self::Pool(_) => "pool",
            Self::Flatten(_) => "flatten",
        }
    }

    /// Shapes of weight and bias.
    pub(crate) fn shapes(&self) -> Option<[Vec<usize>; 2]> {
        match *self {
            Self::Dense { inputs, outputs } => Some([vec![outputs, inputs], vec![outputs]]),
            Self::Conv { image, filters } => {
                Some([vec![filters, image.channels, 3, 3], vec![filters]])
            }
            _ => None,
        }
    }

    /// Values that one output is made of.
    pub(crate) fn fan_in(&self) -> usize {
        match *self {
            Self::Dense { inputs, .. } => inputs,
            Self::Conv { image, .. } => ImageShape::TAPS * image.channels,
            _ => 0,
        }
    }

    fn fan_out(&self) -> usize {
        match *self {
            Self::Dense { outputs, .. } => outputs,
            Self::Conv { filters, .. } => filters,
            _ => 0,
        }
    }

    /// How many parameters it has.
    pub(crate) fn parameters(&self) -> u64 {
        (self.fan_in() as u64 + 1) * self.fan_out() as u64
    }

    /// Products that are added up for a row.
    pub(crate) fn products(&self) -> u64 {
        let pixels = match *self {
            Self::Conv { image, .. } => image.pixels(),
            _ => 1,
        };
        (pixels * self.fan_in() * self.fan_out()) as u64
    }

    /// Computes `out` from `x`, both of so many rows; `params` are its weight and bias.
    pub(crate) fn forward(
        &self,
        kernel: &Kernel,
        rows: usize,
        params: &[f32],
        x: &[f32],
        out: &mut Vec<f32>,
        kept: &mut Kept,
    ) {
        out.resize(rows * self.outputs(), 0.0);
        match *self {
            Self::Pixels(image) => each(x, out, image, to_pixels),
            Self::Flatten(image) => each(x, out, image, to_channels),
            Self::Relu { .. } => kernel.relu(x, out),
            Self::Pool(image) => kernel.max_pool(x, image.of(rows), out),
            Self::Dense { .. } => self.product(kernel, rows, params, x, out),
            Self::Conv { image, .. } => {
                kept.resize(ImageShape::TAPS * x.len(), 0.0);
                kernel.patches(x, image.of(rows), kept);
                self.product(kernel, rows * image.pixels(), params, kept, out);
            }
        }
    }

    /// `out = x W^T + b`.
    fn product(&self, kernel: &Kernel, rows: usize, params: &[f32], x: &[f32], out: &mut [f32]) {
        let (inputs, outputs) = (self.fan_in(), self.fan_out());
        let (weight, bias) = params.split_at(inputs * outputs);
        kernel.gemm(
            MatRef::row_major(x, rows, inputs),
            MatRef::row_major(weight, outputs, inputs).t(),
            &mut MatMut::row_major(out, rows, outputs),
            Store::Overwrite,
        );
        kernel.add_bias_rows(out, bias);
    }

    /// Computes the gradient `grad` of its parameters, and that of its input if `dx` is given, from that
    /// of its output.
    #[allow(clippy::too_many_arguments)] // a layer's whole surroundings
    pub(crate) fn backward(
        &self,
        kernel: &Kernel,
        rows: usize,
        params: &[f32],
        (x, kept): (&[f32], &mut Kept),
        dy: &[f32],
        grad: &mut [f32],
        dx: Option<&mut Vec<f32>>,
    ) {
        match *self {
            Self::Dense { .. } => self.parameters_backward(kernel, rows, x, dy, grad),
            Self::Conv { image, .. } => {
                self.parameters_backward(kernel, rows * image.pixels(), kept, dy, grad);
            }
            _ => {}
        }
        let Some(dx) = dx else {
            return;
        };
        dx.resize(x.len(), 0.0);
        match *self {
            Self::Pixels(image) => each(dy, dx, image, to_channels),
            Self::Flatten(image) => each(dy, dx, image, to_pixels),
            Self::Relu { .. } => kernel.relu_backward(dy, x, dx),
            Self::Pool(image) => kernel.max_pool_backward(dy, x, image.of(rows), dx),
            Self::Dense { .. } => self.input_backward(kernel, rows, params, dy, dx),
            Self::Conv { image, .. } => {
                // The patches were read for the last time.
                self.input_backward(kernel, rows * image.pixels(), params, dy, kept);
                kernel.patches_backward(kept, image.of(rows), dx);
            }
        }
    }

    /// `dW = dy^T x`, `db` the column sums of `dy`.
    fn parameters_backward(
        &self,
        kernel: &Kernel,
        rows: usize,
        x: &[f32],
        dy: &[f32],
        grad: &mut [f32],
    ) {
        let (inputs, outputs) = (self.fan_in(), self.fan_out());
        let (weight, bias) = grad.split_at_mut(inputs * outputs);
        kernel.gemm(
            MatRef::row_major(dy, rows, outputs).t(),
            MatRef::row_major(x, rows, inputs),
            &mut MatMut::row_major(weight, outputs, inputs),
            Store::Overwrite,
        );
        kernel.column_sums(dy, bias, Store::Overwrite);
    }

    /// `dx = dy W`.
    fn input_backward(
        &self,
        kernel: &Kernel,
        rows: usize,
        params: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let (inputs, outputs) = (self.fan_in(), self.fan_out());
        kernel.gemm(
            MatRef::row_major(dy, rows, outputs),
            MatRef::row_major(&params[..inputs * outputs], outputs, inputs),
            &mut MatMut::row_major(dx, rows, inputs),
            Store::Overwrite,
        );
    }
}

/// Moves every image of `x`.
fn each(x: &[f32], out: &mut [f32], image: Image, one: fn(&[f32], &mut [f32], Image)) {
    let len = image.len().max(1);
    for (x, out) in x.chunks_exact(len).zip(out.chunks_exact_mut(len)) {
        one(x, out, image);
    }
}

fn to_pixels(x: &[f32], out: &mut [f32], image: Image) {
    for (pixel, out) in out.chunks_exact_mut(image.channels).enumerate() {
        for (channel, out) in out.iter_mut().enumerate() {
            *out = x[channel * image.pixels() + pixel];
        }
    }
}

fn to_channels(x: &[f32], out: &mut [f32], image: Image) {
    for (channel, out) in out.chunks_exact_mut(image.pixels()).enumerate() {
        for (pixel, out) in out.iter_mut().enumerate() {
            *out = x[pixel * image.channels + channel];
        }
    }
}
