//! Messages between requester and provider in the plain split.
//!
//! ```text
//! byte   0..4   "ASPL"
//!        4      version, 1
//!        5      kind: 1 values, 2 abandon
//!        6..8   zero
//!        8..16  exchange, little-endian
//!       16..20  tensor (zero in an abandon message)
//!       20..24  number of values (zero in an abandon message)
//!       24..    values, f32, little-endian, all finite
//! ```
//!
//! A message has one encoding. Decoding allocates no more than the bytes it is given; whoever
//! carries messages refuses longer ones than [`Split::longest_message`](crate::Split::longest_message).

use crate::error::MessageError;

/// Bytes before the values.
pub const HEADER: usize = 24;
/// The version of the encoding.
pub const VERSION: u8 = 1;

const MAGIC: [u8; 4] = *b"ASPL";

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A tensor that one side made and the other reads.
    Values {
        /// Which run of the step it belongs to.
        exchange: u64,
        /// Its index in the graph.
        tensor: u32,
        /// Its values, row-major.
        values: Vec<f32>,
    },
    /// The sender goes no further with this exchange.
    Abandon {
        /// Which run of the step.
        exchange: u64,
    },
}

impl Message {
    /// Its bytes. A message cannot hold more than `u32::MAX` values, which no step has.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, exchange, tensor, values): (u8, u64, u32, &[f32]) = match self {
            Self::Values {
                exchange,
                tensor,
                values,
            } => (1, *exchange, *tensor, values),
            Self::Abandon { exchange } => (2, *exchange, 0, &[]),
        };
        let mut out = Vec::with_capacity(HEADER + 4 * values.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, kind, 0, 0]);
        out.extend_from_slice(&exchange.to_le_bytes());
        out.extend_from_slice(&tensor.to_le_bytes());
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        for value in values {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (head, body) = split_header(bytes, MAGIC)?;
        let (kind, exchange) = (head.kind, head.number);
        if head.flags != [0, 0] {
            return Err(MessageError::Kind(kind));
        }
        match kind {
            1 => {
                let words = words::<4>(body, head.count)?;
                let values: Vec<f32> = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
                if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                    return Err(MessageError::NotFinite(at));
                }
                Ok(Self::Values {
                    exchange,
                    tensor: head.which,
                    values,
                })
            }
            2 if head.which == 0 => {
                words::<4>(body, head.count)?;
                match head.count {
                    0 => Ok(Self::Abandon { exchange }),
                    _ => Err(MessageError::Kind(2)),
                }
            }
            _ => Err(MessageError::Kind(kind)),
        }
    }
}

/// The fields that both protocols have.
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) flags: [u8; 2],
    pub(crate) number: u64,
    pub(crate) which: u32,
    pub(crate) count: u32,
}

/// Reads magic, version and fields; returns them with what follows.
pub(crate) fn split_header(bytes: &[u8], magic: [u8; 4]) -> Result<(Head, &[u8]), MessageError> {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(MessageError::TooShort(bytes.len()));
    };
    let [a, b, c, d, version, kind, x, y, rest @ ..] = *header;
    if [a, b, c, d] != magic {
        return Err(MessageError::NotAMessage);
    }
    if version != VERSION {
        return Err(MessageError::Version(version));
    }
    let number = |at: std::ops::Range<usize>| {
        let bytes = rest[at].iter().rev();
        bytes.fold(0u64, |n, byte| n << 8 | u64::from(*byte))
    };
    let head = Head {
        kind,
        flags: [x, y],
        number: number(0..8),
        which: number(8..12) as u32,
        count: number(12..16) as u32,
    };
    Ok((head, body))
}

/// The `count` words that `body` must consist of.
pub(crate) fn words<const N: usize>(body: &[u8], count: u32) -> Result<&[[u8; N]], MessageError> {
    match body.as_chunks::<N>() {
        (words, []) if words.len() as u64 == u64::from(count) => Ok(words),
        _ => Err(MessageError::Length {
            announced: count,
            found: body.len(),
        }),
    }
}
