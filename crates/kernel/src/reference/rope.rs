//! Rotary position embedding on halves (the Hugging Face layout).

use crate::arith::Arith;

/// Rotates one head of one position in place; `cos` and `sin` hold half a head each.
///
/// `(x1, x2) -> (fma(x1, cos, -(x2 * sin)), fma(x2, cos, x1 * sin))`; the inverse negates sin.
#[inline(always)]
pub(crate) fn head<F: Arith>(x: &mut [f32], cos: &[f32], sin: &[f32], inverse: bool) {
    let (first, second) = x.split_at_mut(cos.len());
    for (((x1, x2), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        let sin = if inverse { -sin } else { *sin };
        let (a, b) = (*x1, *x2);
        *x1 = F::fma(a, *cos, -(b * sin));
        *x2 = F::fma(b, *cos, a * sin);
    }
}
