//! Cross-entropy over a vocabulary.

use super::elementary::{exp, log};

use crate::arith::Arith;

/// One row: `m = max(x)`, `s = sum(exp(x - m))`, loss = `log(s) + (m - x_label)`.
///
/// The gradient is `(exp(x - m) * (1 / s)) * scale`, with `scale` subtracted at the label.
/// `out` holds the gradient, or the exponentials when none is asked for.
#[inline(always)]
pub(crate) fn row<F: Arith>(
    x: &[f32],
    label: usize,
    gradient: Option<f32>,
    out: &mut [f32],
) -> f32 {
    let m = F::max(x);
    for (o, x) in out.iter_mut().zip(x) {
        *o = exp::<F>(x - m);
    }
    let s = F::sum(out);
    if let Some(scale) = gradient {
        let r = 1.0 / s;
        for o in out.iter_mut() {
            *o = (*o * r) * scale;
        }
        out[label] -= scale;
    }
    log::<F>(s) + (m - x[label])
}
