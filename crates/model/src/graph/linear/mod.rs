//! A projection with what a method adds to it, forward and backward.
//!
//! With `W` the weight, `[out, in]`, `b` the bias and `z` the residual that it is added to:
//!
//! | method | `y` |
//! | --- | --- |
//! | none, full, BitFit | `x W^T + b + z` |
//! | LoRA | `x W^T + b + z + s drop(x) A^T B^T` |
//! | DoRA | `(x W^T + s x A^T B^T) * m / |W + s B A| + b + z` |
//! | (IA)3 | `(x W^T + b) * l + z`, or `(x * l) W^T + b + z` |
//! | PrivateLoRA | `x W^T + b + z + s x A^T M^T B^T` |
//!
//! DoRA's row lengths `|W + s B A|` count as constants in the backward pass, as in the paper
//! (section 4.3) and in PEFT.

mod backward;

use super::builder::{Builder, Inputs, Taped};
use super::{Op, TensorId};
use crate::adapter::Method;
use crate::target::Target;

/// A projection as backward sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TapedLinear {
    x: TensorId,
    weight: TensorId,
    bias: Option<TensorId>,
    residual: Option<TensorId>,
    adapted: Adapted,
    y: TensorId,
    pub(super) site: Option<(u32, Target)>,
}

/// What a method added.
#[derive(Clone, Copy, Debug)]
enum Adapted {
    No,
    /// `scaled` is `s drop(x) A^T`.
    Lora {
        a: TensorId,
        b: TensorId,
        scale: f32,
        dropped: Option<Dropped>,
        scaled: TensorId,
    },
    /// `plain` is `x W^T + scaled B^T`, `gain` is `m / lengths`.
    Dora {
        a: TensorId,
        b: TensorId,
        m: TensorId,
        scale: f32,
        scaled: TensorId,
        plain: TensorId,
        lengths: TensorId,
        gain: TensorId,
    },
    Input {
        factors: TensorId,
        scaled: TensorId,
    },
    Output {
        factors: TensorId,
        plain: TensorId,
    },
    /// `scaled` is `s x A^T`.
    Private {
        a: TensorId,
        b: TensorId,
        m: TensorId,
        scale: f32,
        scaled: TensorId,
    },
}

/// `drop(x)` and how it was made.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    x: TensorId,
    op: Op,
    noise: TensorId,
}

impl TapedLinear {
    /// What backward reads of it that grows with the batch.
    pub(super) fn activations(&self) -> Vec<TensorId> {
        let of_method = match self.adapted {
            Adapted::No => [None; 2],
            Adapted::Lora {
                dropped, scaled, ..
            } => [dropped.map(|dropped| dropped.x), Some(scaled)],
            Adapted::Dora { scaled, plain, .. } => [Some(scaled), Some(plain)],
            Adapted::Input { scaled, .. } | Adapted::Private { scaled, .. } => [Some(scaled), None],
            Adapted::Output { plain, .. } => [Some(plain), None],
        };
        let all = [Some(self.x)].into_iter().chain(of_method);
        all.flatten().collect()
    }
}

