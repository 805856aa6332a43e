//! Messages between the requester and the two providers in masked mode.
//!
//! ```text
//! byte   0..4   "AMSK"
//!        4      version, 1
//!        5      kind: 1 share, 2 product
//!        6      provider, 0 or 1
//!        7      0, or 1 when the matrix is transposed
//!        8..16  number of the product, little-endian
//!       16..20  matrix: its index among the model's tensors
//!       20..24  number of integers
//!       24..    integers, 64 bits, little-endian
//! ```

use crate::error::MessageError;
use crate::wire::{HEADER, VERSION, split_header, words};

const MAGIC: [u8; 4] = *b"AMSK";

/// Where a message names its provider.
pub(crate) const PROVIDER_BYTE: usize = 6;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the requester: one share of the left side of a product.
    Share,
    /// From a provider: its share times the matrix.
    Product,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Which way it goes.
    pub kind: Kind,
    /// The provider it is for or from, 0 or 1.
    pub provider: u8,
    /// Whether the matrix is transposed.
    pub transposed: bool,
    /// The number of the product.
    pub number: u64,
    /// The matrix.
    pub matrix: u32,
    /// The integers, row-major, modulo 2^64.
    pub integers: Vec<u64>,
}

impl Shares {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 8 * self.integers.len());
        let kind = match self.kind {
            Kind::Share => 1,
            Kind::Product => 2,
        };
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, kind, self.provider, self.transposed.into()]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.matrix.to_le_bytes());
        out.extend_from_slice(&(self.integers.len() as u32).to_le_bytes());
        for integer in &self.integers {
            out.extend_from_slice(&integer.to_le_bytes());
        }
        out
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (head, body) = split_header(bytes, MAGIC)?;
        let kind = match head.kind {
            1 => Kind::Share,
            2 => Kind::Product,
            other => return Err(MessageError::Kind(other)),
        };
        let [provider, transposed] = head.flags;
        if provider > 1 || transposed > 1 {
            return Err(MessageError::NotAMessage);
        }
        let words = words::<8>(body, head.count)?;
        Ok(Self {
            kind,
            provider,
            transposed: transposed == 1,
            number: head.number,
            matrix: head.which,
            integers: words.iter().map(|w| u64::from_le_bytes(*w)).collect(),
        })
    }
}
