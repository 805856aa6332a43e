//! What is refused, and with which words.

use assay_aggregate::{
    AggregateError, BadSettings, Liars, MAX_UPDATES, Radius, Rows, Rule, Settings, Shape, Start,
    Updates, aggregate,
};

use crate::common::{kernel, seed};

#[test]
fn rules_say_how_many_updates_they_need() {
    let liars = Liars::Count(3);
    let cases = [
        (
            Rule::Krum { liars },
            9,
            "krum with f = 3 needs n >= 2 f + 3 = 9 updates",
        ),
        (
            Rule::MultiKrum { liars, keep: 1 },
            9,
            "multi_krum with f = 3 needs n >= 2 f + 3 = 9 updates",
        ),
        (
            Rule::Bulyan { liars },
            15,
            "bulyan with f = 3 needs n >= 4 f + 3 = 15 updates",
        ),
        (
            Rule::TrimmedMean { liars },
            7,
            "trimmed_mean with f = 3 needs n >= 2 f + 1 = 7 updates",
        ),
    ];
    for (rule, needed, text) in cases {
        let settings = Settings::rule(rule);
        assert_eq!(settings.check(needed), Ok(()));
        let error = settings.check(needed - 1).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
        assert!(error.contains("wait for more trainers, or expect fewer liars"));
    }
    let mixing = Settings {
        nearest_neighbours: Some(liars),
        ..Settings::rule(Rule::Mean)
    };
    assert!(mixing.check(7).is_ok() && mixing.check(6).is_err());
}

#[test]
fn numbers_without_sense_are_refused() {
    let clipping = |radius, iterations| Rule::CentredClipping {
        start: Start::Zero,
        radius,
        iterations,
    };
    let bad = |rule| Settings::rule(rule).check(10).unwrap_err();
    assert_eq!(
        bad(clipping(Radius::Steps(0), 1)),
        BadSettings::Length("radius")
    );
    assert_eq!(bad(clipping(Radius::Median, 0)), BadSettings::Iterations(0));
    assert_eq!(
        bad(Rule::GeometricMedian { iterations: 65 }),
        BadSettings::Iterations(65)
    );
    let liars = Liars::Count(2);
    for keep in [0, 7] {
        assert_eq!(
            bad(Rule::MultiKrum { liars, keep }),
            BadSettings::Keep { keep, most: 6 }
        );
    }
    let mut settings = Settings::rule(Rule::Mean);
    settings.distances.buckets = 100;
    assert_eq!(settings.check(10), Err(BadSettings::Buckets(100)));
}

#[test]
fn the_default_stands_with_any_number_of_updates() {
    for n in 1..200 {
        assert_eq!(Settings::default().check(n), Ok(()));
    }
}

#[test]
fn shapes_whose_sums_could_overflow_do_not_exist() {
    assert!(Shape::new(MAX_UPDATES, u32::MAX as usize, 24).is_ok());
    let refused = [
        (Shape::new(0, 1, 16), "0 updates: 1 <= n <= 4096"),
        (Shape::new(MAX_UPDATES + 1, 1, 16), "4097 updates"),
        (Shape::new(1, 0, 16), "0 coordinates: 1 <= d <= 4294967295"),
        (Shape::new(1, 1 << 32, 16), "4294967296 coordinates"),
        (Shape::new(1, 1, 25), "values of 25 bits: 2 <= bits <= 24"),
        (Shape::new(1, 1, 1), "values of 1 bits"),
    ];
    for (shape, text) in refused {
        assert!(shape.unwrap_err().to_string().starts_with(text));
    }
}

#[test]
fn weights_that_could_overflow_are_refused() {
    let rows = vec![vec![1, 2]; 3];
    let weighted = |weights: &[u64]| Rows::new(&rows, 16).unwrap().weighted(weights.to_vec());
    assert!(weighted(&[1, 2, (1 << 31) - 1]).is_ok());
    for weights in [&[1, 2][..], &[1, 2, 0], &[1, 2, 1 << 31]] {
        assert!(matches!(weighted(weights), Err(AggregateError::Weights(_))));
    }
}

/// Says that it has eight bits, and has nine.
struct Liar;

impl Updates for Liar {
    fn shape(&self) -> Shape {
        Shape::new(5, 10_000, 8).unwrap()
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        for (at, out) in out.iter_mut().enumerate() {
            *out = if (update, first + at) == (3, 7777) {
                -128
            } else {
                1
            };
        }
        Ok(())
    }
}

#[test]
fn a_value_outside_of_its_bits_is_named_by_every_rule() {
    let wanted = AggregateError::OutOfRange {
        update: 3,
        coordinate: 7777,
        value: -128,
        largest: 127,
    };
    let mut settings = vec![
        Settings::rule(Rule::Krum {
            liars: Liars::Count(1),
        }),
        Settings::default(),
    ];
    settings.push(Settings::rule(Rule::Median));
    settings.push(Settings {
        norm_bound: Some(9),
        ..Settings::rule(Rule::Mean)
    });
    for mut settings in settings {
        for exact_up_to in [0, 1 << 40] {
            settings.distances.exact_up_to = exact_up_to;
            assert_eq!(
                aggregate(&kernel(), &Liar, &settings, &seed()),
                Err(wanted.clone())
            );
        }
    }
}

#[test]
fn rows_of_different_lengths_are_refused() {
    let rows = [vec![1, 2], vec![1, 2], vec![1]];
    assert_eq!(
        Rows::new(&rows, 16).unwrap_err(),
        AggregateError::Unlike { update: 2 }
    );
}

#[test]
fn settings_read_back_from_json_and_bytes() {
    for settings in crate::common::all(2) {
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        let bytes = borsh::to_vec(&settings).unwrap();
        assert_eq!(borsh::from_slice::<Settings>(&bytes).unwrap(), settings);
    }
    let golden = [
        0, 1, 1, 44, 1, 7, 2, 1, 44, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 16, 0, 0,
    ];
    assert_eq!(borsh::to_vec(&Settings::default()).unwrap(), golden);
    let text = r#"{"nearest_neighbours":{"per_thousand":300},"rule":"median"}"#;
    assert!(serde_json::from_str::<Settings>(text).is_ok());
    assert!(serde_json::from_str::<Settings>(r#"{"rule":"median","radius":1}"#).is_err());
}
