//! Token rows of one length.

use std::ops::Range;

use assay_kernel::IGNORE;

use crate::batch::Batch;
use crate::encode::encode;
use crate::error::{DataError, Place, Problem};
use crate::record::Record;
use crate::tokenizer::Tokenizer;

/// The most tokens a data set keeps.
const MAX_TOKENS: usize = i32::MAX as usize;
/// The longest row.
const MAX_SEQUENCE_LENGTH: usize = 131_072;

/// How records become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Tokens a row. The last position of a row predicts nothing, as in `transformers`.
    pub sequence_length: usize,
    /// Whether only completions count towards the loss.
    pub completion_only: bool,
    /// Whether a record longer than a row is cut; otherwise it is an error. Running text goes on in
    /// the next row.
    pub truncation: bool,
    /// Rows of the model's embedding. A tokenizer may have ids beyond them, as long as no record
    /// uses one.
    pub vocab_size: usize,
}

impl Options {
    /// Every token counts, too long is an error, and every id of the tokenizer has an embedding.
    pub fn new(sequence_length: usize) -> Self {
        Self {
            sequence_length,
            completion_only: false,
            truncation: false,
            vocab_size: usize::MAX,
        }
    }
}

/// The rows of a data set, in the order of its records. Each record has a row to itself; running text
/// takes as many as it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    ids: Vec<u32>,
    counts: Vec<bool>,
    rows: Vec<Range<usize>>,
    sequence_length: usize,
    pad: u32,
}

impl DataSet {
    /// Tokenises records into rows.
    ///
    /// # Errors
    /// [`DataError`] names the first record that is too long, too short or without anything to
    /// learn, and says what to change.
    pub fn build(
        records: &[(Place, Record)],
        tokenizer: &Tokenizer,
        options: &Options,
    ) -> Result<Self, DataError> {
        let limit = options.sequence_length;
        if !(2..=MAX_SEQUENCE_LENGTH).contains(&limit) {
            return Err(DataError::BadSequenceLength(limit));
        }
        let mut set = Self {
            ids: Vec::new(),
            counts: Vec::new(),
            rows: Vec::new(),
            sequence_length: limit,
            // Nobody looks at padding, so any id will do that has an embedding.
            pad: Some(tokenizer.pad())
                .filter(|pad| (*pad as usize) < options.vocab_size)
                .unwrap_or(0),
        };
        for (place, record) in records {
            let wrong = |problem| DataError::Record {
                place: *place,
                problem,
            };
            let mut sequence = encode(record, tokenizer, options.completion_only).map_err(wrong)?;
            embedded(&sequence.ids, tokenizer, options).map_err(wrong)?;
            if !matches!(record, Record::Text(_)) {
                set.check(&mut sequence, options).map_err(wrong)?;
            }
            if set.ids.len() + sequence.ids.len() > MAX_TOKENS {
                return Err(DataError::TooManyTokens);
            }
            let start = set.ids.len();
            set.ids.append(&mut sequence.ids);
            set.counts.append(&mut sequence.counts);
            set.cut(start);
        }
        if set.rows.is_empty() {
            return Err(DataError::NothingToLearn);
        }
        Ok(set)
    }

    /// Checks a record that gets a row to itself, and cuts it if that is asked for.
    fn check(&self, sequence: &mut crate::Sequence, options: &Options) -> Result<(), Problem> {
        let (tokens, limit) = (sequence.ids.len(), options.sequence_length);
        if tokens < 2 {
            return Err(Problem::TooShort(tokens));
        }
        if tokens > limit {
            if !options.truncation {
                return Err(Problem::TooLong { tokens, limit });
            }
            sequence.ids.truncate(limit);
            sequence.counts.truncate(limit);
        }
        if !sequence.counts[1..].contains(&true) {
            return Err(Problem::CutAway(limit));
        }
        Ok(())
    }

    /// Makes rows of the tokens from `start` on; a row in which nothing counts is left out.
    fn cut(&mut self, start: usize) {
        let mut from = start;
        while from < self.ids.len() {
            let to = self.ids.len().min(from + self.sequence_length);
            if self.counts[from + 1..to].contains(&true) {
                self.rows.push(from..to);
            }
            from = to;
        }
    }

    /// How many rows there are; at least one.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Tokens a row.
    pub fn sequence_length(&self) -> usize {
        self.sequence_length
    }

    /// How many tokens count towards the loss in one pass over the data.
    pub fn counted(&self) -> usize {
        let in_row = |row: &Range<usize>| {
            let counts = &self.counts[row.start + 1..row.end];
            counts.iter().filter(|counts| **counts).count()
        };
        self.rows.iter().map(in_row).sum()
    }

    /// How many batches of `size` rows one pass takes.
    ///
    /// # Panics
    /// If `size` is zero.
    pub fn batches(&self, size: usize) -> usize {
        self.rows.len().div_ceil(size)
    }

    /// Batch `index` of one pass in the order of the records; rows past the end are padding in
    /// which nothing counts.
    pub fn batch(&self, index: usize, size: usize) -> Batch {
        let mut batch = Batch::padding(size, self.sequence_length, self.pad);
        for slot in 0..size {
            let row = index.saturating_mul(size).saturating_add(slot);
            if row < self.rows.len() {
                self.fill(row, slot, &mut batch);
            }
        }
        batch
    }

    /// Writes row `row` into row `slot` of `batch`.
    pub(crate) fn fill(&self, row: usize, slot: usize, batch: &mut Batch) {
        let range = self.rows[row].clone();
        let out = slot * self.sequence_length..(slot + 1) * self.sequence_length;
        let (ids, labels) = (&mut batch.ids[out.clone()], &mut batch.labels[out]);
        ids.fill(self.pad);
        labels.fill(IGNORE);
        ids[..range.len()].copy_from_slice(&self.ids[range.clone()]);
        for (label, next) in labels.iter_mut().zip(range.skip(1)) {
            if self.counts[next] {
                *label = self.ids[next] as i32;
            }
        }
    }

    /// The padding token.
    pub(crate) fn pad(&self) -> u32 {
        self.pad
    }
}

/// Checks that the embedding has every token.
fn embedded(ids: &[u32], tokenizer: &Tokenizer, options: &Options) -> Result<(), Problem> {
    match ids.iter().find(|id| **id as usize >= options.vocab_size) {
        None => Ok(()),
        Some(id) => Err(Problem::NotEmbedded {
            text: tokenizer.decode(&[*id], false).unwrap_or_default(),
            id: *id,
            last: options.vocab_size.saturating_sub(1),
        }),
    }
}
