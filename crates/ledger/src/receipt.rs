//! What became of each transaction of a block.

use assay_crypto::{Digest, merkle};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Amount, Event, Refusal, TxId};

/// What became of a transaction that is in a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Receipt {
    /// The transaction.
    pub tx: TxId,
    /// The fee it paid.
    pub fee: Amount,
    /// Whether its call took effect.
    pub status: Status,
    /// What it brought about; empty when refused.
    pub events: Vec<Event>,
}

/// Whether a call took effect.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It did.
    Applied,
    /// It did not, for this reason; nothing but fee and nonce changed.
    Refused(Refusal),
}

/// All that a block brought about.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct BlockReceipts {
    /// What happened before the first transaction: draws, missed deadlines, freed bonds.
    pub events: Vec<Event>,
    /// One receipt for each transaction, in order.
    pub receipts: Vec<Receipt>,
}

impl BlockReceipts {
    /// The tree under the header's `receipts_root`: leaf 0 holds the block's own events, leaf
    /// `i + 1` the receipt of transaction `i`.
    pub fn tree(&self) -> merkle::Tree {
        let mut leaves = vec![leaf(&self.events)];
        leaves.extend(self.receipts.iter().map(Receipt::leaf));
        merkle::Tree::new(leaves)
    }
}

impl Receipt {
    /// The receipt's leaf under the header's `receipts_root`.
    pub fn leaf(&self) -> Digest {
        leaf(self)
    }
}

fn leaf<T: BorshSerialize>(value: &T) -> Digest {
    // Serialising into memory cannot fail.
    Digest::of(
        "assay/receipt/v1",
        &[&borsh::to_vec(value).unwrap_or_default()],
    )
}
