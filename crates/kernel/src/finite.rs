//! Detection of invalid results.

/// Whether no value is NaN or infinite.
pub fn all_finite(x: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    x.chunks(1024).all(|chunk| {
        let bad = chunk
            .iter()
            .fold(0, |n, v| n + u32::from(v.to_bits() & EXPONENT == EXPONENT));
        bad == 0
    })
}

/// Whether no value held by [`Kernel::narrow_bf16`](crate::Kernel::narrow_bf16) is NaN or infinite.
pub fn all_finite_bf16(x: &[u16]) -> bool {
    const EXPONENT: u16 = 0x7f80;
    x.chunks(1024).all(|chunk| {
        let bad = chunk
            .iter()
            .fold(0, |n, v| n + u16::from(v & EXPONENT == EXPONENT));
        bad == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_looked_at() {
        assert!(all_finite(&[]));
        for n in [1, 31, 1024, 1025, 3000] {
            let mut x = vec![f32::MAX; n];
            assert!(all_finite(&x));
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, n / 2, n - 1] {
                    let old = std::mem::replace(&mut x[at], bad);
                    assert!(!all_finite(&x));
                    let upper = |v: &f32| (v.to_bits() >> 16) as u16;
                    assert!(!all_finite_bf16(&x.iter().map(upper).collect::<Vec<_>>()));
                    x[at] = old;
                    assert!(all_finite_bf16(&x.iter().map(upper).collect::<Vec<_>>()));
                }
            }
        }
    }
}
