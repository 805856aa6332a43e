//! Features and labels, row by row.

use assay_kernel::all_finite;

use crate::error::DataFault;

/// The most rows of one set.
pub(crate) const MAX_ROWS: usize = 1 << 24;
/// The most features of a row.
pub(crate) const MAX_WIDTH: usize = 1 << 16;
/// The most numbers of one set: 1 GiB.
pub(crate) const MAX_VALUES: usize = 1 << 28;
/// The most classes.
pub(crate) const MAX_CLASSES: u32 = 1 << 12;

/// What a model is to tell of each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// A number.
    Values(Vec<f32>),
    /// One of so many classes, counted from 0.
    Classes {
        /// How many there are.
        count: u32,
        /// The class of each row.
        of: Vec<u32>,
    },
}

impl Labels {
    /// Classes below `count`.
    ///
    /// # Errors
    /// When there are fewer than two classes or too many, or a row has another class.
    pub fn classes(of: Vec<u32>, count: u32) -> Result<Self, DataFault> {
        if !(2..=MAX_CLASSES).contains(&count) {
            return Err(DataFault::Classes(count));
        }
        match of.iter().position(|class| *class >= count) {
            None => Ok(Self::Classes { count, of }),
            Some(row) => Err(DataFault::Class {
                row: row as u64,
                class: u64::from(of[row]),
                count,
            }),
        }
    }

    /// How many rows have one.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Classes { of, .. } => of.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn of_rows(&self, rows: &[u32]) -> Self {
        match self {
            Self::Values(values) => {
                Self::Values(rows.iter().map(|row| values[*row as usize]).collect())
            }
            Self::Classes { count, of } => Self::Classes {
                count: *count,
                of: rows.iter().map(|row| of[*row as usize]).collect(),
            },
        }
    }

    /// The label of a row as the 32 bits that stand for it in a shard.
    pub(crate) fn word(&self, row: usize) -> [u8; 4] {
        match self {
            Self::Values(values) => values[row].to_le_bytes(),
            Self::Classes { of, .. } => of[row].to_le_bytes(),
        }
    }
}

/// Rows of features, each with its label. Every number is finite, and there are as many labels as rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    width: usize,
    features: Vec<f32>,
    labels: Labels,
}

impl Samples {
    /// Rows of `width` features, one after the other in `features`, with a label each.
    ///
    /// # Errors
    /// When the lengths differ, there is too much, or a number is not finite.
    pub fn new(features: Vec<f32>, width: usize, labels: Labels) -> Result<Self, DataFault> {
        if width == 0 || width > MAX_WIDTH {
            return Err(DataFault::Width(width));
        }
        let (rows, labelled) = (features.len() / width, labels.len());
        if !features.len().is_multiple_of(width) || rows != labelled {
            return Err(DataFault::Lengths {
                values: features.len(),
                width,
                labels: labelled,
            });
        }
        if rows > MAX_ROWS || features.len() > MAX_VALUES {
            return Err(DataFault::TooMuch { rows, width });
        }
        for (row, values) in features.chunks_exact(width).enumerate() {
            if !all_finite(values) {
                let column = values.iter().position(|value| !value.is_finite());
                return Err(DataFault::NotFinite {
                    row: row as u64,
                    column: column.unwrap_or_default() as u64,
                });
            }
        }
        if let Labels::Values(values) = &labels
            && let Some(row) = values.iter().position(|value| !value.is_finite())
        {
            return Err(DataFault::LabelNotFinite(row as u64));
        }
        Ok(Self {
            width,
            features,
            labels,
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.width..(row + 1) * self.width]
    }

    /// All features, row by row.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// The labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// These rows, in this order, each with its own label.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn of_rows(&self, rows: &[u32]) -> Self {
        let mut features = Vec::with_capacity(rows.len() * self.width);
        for row in rows {
            features.extend_from_slice(self.row(*row as usize));
        }
        Self {
            width: self.width,
            features,
            labels: self.labels.of_rows(rows),
        }
    }
}
