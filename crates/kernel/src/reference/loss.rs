//! Cross-entropy over a vocabulary.

use super::elementary::{exp, log};

use crate::arith::Arith;

/// One row: `m = max(x)`, `s = sum(exp(x - m))`, loss = `log(s) + (m - x_label)`.
///
/// The gradient is `(exp(x - m) * (1 / s)) * scale`, with `scale` subtracted at the label. It takes
/// the place of the logits `x`; without a scale, the exponentials do.
#[inline(always)]
pub(crate) fn row<F: Arith>(x: &mut [f32], label: usize, scale: Option<f32>) -> f32 {
    let (m, at_label) = (F::max(x), x[label]);
    for x in x.iter_mut() {
        *x = exp::<F>(*x - m);
    }
    let s = F::sum(x);
    if let Some(scale) = scale {
        let r = 1.0 / s;
        for x in x.iter_mut() {
            *x = (*x * r) * scale;
        }
        x[label] -= scale;
    }
    log::<F>(s) + (m - at_label)
}
