//! Shapes and settings that operators take.

/// The label of a position that takes no part in the loss (the ecosystem's convention).
pub const IGNORE: i32 = -100;

/// The sizes of a causal attention with grouped queries.
///
/// Queries and outputs are `[batch * seq, heads * head_dim]`, keys and values
/// `[batch * seq, kv_heads * head_dim]`, probabilities `[batch, heads, seq, seq]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Positions per sequence.
    pub seq: usize,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Values in a query-shaped tensor (`q`, `out` and their gradients).
    pub fn query_len(&self) -> usize {
        self.batch * self.seq * self.heads * self.head_dim
    }

    /// Values in a key-shaped tensor (`k`, `v` and their gradients).
    pub fn key_len(&self) -> usize {
        self.batch * self.seq * self.kv_heads * self.head_dim
    }

    /// Values in the probabilities.
    pub fn probs_len(&self) -> usize {
        self.batch * self.heads * self.seq * self.seq
    }

    /// Query heads that share one key head.
    pub(crate) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The key head a query head reads.
    pub(crate) fn kv_head(&self, head: usize) -> usize {
        head / self.group()
    }

    /// Where a query head of a position starts.
    pub(crate) fn query_offset(&self, batch: usize, position: usize, head: usize) -> usize {
        ((batch * self.seq + position) * self.heads + head) * self.head_dim
    }

    /// Where a key head of a position starts.
    pub(crate) fn key_offset(&self, batch: usize, position: usize, head: usize) -> usize {
        ((batch * self.seq + position) * self.kv_heads + head) * self.head_dim
    }
}

/// The sizes of a batch of small images, pixel by pixel: `[images, height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Images.
    pub images: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl ImageShape {
    /// Pixels of a patch, 3 x 3.
    pub const TAPS: usize = 9;

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Values of one image.
    pub fn image_len(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Values of all images.
    pub fn values(&self) -> usize {
        self.images * self.image_len()
    }

    /// The shape after [`Kernel::max_pool`](crate::Kernel::max_pool): half the height and width, rounded
    /// down.
    #[must_use]
    pub fn pooled(&self) -> Self {
        Self {
            height: self.height / 2,
            width: self.width / 2,
            ..*self
        }
    }
}

/// Settings of one step of stochastic gradient descent (momentum as PyTorch's `SGD` has it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// How much of the velocity stays.
    pub momentum: f32,
    /// Weight decay, added to the gradient.
    pub weight_decay: f32,
}

/// Settings of one AdamW step (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// `1 - beta1^t` for step t, counted from 1; see [`BiasPowers`].
    pub bias1: f32,
    /// `1 - beta2^t`.
    pub bias2: f32,
}

/// The running powers `beta1^t` and `beta2^t`, kept by repeated multiplication: part of the
/// training state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasPowers {
    /// `beta1^t`.
    pub beta1: f32,
    /// `beta2^t`.
    pub beta2: f32,
}

impl BiasPowers {
    /// Before the first step.
    pub const START: Self = Self {
        beta1: 1.0,
        beta2: 1.0,
    };

    /// The powers one step later.
    #[must_use]
    pub fn next(self, beta1: f32, beta2: f32) -> Self {
        Self {
            beta1: self.beta1 * beta1,
            beta2: self.beta2 * beta2,
        }
    }

    /// `(bias1, bias2)` for [`AdamW`], after [`BiasPowers::next`].
    pub fn corrections(self) -> (f32, f32) {
        (1.0 - self.beta1, 1.0 - self.beta2)
    }
}

/// A function of one variable that [`Kernel::apply`](crate::Kernel::apply) computes element by
/// element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// e^x.
    Exp,
    /// The natural logarithm.
    Log,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// `x * sigmoid(x)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// GELU in its tanh form (Hendrycks and Gimpel, 2016; PyTorch's `approximate="tanh"`).
    Gelu,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 6] = [
        Self::Exp,
        Self::Log,
        Self::Sigmoid,
        Self::Silu,
        Self::Tanh,
        Self::Gelu,
    ];
}
