//! AdamW with decoupled weight decay, and SGD with momentum.

use crate::arith::Arith;
use crate::shape::{AdamW, Sgd};

/// The scalars of a step, computed once.
///
/// `decay = 1 - lr * weight_decay`, `step = lr / bias1`, `root = sqrt(bias2)`.
#[derive(Clone, Copy)]
pub(crate) struct Coefficients {
    pub(crate) decay: f32,
    pub(crate) step: f32,
    pub(crate) root: f32,
    pub(crate) rest1: f32,
    pub(crate) rest2: f32,
}

impl Coefficients {
    pub(crate) fn of(o: &AdamW) -> Self {
        Self {
            decay: 1.0 - o.lr * o.weight_decay,
            step: o.lr / o.bias1,
            root: o.bias2.sqrt(),
            rest1: 1.0 - o.beta1,
            rest2: 1.0 - o.beta2,
        }
    }
}

/// `m = fma(beta1, m, (1 - beta1) * g)`, `v = fma(beta2, v, (1 - beta2) * (g * g))`,
/// `p = fma(-step, m / (sqrt(v) / root + eps), p * decay)`.
#[inline(always)]
pub(crate) fn adamw<F: Arith>(
    param: &mut [f32],
    grad: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    o: &AdamW,
) {
    let c = Coefficients::of(o);
    for (((p, g), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
        *m = F::fma(o.beta1, *m, c.rest1 * g);
        *v = F::fma(o.beta2, *v, c.rest2 * (g * g));
        let denominator = v.sqrt() / c.root + o.eps;
        *p = F::fma(-c.step, *m / denominator, *p * c.decay);
    }
}

/// `d = fma(weight_decay, p, g)`, `v = fma(momentum, v, d)`, `p = fma(-lr, v, p)`.
#[inline(always)]
pub(crate) fn sgd<F: Arith>(param: &mut [f32], grad: &[f32], velocity: &mut [f32], o: &Sgd) {
    for ((p, g), v) in param.iter_mut().zip(grad).zip(velocity) {
        let d = F::fma(o.weight_decay, *p, *g);
        *v = F::fma(o.momentum, *v, d);
        *p = F::fma(-o.lr, *v, *p);
    }
}
