//! Blocks: a header and the encoded transactions it commits to.

use assay_crypto::{Digest, merkle};

use crate::header::{HEADER_BYTES, Header, HeaderError};

/// Largest encoded block, header included.
pub const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 8_192;

const LEAF_DOMAIN: &str = "assay/block-tx/v1";

/// A header and its transactions as the senders encoded them.
///
/// Transactions stay bytes here: a block is hashed, sent and stored far more often than it is
/// executed, and whether a transaction parses is part of executing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header; its `tx_root` commits to `transactions`.
    pub header: Header,
    /// Encoded signed transactions, in execution order.
    pub transactions: Vec<Vec<u8>>,
}

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The header does not decode.
    #[error("the block header is malformed")]
    Header(#[from] HeaderError),
    /// The bytes stop in the middle of a field.
    #[error("the block ends early, at byte {0}: fetch it again")]
    Truncated(usize),
    /// More than [`MAX_BLOCK_BYTES`].
    #[error("a block is at most {MAX_BLOCK_BYTES} bytes, got {0}")]
    TooLarge(usize),
    /// More than [`MAX_BLOCK_TRANSACTIONS`].
    #[error("a block holds at most {MAX_BLOCK_TRANSACTIONS} transactions, got {0}")]
    TooMany(usize),
    /// An empty transaction, or one above [`assay_ledger::MAX_TX_BYTES`].
    #[error("transaction {index} of the block has {length} bytes, outside the allowed size")]
    TransactionSize {
        /// Position in the block.
        index: usize,
        /// Its claimed length.
        length: usize,
    },
    /// Bytes after the last transaction.
    #[error("{0} bytes follow the last transaction of the block")]
    Trailing(usize),
}

impl Block {
    /// Bytes a transaction of `length` bytes adds to an encoded block.
    pub(crate) const fn transaction_cost(length: usize) -> usize {
        4 + length
    }

    /// Bytes of a block without transactions.
    pub(crate) const EMPTY_BYTES: usize = HEADER_BYTES + 4;

    /// Length of [`Self::to_bytes`].
    pub fn encoded_len(&self) -> usize {
        let transactions: usize = self
            .transactions
            .iter()
            .map(|tx| Self::transaction_cost(tx.len()))
            .sum();
        Self::EMPTY_BYTES + transactions
    }

    /// The canonical bytes: header, count, then each transaction behind its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&self.header.to_bytes());
        out.extend_from_slice(&length_prefix(self.transactions.len()));
        for transaction in &self.transactions {
            out.extend_from_slice(&length_prefix(transaction.len()));
            out.extend_from_slice(transaction);
        }
        out
    }

    /// Reads the canonical bytes; every length is checked before anything is allocated for it.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLarge(bytes.len()));
        }
        let mut reader = Reader { bytes, at: 0 };
        let header = Header::decode(reader.take(HEADER_BYTES)?)?;
        let count = reader.length()?;
        if count > MAX_BLOCK_TRANSACTIONS {
            return Err(BlockError::TooMany(count));
        }
        let mut transactions = Vec::with_capacity(count);
        for index in 0..count {
            let length = reader.length()?;
            if length == 0 || length > assay_ledger::MAX_TX_BYTES {
                return Err(BlockError::TransactionSize { index, length });
            }
            transactions.push(reader.take(length)?.to_vec());
        }
        match bytes.len() - reader.at {
            0 => Ok(Self {
                header,
                transactions,
            }),
            trailing => Err(BlockError::Trailing(trailing)),
        }
    }

    /// The root the header must carry for these transactions.
    pub fn tx_root(transactions: &[Vec<u8>]) -> Digest {
        merkle::root(transactions.iter().map(|tx| transaction_leaf(tx)).collect())
    }
}

/// Leaf of an encoded transaction under `tx_root`.
pub(crate) fn transaction_leaf(encoded: &[u8]) -> Digest {
    Digest::of(LEAF_DOMAIN, &[encoded])
}

/// Lengths here are bounded far below `u32::MAX`; saturating keeps the encoder total, and the
/// decoder refuses what it would give.
fn length_prefix(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let end = self
            .at
            .checked_add(length)
            .ok_or(BlockError::Truncated(self.at))?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(BlockError::Truncated(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, BlockError> {
        let taken = self.take(4)?;
        let mut word = [0u8; 4];
        word.copy_from_slice(taken);
        Ok(u32::from_le_bytes(word) as usize)
    }
}
