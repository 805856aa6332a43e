//! The way back through a projection: gradients of its input, its weights and its adapter.

use super::{Adapted, Dropped, TapedLinear};
use crate::graph::backward::Gradients;
use crate::graph::builder::Builder;
use crate::graph::{Op, TensorId};

impl Builder<'_> {
    pub(in crate::graph) fn linear_backward(
        &mut self,
        taped: TapedLinear,
        gradients: &mut Gradients,
    ) {
        let Some(dy) = gradients.of(taped.y) else {
            return;
        };
        let x = taped.x;
        if let Some(bias) = taped.bias.filter(|bias| self.needs(*bias))
            && !matches!(taped.adapted, Adapted::Output { .. })
        {
            self.add_column_sums(bias, dy, gradients);
        }
        match taped.adapted {
            Adapted::No => self.weight_backward(taped, x, dy, gradients),
            Adapted::Lora {
                a,
                b,
                scale,
                dropped,
                scaled,
            } => {
                self.weight_backward(taped, x, dy, gradients);
                let ddown = self.factors_backward(b, scaled, scale, dy, gradients);
                match dropped {
                    None => self.down_backward(x, a, ddown, gradients),
                    Some(Dropped { x: kept, op, noise }) => {
                        let kept = self.kept(kept);
                        self.add_product(a, (ddown, true), (kept, false), gradients);
                        if self.needs(x) {
                            let through = self.product((ddown, false), (a, false), None);
                            let dx = self.like(op, &[through, noise]);
                            self.add_gradient(x, dx, gradients);
                        }
                    }
                }
            }
            Adapted::Dora {
                a,
                b,
                m,
                scale,
                scaled,
                plain,
                lengths,
                gain,
            } => {
                let dgain = self.emit(
                    Op::ColumnDots { accumulate: false },
                    &[dy, self.kept(plain)],
                    &[self.shape_of(gain)],
                )[0];
                let dm = self.like(Op::Divide, &[dgain, lengths]);
                self.add_gradient(m, dm, gradients);
                let dplain = self.like(Op::ScaleColumns, &[dy, gain]);
                self.weight_backward(taped, x, dplain, gradients);
                let ddown = self.factors_backward(b, scaled, scale, dplain, gradients);
                self.down_backward(x, a, ddown, gradients);
            }
            Adapted::Input { factors, scaled } => {
                let dscaled = self.product((dy, false), (taped.weight, false), None);
                self.add_column_dots(factors, dscaled, self.kept(x), gradients);
                if self.needs(taped.weight) {
                    let scaled = self.kept(scaled);
                    self.add_product(taped.weight, (dy, true), (scaled, false), gradients);
                }
                if self.needs(x) {
                    let dx = self.like(Op::ScaleColumns, &[dscaled, factors]);
                    self.add_gradient(x, dx, gradients);
                }
            }
            Adapted::Output { factors, plain } => {
                self.add_column_dots(factors, dy, self.kept(plain), gradients);
                let dplain = self.like(Op::ScaleColumns, &[dy, factors]);
                self.weight_backward(taped, x, dplain, gradients);
            }
            Adapted::Private {
                a,
                b,
                m,
                scale,
                scaled,
            } => {
                self.weight_backward(taped, x, dy, gradients);
                let dmixed = self.product((dy, false), (b, false), None);
                let kept = self.kept(scaled);
                self.add_product(m, (dmixed, true), (kept, false), gradients);
                if self.needs(x) {
                    let dscaled = self.product((dmixed, false), (m, false), None);
                    let ddown = self.like(Op::Scale { factor: scale }, &[dscaled]);
                    self.add_product(x, (ddown, false), (a, false), gradients);
                }
            }
        }
        if let Some(residual) = taped.residual.filter(|r| self.needs(*r)) {
            self.add_gradient(residual, dy, gradients);
        }
    }

    /// `dx += dy W`, and `dW += dy^T x` where the weight is trained.
    fn weight_backward(
        &mut self,
        taped: TapedLinear,
        x: TensorId,
        dy: TensorId,
        gradients: &mut Gradients,
    ) {
        let weight = taped.weight;
        if self.needs(weight) {
            let kept = self.kept(x);
            self.add_product(weight, (dy, true), (kept, false), gradients);
        }
        if self.needs(x) {
            self.add_product(x, (dy, false), (weight, false), gradients);
        }
    }

    /// `dB += dy^T scaled`; returns the gradient of `x A^T`, `s dy B`.
    fn factors_backward(
        &mut self,
        b: TensorId,
        scaled: TensorId,
        scale: f32,
        dy: TensorId,
        gradients: &mut Gradients,
    ) -> TensorId {
        let kept = self.kept(scaled);
        self.add_product(b, (dy, true), (kept, false), gradients);
        let dscaled = self.product((dy, false), (b, false), None);
        self.like(Op::Scale { factor: scale }, &[dscaled])
    }

    /// `dA += ddown^T x` and `dx += ddown A`.
    fn down_backward(
        &mut self,
        x: TensorId,
        a: TensorId,
        ddown: TensorId,
        gradients: &mut Gradients,
    ) {
        let kept = self.kept(x);
        self.add_product(a, (ddown, true), (kept, false), gradients);
        if self.needs(x) {
            self.add_product(x, (ddown, false), (a, false), gradients);
        }
    }
}
