//! What so many liars can do, wherever they stand and whatever they say.

use assay_aggregate::{Fate, Liars, Rule, Settings};
use proptest::prelude::*;

use crate::common::{cases, rows, run};

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn liars_move_no_coordinate_out_of_the_honest_range(
        mut rows in rows(7..14, 1..50, 16),
        lies in prop::collection::vec((0usize..14, prop::collection::vec(-32_767i32..=32_767, 50)), 2),
    ) {
        let n = rows.len();
        let places: Vec<usize> = lies.iter().map(|(at, _)| at % n).collect();
        let honest: Vec<_> = (0..n).filter(|i| !places.contains(i)).map(|i| rows[i].clone()).collect();
        for (at, lie) in &lies {
            let d = rows[0].len();
            rows[at % n] = lie[..d].to_vec();
        }
        for rule in [Rule::Median, Rule::TrimmedMean { liars: Liars::Count(2) }] {
            let update = run(&rows, 16, &Settings::rule(rule)).update;
            for (at, value) in update.into_iter().enumerate() {
                let column = honest.iter().map(|row| row[at]);
                let range = column.clone().min().unwrap()..=column.max().unwrap();
                prop_assert!(range.contains(&value), "{rule:?}");
            }
        }
    }
}

/// Ten honest updates close together, and one far away at each place in turn.
#[test]
fn notes_say_who_was_left_out() {
    let honest = |i: usize| {
        (0..40)
            .map(|k| (i * 37 + k * 11) as i32 % 20)
            .collect::<Vec<_>>()
    };
    for place in 0..11 {
        let mut rows: Vec<_> = (0..11).map(honest).collect();
        rows[place] = vec![30_000; 40];
        let liars = Liars::Count(1);
        let far = |settings: Settings, is_far: fn(&Fate) -> bool| {
            let outcome = run(&rows, 16, &settings);
            let notes = outcome.notes.iter().filter(|note| is_far(&note.fate));
            notes.map(|note| note.update as usize).collect::<Vec<_>>()
        };
        let multi = Settings::rule(Rule::MultiKrum { liars, keep: 8 });
        assert!(far(multi, |fate| matches!(fate, Fate::NotChosen(_))).contains(&place));
        let krum = far(Settings::rule(Rule::Krum { liars }), |fate| {
            matches!(fate, Fate::NotChosen(_))
        });
        assert_eq!(krum.len(), 10);
        let bulyan = far(Settings::rule(Rule::Bulyan { liars }), |fate| {
            matches!(fate, Fate::NotChosen(_))
        });
        assert_eq!((bulyan.len(), bulyan.contains(&place)), (2, true));
        let trimmed = far(Settings::rule(Rule::TrimmedMean { liars }), |fate| {
            *fate == Fate::Trimmed(40)
        });
        assert_eq!(trimmed, [place]);
        let mixed = Settings {
            nearest_neighbours: Some(liars),
            ..Settings::rule(Rule::Mean)
        };
        assert_eq!(
            far(mixed, |fate| *fate == Fate::LeftOutOfMixtures(10)),
            [place]
        );
        let bound = Settings {
            norm_bound: Some(200),
            ..Settings::rule(Rule::Mean)
        };
        assert_eq!(
            far(bound, |fate| matches!(fate, Fate::Shortened(_))),
            [place]
        );
        let median = Settings::rule(Rule::GeometricMedian { iterations: 8 });
        assert_eq!(
            far(median, |fate| matches!(fate, Fate::Weighed(_))),
            [place]
        );
    }
}

/// An update far beyond the norm bound comes out no longer than it.
#[test]
fn the_norm_bound_holds_to_the_step() {
    for bound in [1u64, 7, 1000, 123_457] {
        let rows = vec![
            (0..300)
                .map(|k| (k * 7919) % 60_001 - 30_000)
                .collect::<Vec<i32>>(),
        ];
        let settings = Settings {
            norm_bound: Some(bound),
            ..Settings::rule(Rule::Mean)
        };
        let update = run(&rows, 16, &settings).update;
        let square: i64 = update.iter().map(|value| i64::from(*value).pow(2)).sum();
        assert!(square <= (bound * bound) as i64, "{square} {bound}");
        assert!(
            bound < 1000 || square as f64 > 0.9 * (bound * bound) as f64 - 600.0 * bound as f64
        );
    }
}
