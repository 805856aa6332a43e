//! Distances, exact and estimated.

use assay_aggregate::{DistanceSettings, Distances, Liars, Measured, Rows, Rule, Settings};
use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use proptest::prelude::*;

use crate::common::{cases, kernel, rows, run};

fn exact(a: &[i32], b: &[i32]) -> u128 {
    let square = |(a, b): (&i32, &i32)| u128::from(a.abs_diff(*b)).pow(2);
    a.iter().zip(b).map(square).sum()
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn exact_distances_are_those_of_the_definition(bits in 2u8..=24, rows in rows(1..9, 1..1600, 24)) {
        let fit = |v: &i32| v >> (24 - bits);
        let largest = (1 << (bits - 1)) - 1;
        let rows: Vec<Vec<i32>> = rows.iter().map(|row| row.iter().map(|v| fit(v).clamp(-largest, largest)).collect()).collect();
        let distances = Distances::exact(&kernel(), &Rows::new(&rows, bits).unwrap()).unwrap();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                prop_assert_eq!(distances.between(i, j), exact(a, b));
            }
        }
    }
}

/// More coordinates than products of 24 bits have room for in 64 bits.
#[test]
fn long_updates_of_the_largest_values_have_exact_distances() {
    let largest = (1 << 23) - 1;
    let rows = [
        vec![largest; 200_000],
        vec![-largest; 200_000],
        vec![largest; 200_000],
    ];
    let distances = Distances::exact(&kernel(), &Rows::new(&rows, 24).unwrap()).unwrap();
    let far = 200_000 * (2 * largest as u128).pow(2);
    assert_eq!(
        [(0, 1), (0, 2), (1, 2)].map(|(i, j)| distances.between(i, j)),
        [far, 0, far]
    );
}

/// The bound of the documentation: of 190 pairs at most `2 / (k e^2)` may be wrong by more than a share `e`.
/// Draws with other seeds are counted together.
#[test]
fn estimated_distances_keep_to_their_bound() {
    let mut stream = Stream::new(Digest::ZERO, "updates", 0);
    for (d, largest, buckets) in [
        (20_000, 30_000, 4096u32),
        (5_000, 8_388_607, 256),
        (300, 200, 64),
    ] {
        let value = |stream: &mut Stream| stream.below(2 * largest + 1) as i32 - largest as i32;
        let rows: Vec<Vec<i32>> = (0..20)
            .map(|_| (0..d).map(|_| value(&mut stream)).collect())
            .collect();
        let updates = Rows::new(&rows, 24).unwrap();
        let mut errors = Vec::new();
        for draw in 0..10u64 {
            let seed = Digest::of("draw", &[&draw.to_le_bytes()]);
            let distances = Distances::sketched(&kernel(), &updates, buckets, &seed).unwrap();
            for i in 0..20 {
                for j in 0..i {
                    let wanted = exact(&rows[i], &rows[j]) as f64;
                    errors.push(distances.between(i, j) as f64 / wanted - 1.0);
                }
            }
        }
        let variance = 2.0 / f64::from(buckets);
        for times in [2.0, 3.0, 5.0] {
            let far = errors
                .iter()
                .filter(|error| error.abs() > times * variance.sqrt())
                .count();
            assert!(
                far as f64 <= errors.len() as f64 / (times * times),
                "{far} of {}",
                errors.len()
            );
        }
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean.abs() < variance.sqrt(), "{mean}");
    }
}

#[test]
fn krum_finds_the_liars_from_sketches_too() {
    let mut stream = Stream::new(Digest::ZERO, "more updates", 0);
    let mut rows: Vec<Vec<i32>> = (0..30)
        .map(|_| {
            (0..3000)
                .map(|_| stream.below(2001) as i32 - 1000)
                .collect()
        })
        .collect();
    for liar in &mut rows[..6] {
        liar.iter_mut().for_each(|value| *value += 400);
    }
    let rule = Rule::MultiKrum {
        liars: Liars::Count(6),
        keep: 20,
    };
    let mut settings = Settings::rule(rule);
    let direct = run(&rows, 16, &settings);
    assert_eq!(direct.distances, Measured::Exactly);
    settings.distances = DistanceSettings {
        exact_up_to: 1000,
        buckets: 1024,
    };
    let sketched = run(&rows, 16, &settings);
    assert_eq!(sketched.distances, Measured::FromSketches);
    for outcome in [direct, sketched] {
        let left_out: Vec<u32> = outcome.notes.iter().map(|note| note.update).collect();
        assert!((0..6).all(|liar| left_out.contains(&liar)));
    }
}
