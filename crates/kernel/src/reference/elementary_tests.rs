use super::*;
use crate::arith::Soft;

/// The error of `found` in units of the last place of the f32 nearest to `exact`.
fn ulps(found: f32, exact: f64) -> f64 {
    let nearest = (exact as f32).abs();
    let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
    (f64::from(found) - exact).abs() / unit
}

/// Every `step`-th f32 between two values of the same sign.
fn floats(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    let (low, high) = (
        from.to_bits().min(to.to_bits()),
        from.to_bits().max(to.to_bits()),
    );
    (low..=high).step_by(step).map(f32::from_bits)
}

#[test]
fn exp_is_within_1_2_ulp() {
    let mut worst = 0.0f64;
    for x in floats(1e-8, 88.0, 997).chain(floats(-1e-8, -87.0, 997)) {
        worst = worst.max(ulps(exp::<Soft>(x), f64::from(x).exp()));
    }
    assert!(worst < 1.2, "{worst}");
    assert!(worst > 0.5, "an error this small was not measured: {worst}");
}

#[test]
fn exp_has_the_specified_edges() {
    let bits = |x: f32| exp::<Soft>(x).to_bits();
    assert_eq!(bits(0.0), 1.0f32.to_bits());
    assert_eq!(bits(-0.0), 1.0f32.to_bits());
    assert!(exp::<Soft>(-87.0) >= f32::MIN_POSITIVE);
    assert_eq!(
        bits(f32::from_bits((-87.0f32).to_bits() + 1)),
        0.0f32.to_bits()
    );
    assert_eq!(bits(f32::NEG_INFINITY), 0.0f32.to_bits());
    assert!(exp::<Soft>(88.0).is_finite());
    assert_eq!(
        exp::<Soft>(f32::from_bits(88.0f32.to_bits() + 1)),
        f32::INFINITY
    );
    assert_eq!(exp::<Soft>(f32::NAN), f32::INFINITY);
}

#[test]
fn sigmoid_is_within_2_ulp() {
    let mut worst = 0.0f64;
    for x in floats(1e-8, 87.0, 997).chain(floats(-1e-8, -87.0, 997)) {
        worst = worst.max(ulps(
            sigmoid::<Soft>(x),
            1.0 / (1.0 + (-f64::from(x)).exp()),
        ));
    }
    assert!(worst < 2.5, "{worst}");
    assert_eq!(sigmoid::<Soft>(-100.0), 0.0);
    assert_eq!(sigmoid::<Soft>(100.0), 1.0);
}

#[test]
fn log_is_within_1_ulp() {
    let mut worst = 0.0f64;
    for x in floats(f32::from_bits(1), f32::MAX, 4999).chain(floats(0.5, 2.0, 97)) {
        worst = worst.max(ulps(log::<Soft>(x), f64::from(x).ln()));
    }
    assert!(worst < 1.0, "{worst}");
    assert_eq!(log::<Soft>(1.0).to_bits(), 0.0f32.to_bits());
    assert_eq!(log::<Soft>(0.0), f32::NEG_INFINITY);
    assert_eq!(log::<Soft>(f32::INFINITY), f32::INFINITY);
    assert!(log::<Soft>(-1.0).is_nan() && log::<Soft>(f32::NAN).is_nan());
}

#[test]
fn tanh_and_gelu_are_close() {
    let (mut worst_tanh, mut worst_gelu) = (0.0f64, 0.0f64);
    for x in floats(1e-8, 20.0, 997).chain(floats(-1e-8, -20.0, 997)) {
        let wide = f64::from(x);
        worst_tanh = worst_tanh.max(ulps(tanh::<Soft>(x), wide.tanh()));
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
        let exact = wide / (1.0 + (-2.0 * inner).exp());
        if x > -5.0 {
            worst_gelu = worst_gelu.max(ulps(gelu::<Soft>(x), exact));
        }
        assert!((f64::from(gelu::<Soft>(x)) - exact).abs() < 1e-6 * (1.0 + exact.abs()));
    }
    assert!(worst_tanh < 2.0, "{worst_tanh}");
    assert!(worst_gelu < 50.0, "{worst_gelu}");
}

#[test]
fn tanh_and_gelu_have_sound_edges() {
    assert_eq!(tanh::<Soft>(-0.0).to_bits(), (-0.0f32).to_bits());
    assert_eq!(tanh::<Soft>(f32::MAX), 1.0);
    assert_eq!(tanh::<Soft>(f32::NEG_INFINITY), -1.0);
    assert_eq!(gelu::<Soft>(0.0), 0.0);
    assert_eq!(gelu::<Soft>(f32::MAX), f32::MAX);
    assert_eq!(gelu::<Soft>(-1e30), 0.0);
    assert_eq!(gelu_slope::<Soft>(f32::MAX), 1.0);
    assert_eq!(gelu_slope::<Soft>(-f32::MAX), 0.0);
    assert_eq!(gelu_slope::<Soft>(0.0), 0.5);
}
