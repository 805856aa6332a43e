//! Functions of one variable, element by element. NaN stays NaN.

use super::elementary::{exp, gelu, gelu_slope, log, sigmoid, tanh};
use crate::arith::Arith;
use crate::shape::Function;

#[inline(always)]
fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, x) in out.iter_mut().zip(x) {
        let y = f(*x);
        *out = if x.is_nan() { *x } else { y };
    }
}

/// `out = f(x)`.
#[inline(always)]
pub(crate) fn apply<F: Arith>(function: Function, x: &[f32], out: &mut [f32]) {
    match function {
        Function::Exp => map(x, out, exp::<F>),
        Function::Log => map(x, out, log::<F>),
        Function::Sigmoid => map(x, out, sigmoid::<F>),
        Function::Silu => map(x, out, |x| x * sigmoid::<F>(x)),
        Function::Tanh => map(x, out, tanh::<F>),
        Function::Gelu => map(x, out, gelu::<F>),
    }
}

#[inline(always)]
fn map_backward(dy: &[f32], x: &[f32], dx: &mut [f32], slope: impl Fn(f32) -> f32) {
    for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
        let d = dy * slope(*x);
        *dx = if x.is_nan() { *x } else { d };
    }
}

/// `dx = dy * f'(x)`, for the logarithm `dy / x`.
#[inline(always)]
pub(crate) fn apply_backward<F: Arith>(function: Function, dy: &[f32], x: &[f32], dx: &mut [f32]) {
    match function {
        Function::Exp => map_backward(dy, x, dx, exp::<F>),
        Function::Log => {
            for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
                *dx = dy / x;
            }
        }
        Function::Sigmoid => map_backward(dy, x, dx, |x| {
            let s = sigmoid::<F>(x);
            s * (1.0 - s)
        }),
        Function::Silu => map_backward(dy, x, dx, |x| {
            let s = sigmoid::<F>(x);
            s * F::fma(x, 1.0 - s, 1.0)
        }),
        Function::Tanh => map_backward(dy, x, dx, |x| {
            let t = tanh::<F>(x);
            F::fma(-t, t, 1.0)
        }),
        Function::Gelu => map_backward(dy, x, dx, gelu_slope::<F>),
    }
}
