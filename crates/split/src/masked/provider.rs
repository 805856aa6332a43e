//! One of the two parties that multiply shares.

use std::collections::BTreeMap;

use assay_model::{Base, WeightId};

use super::matrix::Matrix;
use super::plan::frozen_matrices;
use super::wire::{Kind, Shares};
use crate::error::{MessageError, SetupError};

/// How many numbers a message may leave out: products that the requester abandoned before they were
/// delivered.
const MAX_SKIP: u64 = 1 << 16;

/// Multiplies shares by frozen matrices. It holds nothing but these, which are public, and sees
/// uniformly random integers.
#[derive(Debug)]
pub struct MaskedProvider {
    which: u8,
    matrices: BTreeMap<WeightId, Matrix>,
    most_rows: usize,
    next: u64,
}

impl MaskedProvider {
    /// Provider 0 or 1, with the projections of a base; it takes at most `most_rows` rows at a
    /// time.
    ///
    /// # Errors
    /// When a matrix holds a NaN or infinity, or the base computes in integers.
    pub fn new(which: u8, base: &Base, most_rows: usize) -> Result<Self, SetupError> {
        if base.precision().computes_in_int8() {
            return Err(SetupError::Precision);
        }
        let matrices = frozen_matrices(base.config()).into_iter();
        let quantised = matrices.map(|id| Some((id, Matrix::of(base, id)?)));
        let matrices: Option<_> = quantised.collect();
        Ok(Self {
            which: which.min(1),
            matrices: matrices.ok_or(SetupError::NotFinite)?,
            most_rows,
            next: 0,
        })
    }

    /// Multiplies a share; returns the message for the requester.
    ///
    /// # Errors
    /// When the message is malformed, for the other provider, replayed or far ahead; nothing has
    /// changed then.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
        let mut message = Shares::decode(bytes)?;
        if message.kind != Kind::Share {
            return Err(MessageError::Kind(2));
        }
        if message.provider != self.which {
            return Err(MessageError::Provider {
                found: message.provider,
                expected: self.which,
            });
        }
        let ahead = message.number.checked_sub(self.next);
        if ahead.is_none_or(|ahead| ahead > MAX_SKIP) {
            return Err(MessageError::Exchange {
                found: message.number,
                expected: self.next,
            });
        }
        let matrix = self.matrices.get(&WeightId(message.matrix));
        let matrix = matrix.ok_or(MessageError::Matrix(message.matrix))?;
        let inner = matrix.shape(message.transposed).0;
        let (found, most) = (message.integers.len(), inner * self.most_rows);
        let expected = found.div_ceil(inner).max(1) * inner;
        if found != expected || found > most {
            let expected = expected.min(most);
            return Err(MessageError::Values { found, expected });
        }
        let product = matrix.product(&message.integers, message.transposed);
        message.integers = product.unwrap_or_default();
        message.kind = Kind::Product;
        self.next = message.number.saturating_add(1);
        Ok(message.encode())
    }
}
