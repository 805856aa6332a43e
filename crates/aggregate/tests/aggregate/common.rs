//! What several tests need.

use assay_aggregate::{Liars, Outcome, Radius, Rows, Rule, Settings, Start, aggregate};
use assay_crypto::Digest;
use assay_kernel::Kernel;
use proptest::prelude::*;

/// The best path of this machine on one thread.
pub(crate) fn kernel() -> Kernel {
    Kernel::from_settings(None, Some("1")).unwrap()
}

pub(crate) fn seed() -> Digest {
    Digest::of("aggregate test", &[])
}

/// Aggregates rows.
pub(crate) fn run(rows: &[Vec<i32>], bits: u8, settings: &Settings) -> Outcome {
    let rows = Rows::new(rows, bits).unwrap();
    aggregate(&kernel(), &rows, settings, &seed()).unwrap()
}

/// How many cases a property is tried with.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("ASSAY_CASES").ok();
    ProptestConfig::with_cases(cases.map_or(usual, |n| n.parse().unwrap()))
}

/// Every rule, and mixing before some, for up to `f` liars.
pub(crate) fn all(f: u32) -> Vec<Settings> {
    let liars = Liars::Count(f);
    let clipping = |start, radius| Rule::CentredClipping {
        start,
        radius,
        iterations: 2,
    };
    let mut rules = vec![
        Rule::Mean,
        Rule::Median,
        Rule::TrimmedMean { liars },
        Rule::Krum { liars },
        Rule::MultiKrum { liars, keep: 2 },
        Rule::Bulyan { liars },
        Rule::GeometricMedian { iterations: 4 },
    ];
    rules.extend([
        clipping(Start::Median, Radius::Median),
        clipping(Start::TrimmedMean(liars), Radius::Steps(1000)),
    ]);
    let alone = rules.into_iter().map(Settings::rule);
    let mixed = alone.clone().map(|settings| Settings {
        nearest_neighbours: Some(liars),
        ..settings
    });
    alone.chain(mixed).chain([Settings::default()]).collect()
}

/// `n` rows of `d` values of `bits` bits.
pub(crate) fn rows(
    n: std::ops::Range<usize>,
    d: std::ops::Range<usize>,
    bits: u8,
) -> impl Strategy<Value = Vec<Vec<i32>>> {
    let largest = (1i32 << (bits - 1)) - 1;
    (n, d).prop_flat_map(move |(n, d)| {
        prop::collection::vec(prop::collection::vec(-largest..=largest, d), n)
    })
}
