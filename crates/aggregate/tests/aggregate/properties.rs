//! What holds for any updates.

use assay_aggregate::{Rows, Rule, Settings, aggregate};
use assay_kernel::{Isa, Kernel};
use proptest::prelude::*;

use crate::common::{all, cases, rows, run, seed};

/// Rows in another order, and which is where.
fn permuted(rows: &[Vec<i32>], by: u64) -> Vec<Vec<i32>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| (*i as u64 + 1).wrapping_mul(by | 1) >> 3);
    order.into_iter().map(|i| rows[i].clone()).collect()
}

/// Whether two pairs of rows are equally far apart, so that a tie may be decided by number.
fn has_ties(rows: &[Vec<i32>]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let distance = |a: &[i32], b: &[i32]| {
        let square = |(a, b): (&i32, &i32)| i128::from(a - b).pow(2);
        a.iter().zip(b).map(square).sum::<i128>()
    };
    let pairs = (0..rows.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs
        .into_iter()
        .any(|(i, j)| !seen.insert(distance(&rows[i], &rows[j])))
}

/// Two updates that are each other's nearest have one score when Bulyan has few left. Mixtures that leave
/// out the same updates are equal, and others equally far apart. Rules that choose then go by number.
fn may_tie(settings: &Settings) -> bool {
    match settings.rule {
        Rule::Bulyan { .. } => true,
        Rule::Krum { .. } | Rule::MultiKrum { .. } => settings.nearest_neighbours.is_some(),
        _ => false,
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_order_of_updates_does_not_matter_where_no_distances_tie(rows in rows(11..16, 5..80, 20), by: u64) {
        prop_assume!(!has_ties(&rows));
        let other = permuted(&rows, by);
        for settings in all(2).into_iter().filter(|settings| !may_tie(settings)) {
            prop_assert_eq!(run(&rows, 20, &settings).update, run(&other, 20, &settings).update, "{:?}", settings);
        }
    }

    #[test]
    fn every_coordinate_lies_between_the_smallest_and_the_largest(rows in rows(11..14, 1..70, 24)) {
        for settings in all(2) {
            let update = run(&rows, 24, &settings).update;
            for (at, value) in update.into_iter().enumerate() {
                let column = rows.iter().map(|row| row[at]);
                let range = column.clone().min().unwrap()..=column.max().unwrap();
                prop_assert!(range.contains(&value), "{settings:?}: {value} not in {range:?}");
            }
        }
    }

    #[test]
    fn threads_and_instruction_sets_give_the_same_bits(rows in rows(11..13, 1..9000, 18)) {
        let updates = Rows::new(&rows, 18).unwrap();
        for settings in all(2) {
            let mut found = Vec::new();
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                for threads in [1, 2] {
                    let kernel = Kernel::new(isa, threads).unwrap();
                    found.push(aggregate(&kernel, &updates, &settings, &seed()).unwrap());
                }
            }
            prop_assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{settings:?}");
        }
    }

    #[test]
    fn equal_updates_are_their_own_aggregate(row in prop::collection::vec(-8_388_607i32..=8_388_607, 1..100)) {
        let rows = vec![row.clone(); 11];
        for settings in all(2) {
            let outcome = run(&rows, 24, &settings);
            prop_assert_eq!(&outcome.update, &row, "{:?}", settings);
        }
    }

    #[test]
    fn the_mean_is_the_nearest_integer_to_the_weighted_mean(rows in rows(1..9, 1..40, 24), seed: u64) {
        let weights: Vec<u64> = (0..rows.len() as u64).map(|i| seed.rotate_left(i as u32 * 7) % 2_147_483_647 + 1).map(|w| w.min(2_147_483_647)).collect();
        let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
        let updates = Rows::new(&rows, 24).unwrap().weighted(weights.clone()).unwrap();
        let settings = Settings::rule(Rule::Mean);
        let update = aggregate(&crate::common::kernel(), &updates, &settings, &crate::common::seed()).unwrap().update;
        for (at, value) in update.into_iter().enumerate() {
            let sum: i128 = rows.iter().zip(&weights).map(|(row, w)| i128::from(row[at]) * i128::from(*w)).sum();
            let twice = 2 * (i128::from(value) * total - sum).abs();
            prop_assert!(twice < total || (twice == total && value % 2 == 0));
        }
    }
}

/// Values as large and as far apart as bits allow, in every arrangement of signs that adds up highest.
#[test]
fn the_largest_integers_do_not_overflow() {
    for bits in [2, 13, 16, 17, 24] {
        let largest = (1i32 << (bits - 1)) - 1;
        for split in [0, 1, 5, 10, 11] {
            let row = |i: usize| vec![if i < split { -largest } else { largest }; 9000];
            let rows: Vec<_> = (0..11).map(row).collect();
            for settings in all(2) {
                let outcome = run(&rows, bits, &settings);
                assert!(outcome.update.iter().all(|value| value.abs() <= largest));
            }
        }
    }
}
