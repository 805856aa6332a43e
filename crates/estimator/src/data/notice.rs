//! What is odd about rows, though a model can be trained on them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::samples::{Labels, Samples};

/// Something about rows that their owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There are no rows.
    Empty,
    /// Every row has the same class.
    OneClass(u32),
    /// Rows that say what another one says, features and label.
    Identical {
        /// How many say it again.
        again: u64,
        /// The first row that says it again, and the row that said it first.
        example: (u64, u64),
    },
    /// Rows of equal features and different labels.
    Contradicting {
        /// How many contradict an earlier row.
        rows: u64,
        /// The first of them, and the row that it contradicts.
        example: (u64, u64),
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there are no rows, so nothing is learned from it"),
            Self::OneClass(class) => write!(
                f,
                "every row is of class {class}, so a model learns to say that"
            ),
            Self::Identical {
                again,
                example: (second, first),
            } => write!(
                f,
                "{again} rows repeat an earlier one (row {second} repeats row {first}); they count twice \
                 in training"
            ),
            Self::Contradicting {
                rows,
                example: (second, first),
            } => write!(
                f,
                "{rows} rows have the features of an earlier one and another label (row {second} and row \
                 {first})"
            ),
        }
    }
}

impl Samples {
    /// What is odd about these rows; nothing is silently mended.
    pub fn notices(&self) -> Vec<Notice> {
        if self.rows() == 0 {
            return vec![Notice::Empty];
        }
        let mut found = Vec::new();
        if let Labels::Classes { of, .. } = self.labels()
            && of.iter().all(|class| *class == of[0])
        {
            found.push(Notice::OneClass(of[0]));
        }
        let (mut seen, mut told): (HashMap<Vec<u8>, Vec<usize>>, _) = (HashMap::new(), (0, 0));
        let (mut identical, mut contradicting) = ((0, 0), (0, 0));
        for row in 0..self.rows() {
            let earlier = seen.entry(self.feature_bytes(row)).or_default();
            let same = |other: &&usize| self.labels().word(**other) == self.labels().word(row);
            match (earlier.iter().find(same), earlier.first()) {
                (Some(first), _) => {
                    identical = first_of(told.0, identical, (row, *first));
                    told.0 += 1;
                }
                (None, Some(first)) => {
                    contradicting = first_of(told.1, contradicting, (row, *first));
                    told.1 += 1;
                    earlier.push(row);
                }
                (None, None) => earlier.push(row),
            }
        }
        let numbers = |(a, b): (usize, usize)| (a as u64, b as u64);
        found.extend((told.0 > 0).then(|| Notice::Identical {
            again: told.0,
            example: numbers(identical),
        }));
        found.extend((told.1 > 0).then(|| Notice::Contradicting {
            rows: told.1,
            example: numbers(contradicting),
        }));
        found
    }

    /// How many of these rows have the features of a row of `other`: of rows that were held out, as many
    /// tell nothing about what was learned.
    pub fn shared_with(&self, other: &Self) -> usize {
        let theirs: BTreeSet<Vec<u8>> = (0..other.rows())
            .map(|row| other.feature_bytes(row))
            .collect();
        let shared = (0..self.rows()).filter(|row| theirs.contains(&self.feature_bytes(*row)));
        shared.count()
    }

    /// The features of a row as bytes, -0 as +0, which no model tells apart.
    fn feature_bytes(&self, row: usize) -> Vec<u8> {
        let values = self.row(row).iter();
        values
            .flat_map(|value| (value + 0.0).to_le_bytes())
            .collect()
    }
}

fn first_of(count: u64, kept: (usize, usize), now: (usize, usize)) -> (usize, usize) {
    if count == 0 { now } else { kept }
}