impl Builder<'_> {
    /// A projection of a layer with its bias, its adapter, and the residual it is added to.
    pub(super) fn project(
        &mut self,
        layer: usize,
        target: Target,
        x: TensorId,
        residual: Option<TensorId>,
        inputs: &Inputs,
    ) -> TensorId {
        self.site = Some((layer as u32, target));
        let y = self.project_adapted(layer, target, x, residual, inputs);
        self.site = None;
        y
    }

    fn project_adapted(
        &mut self,
        layer: usize,
        target: Target,
        x: TensorId,
        residual: Option<TensorId>,
        inputs: &Inputs,
    ) -> TensorId {
        let linear = self.spec.layers[layer].linear(target);
        let weight = self.weight(linear.weight);
        let bias = linear.bias.map(|id| self.weight(id));
        let plain = Plain {
            x,
            weight,
            bias,
            residual,
        };
        let Some((method, first)) = self.slot(layer, target) else {
            return self.linear(plain);
        };
        let param = |i: usize| self.params[first + i];
        match method {
            Method::Lora(lora) if lora.use_dora() => {
                let (a, b, m) = (param(0), param(1), param(2));
                self.dora(plain, a, b, m, lora.scale_at(layer, target))
            }
            Method::Lora(lora) => {
                let (a, b) = (param(0), param(1));
                let mask = self.mask(layer, target, lora.lora_dropout(), inputs);
                self.lora(plain, a, b, lora.scale_at(layer, target), mask)
            }
            Method::PrivateLora(private) => {
                let (a, b, m) = (param(0), param(1), param(2));
                self.private_lora(plain, a, b, m, private.scale())
            }
            Method::Ia3(ia3) => {
                let factors = param(0);
                match ia3.feedforward_modules().at(layer).contains(target) {
                    true => self.scaled_input(plain, factors),
                    false => self.scaled_output(plain, factors),
                }
            }
            Method::BitFit(_) => {
                let bias = Some(param(0));
                self.linear(Plain { bias, ..plain })
            }
            Method::Full => self.linear(plain),
        }
    }

    /// The method and the index of the first of its tensors for a projection, if it is adapted.
    fn slot(&self, layer: usize, target: Target) -> Option<(&'_ Method, usize)> {
        let method = self.method?;
        let place = method.targets_at(layer).iter().position(|t| t == target)?;
        let earlier = (0..layer).map(|layer| method.targets_at(layer).count());
        let before = earlier.sum::<usize>() + place;
        Some((method, before * method.params_per_target()))
    }

    /// The dropout of a projection's input with what it draws from, in training steps only.
    fn mask(
        &self,
        layer: usize,
        target: Target,
        p: f32,
        inputs: &Inputs,
    ) -> Option<(Op, TensorId)> {
        self.settings().filter(|_| p != 0.0)?;
        let per_batch = (self.config.num_hidden_layers * Target::ALL.len()) as u32;
        let place = (layer * Target::ALL.len() + target as usize) as u32;
        let op = Op::Dropout {
            p,
            slot: self.micro * per_batch + place,
            slots: inputs.ids.len() as u32 * per_batch,
        };
        Some((op, inputs.noise))
    }

    pub(super) fn linear(&mut self, plain: Plain) -> TensorId {
        let y = self.affine(&plain);
        self.tape_linear(plain, Adapted::No, y)
    }

    fn lora(
        &mut self,
        plain: Plain,
        a: TensorId,
        b: TensorId,
        scale: f32,
        mask: Option<(Op, TensorId)>,
    ) -> TensorId {
        let y = self.affine(&plain);
        let dropped = mask.map(|(op, noise)| {
            let x = self.like(op, &[plain.x, noise]);
            Dropped { x, op, noise }
        });
        let x = dropped.map_or(plain.x, |dropped| dropped.x);
        let down = self.product((x, false), (a, true), None);
        let scaled = self.like(Op::Scale { factor: scale }, &[down]);
        let y = self.product((scaled, false), (b, true), Some(y));
        let adapted = Adapted::Lora {
            a,
            b,
            scale,
            dropped,
            scaled,
        };
        self.tape_linear(plain, adapted, y)
    }

    fn dora(
        &mut self,
        plain: Plain,
        a: TensorId,
        b: TensorId,
        m: TensorId,
        scale: f32,
    ) -> TensorId {
        let factor = Op::Scale { factor: scale };
        let update = self.like(factor, &[b]);
        let directed = self.product((update, false), (a, false), Some(plain.weight));
        let rows = self.shape_of(directed).0;
        let lengths = self.emit(Op::RowNorms, &[directed], &[(1, rows)])[0];
        let gain = self.like(Op::Divide, &[m, lengths]);

        let y = self.product((plain.x, false), (plain.weight, true), None);
        let down = self.product((plain.x, false), (a, true), None);
        let scaled = self.like(factor, &[down]);
        let unscaled = self.product((scaled, false), (b, true), Some(y));
        let y = self.like(Op::ScaleColumns, &[unscaled, gain]);
        let y = self.finish(y, plain.bias, plain.residual);
        let adapted = Adapted::Dora {
            a,
            b,
            m,
            scale,
            scaled,
            plain: unscaled,
            lengths,
            gain,
        };
        self.tape_linear(plain, adapted, y)
    }

    fn private_lora(
        &mut self,
        plain: Plain,
        a: TensorId,
        b: TensorId,
        m: TensorId,
        scale: f32,
    ) -> TensorId {
        let y = self.affine(&plain);
        let down = self.product((plain.x, false), (a, true), None);
        let scaled = self.like(Op::Scale { factor: scale }, &[down]);
        let mixed = self.product((scaled, false), (m, true), None);
        let y = self.product((mixed, false), (b, true), Some(y));
        let adapted = Adapted::Private {
            a,
            b,
            m,
            scale,
            scaled,
        };
        self.tape_linear(plain, adapted, y)
    }

    fn scaled_input(&mut self, plain: Plain, factors: TensorId) -> TensorId {
        let scaled = self.like(Op::ScaleColumns, &[plain.x, factors]);
        let y = self.affine(&Plain { x: scaled, ..plain });
        self.tape_linear(plain, Adapted::Input { factors, scaled }, y)
    }

    fn scaled_output(&mut self, plain: Plain, factors: TensorId) -> TensorId {
        let unscaled = self.affine(&Plain {
            residual: None,
            ..plain
        });
        let y = self.like(Op::ScaleColumns, &[unscaled, factors]);
        let y = self.finish(y, None, plain.residual);
        let adapted = Adapted::Output {
            factors,
            plain: unscaled,
        };
        self.tape_linear(plain, adapted, y)
    }

    /// `x W^T`, onto the residual, plus the bias.
    fn affine(&mut self, plain: &Plain) -> TensorId {
        let (x, weight) = ((plain.x, false), (plain.weight, true));
        let y = self.product(x, weight, plain.residual);
        self.finish(y, plain.bias, None)
    }

    fn finish(
        &mut self,
        mut y: TensorId,
        bias: Option<TensorId>,
        residual: Option<TensorId>,
    ) -> TensorId {
        if let Some(bias) = bias {
            y = self.like(Op::AddBias, &[y, bias]);
        }
        match residual {
            Some(residual) => self.like(Op::Add, &[y, residual]),
            None => y,
        }
    }

    fn tape_linear(&mut self, plain: Plain, adapted: Adapted, y: TensorId) -> TensorId {
        let Plain {
            x,
            weight,
            bias,
            residual,
        } = plain;
        self.tape(Taped::Linear(TapedLinear {
            x,
            weight,
            bias,
            residual,
            adapted,
            y,
            site: self.site,
        }));
        y
    }
}

/// A projection without an adapter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) x: TensorId,
    pub(super) weight: TensorId,
    pub(super) bias: Option<TensorId>,
    pub(super) residual: Option<TensorId>,
}
