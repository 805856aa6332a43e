use proptest::prelude::*;

use super::*;

fn held(values: &[f32], cols: usize, precision: Precision) -> Vec<f32> {
    Stored::new(values.to_vec(), cols, precision)
        .widened()
        .into_owned()
}

#[test]
fn bfloat16_rounds_to_nearest_even() {
    // 1 + 2^-8 lies half way between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between that and 1 + 2^-6.
    let step = 1.0 / 256.0;
    let above = -(1.0 + step + f32::EPSILON);
    let values = [1.0, 1.0 + step, 1.0 + 3.0 * step, above, f32::MAX, 1e-45];
    let found = held(&values, 1, Precision::BFloat16);
    let largest = f32::from_bits(0x7f7f_0000);
    assert_eq!(
        found,
        [1.0, 1.0, 1.0 + 4.0 * step, -1.0 - 2.0 * step, largest, 0.0]
    );
}

#[test]
fn int8_is_scaled_by_row() {
    let values = [1.0, -0.5, 0.25, 0.0, 0.0, 0.0];
    let found = held(&values, 3, Precision::Int8);
    let scale = 1.0f32 / 127.0;
    assert_eq!(found[..3], [127.0 * scale, -64.0 * scale, 32.0 * scale]);
    assert_eq!(found[3..], [0.0; 3]);
}

#[test]
fn nf4_is_scaled_by_block_and_ties_go_down() {
    let mut values = vec![0.0; 130];
    values[0] = -2.0;
    values[1] = 2.0 * NF4_LEVELS[9];
    values[2] = NF4_LEVELS[7] + NF4_LEVELS[8];
    values[129] = 3.0;
    let found = held(&values, 65, Precision::Nf4);
    assert_eq!(found[..3], [-2.0, 2.0 * NF4_LEVELS[9], 0.0]);
    assert_eq!(found[3..128], [0.0; 125]);
    assert_eq!(found[128..], [0.0, 3.0]);
}

#[test]
fn names_come_back() {
    for precision in Precision::ALL {
        assert_eq!(precision.name().parse(), Ok(precision));
    }
    let error = "fp8".parse::<Precision>().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("use float32, bfloat16, int8, nf4 or w8a8")
    );
}

#[test]
fn levels_ascend_and_memory_shrinks() {
    assert!(NF4_LEVELS.is_sorted());
    let bytes = |precision| Stored::new(vec![0.5; 64 * 64], 64, precision).bytes();
    let found = Precision::ALL.map(bytes);
    assert_eq!(
        found,
        [16_384, 8_192, 4_096 + 256, 2_048 + 256, 4_096 + 256]
    );
}

proptest! {
    /// Holding what was widened changes nothing any more, and no value moves further than half a
    /// step of its form.
    #[test]
    fn widening_is_close_and_holding_again_changes_nothing(
        values in prop::collection::vec(-4.0f32..4.0, 1..300),
        cols in 1usize..40,
    ) {
        let rows = values.len() / cols;
        let values = &values[..rows * cols];
        for (precision, step) in [
            (Precision::BFloat16, 1.0 / 256.0),
            (Precision::Int8, 0.5 / 127.0 + 1e-6),
            (Precision::Nf4, 0.16),
        ] {
            let once = held(values, cols, precision);
            let most = largest(values);
            for (a, b) in once.iter().zip(values) {
                prop_assert!((a - b).abs() <= step * most.max(b.abs()), "{precision}: {a} {b}");
            }
            if precision != Precision::Int8 {
                prop_assert_eq!(held(&once, cols, precision), once);
            }
        }
    }
}
