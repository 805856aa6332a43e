use proptest::prelude::*;

use super::*;

fn seed(n: u64) -> Digest {
    Digest::of("quantiser test", &[&n.to_le_bytes()])
}

#[test]
fn integers_come_back_as_the_values_they_stand_for() {
    let quantiser = Quantiser::new(24, 20).unwrap();
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        7.999_999,
        2.0f32.powi(-20),
        -3.0 * 2.0f32.powi(-20),
    ];
    let integers = quantiser.quantise(&values, &seed(0), 0).unwrap();
    assert_eq!(
        quantiser.restore(&integers),
        values.map(|v| if v == 0.0 { 0.0 } else { v })
    );
}

#[test]
fn golden() {
    let quantiser = Quantiser::default();
    let values = [0.1, -0.2, 0.3, -0.4, 0.5, 1e-5, -1e-5, 1e-40];
    let integers = quantiser.quantise(&values, &seed(7), 3).unwrap();
    assert_eq!(integers, [3277, -6554, 9831, -13107, 16384, 0, -1, 0]);
}

#[test]
fn whatever_does_not_fit_is_named_with_what_to_do() {
    let quantiser = Quantiser::new(8, 4).unwrap();
    let refuse = |value: f32| {
        quantiser
            .quantise(&[0.5, value], &seed(0), 0)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refuse(-8.5),
        "coordinate 1 is -8.5, outside of -7.9375 to 7.9375 (8 bits, exponent 4); lower the exponent, take \
         more bits (at most 24), or bound the update's norm first"
    );
    assert!(
        refuse(f32::NAN).starts_with("coordinate 1 is NaN: an update holds finite numbers only")
    );
    for value in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 8.0] {
        assert!(refuse(value).starts_with("coordinate 1 is "));
    }
    assert!(
        Quantiser::new(25, 0)
            .unwrap_err()
            .to_string()
            .contains("2 <= bits <= 24")
    );
    assert!(Quantiser::new(1, 0).is_err() && Quantiser::new(16, 101).is_err());
}

/// A thousand seeds of a value of three tenths of a step: 300 +- 4 standard deviations of 14.5.
#[test]
fn rounding_is_right_on_average() {
    let quantiser = Quantiser::new(16, 0).unwrap();
    for (value, low) in [(2.3f32, 2), (-2.3, -2)] {
        let rounded = (0..1000).map(|n| quantiser.quantise(&[value], &seed(n), 0).unwrap()[0]);
        let away = rounded.map(|integer| (integer - low).abs()).sum::<i32>();
        assert!((242..=358).contains(&away), "{away}");
    }
}

#[test]
fn the_noise_of_a_coordinate_does_not_depend_on_the_others() {
    let quantiser = Quantiser::new(16, 3).unwrap();
    let (a, b) = ([0.3, 0.4, 0.7], [0.0, 900.1, 0.7]);
    for index in 0..50 {
        let last = |values: &[f32]| quantiser.quantise(values, &seed(1), index).unwrap()[2];
        assert_eq!(last(&a), last(&b));
    }
}

proptest! {
    #[test]
    fn an_integer_is_one_of_the_two_around_the_value(bits in any::<u32>(), exponent in -100i8..=100, size in 2u8..=24, index: u64) {
        let quantiser = Quantiser::new(size, exponent).unwrap();
        let value = f32::from_bits(bits);
        let scaled = f64::from(value) * f64::from(exponent).exp2();
        match quantiser.quantise(&[value], &seed(2), index) {
            Ok(integers) => {
                let integer = f64::from(integers[0]);
                prop_assert!((integer - scaled).abs() < 1.0, "{value} {scaled} {integer}");
                prop_assert!(integers[0].abs() <= quantiser.largest());
                if scaled == scaled.trunc() {
                    prop_assert_eq!(integer, scaled);
                }
            }
            Err(_) => prop_assert!(!value.is_finite() || scaled.abs() > f64::from(quantiser.largest())),
        }
    }
}
