//! The area under the receiver operating characteristic, in whole numbers.

/// How many pairs of a row of class 1 and a row of class 0 are ranked rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auc {
    /// Two for each pair in which the row of class 1 scores higher, one for each in which both score the
    /// same.
    pub halves_won: u64,
    /// The pairs; at least one.
    pub pairs: u64,
}

impl Auc {
    /// The area: the share of pairs won, ties counting half.
    pub fn value(&self) -> f64 {
        self.halves_won as f64 / (2 * self.pairs) as f64
    }
}

/// Ranks rows by their scores, which are numbers; none where one of the classes has no row (Mann and
/// Whitney's statistic).
///
/// # Panics
/// If there are not as many classes as scores.
pub fn auc(scores: &[f32], classes: &[u32]) -> Option<Auc> {
    assert_eq!(scores.len(), classes.len(), "one class for each score");
    // +0 and -0 are the same score.
    let score = |(score, class): (&f32, &u32)| (score + 0.0, *class);
    let mut ranked: Vec<(f32, u32)> = scores.iter().zip(classes).map(score).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut halves_won, mut below, mut ones) = (0u64, 0u64, 0u64);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let positive = tied.iter().filter(|(_, class)| *class == 1).count() as u64;
        let negative = tied.len() as u64 - positive;
        halves_won += positive * (2 * below + negative);
        below += negative;
        ones += positive;
    }
    let pairs = below * ones;
    (pairs > 0).then_some(Auc { halves_won, pairs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_perfect_ranking_wins_every_pair_and_one_score_for_all_half_of_them() {
        let classes = [0, 0, 1, 1];
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &classes).unwrap().value(), 1.0);
        assert_eq!(auc(&[4.0, 3.0, 2.0, 1.0], &classes).unwrap().value(), 0.0);
        assert_eq!(auc(&[0.0, -0.0, 0.0, -0.0], &classes).unwrap().value(), 0.5);
        assert_eq!(auc(&[1.0, 2.0], &[1, 1]), None);
        assert_eq!(auc(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn it_counts_what_comparing_every_pair_counts(
            rows in prop::collection::vec((-4i8..4, 0u32..2), 0..60),
        ) {
            let scores: Vec<f32> = rows.iter().map(|(score, _)| f32::from(*score)).collect();
            let classes: Vec<u32> = rows.iter().map(|(_, class)| *class).collect();
            let (mut won, mut pairs) = (0, 0);
            for (i, one) in rows.iter().enumerate().filter(|(_, row)| row.1 == 1) {
                for (j, zero) in rows.iter().enumerate().filter(|(_, row)| row.1 == 0) {
                    prop_assert_ne!(i, j);
                    pairs += 1;
                    won += match one.0.cmp(&zero.0) {
                        std::cmp::Ordering::Greater => 2,
                        std::cmp::Ordering::Equal => 1,
                        std::cmp::Ordering::Less => 0,
                    };
                }
            }
            let found = auc(&scores, &classes);
            let wanted = Auc { halves_won: won, pairs };
            prop_assert_eq!(found, (pairs > 0).then_some(wanted));
        }
    }
}
