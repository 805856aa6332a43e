//! Proofs on their way between nodes, and in the JSON API as hexadecimal.
//!
//! The parts keep the encodings that ledger and chain give them; nothing here says that a proof
//! holds. [`assay_chain::light::LightClient`] does.

use assay_chain::light::{CertifiedHeader, LightError, ProvenTransaction, ProvenValue};
use assay_crypto::merkle;
use assay_ledger::{Receipt, root};
use borsh::{BorshDeserialize, BorshSerialize};

/// A value of the state, or its absence, with a proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ValueProof {
    /// The value; `None` when the key is absent.
    pub value: Option<Vec<u8>>,
    /// Proof of presence or absence, ledger encoding.
    pub proof: Vec<u8>,
    /// The header whose state root the proof leads to, with evidence, chain encoding.
    pub header: Vec<u8>,
}

/// A transaction and its receipt with proofs of both.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReceiptProof {
    /// The transaction's bytes.
    pub transaction: Vec<u8>,
    /// What became of it.
    pub receipt: Receipt,
    /// Its place in the block.
    pub index: u32,
    /// Transactions in the block.
    pub count: u32,
    /// Path to the header's root of transactions.
    pub path: merkle::Path,
    /// Path to the header's root of receipts.
    pub receipt_path: merkle::Path,
    /// The block's header with evidence, chain encoding.
    pub header: Vec<u8>,
}

/// Bytes that are not a proof.
#[derive(Debug, thiserror::Error)]
pub enum BadProof {
    /// The header or its evidence does not decode.
    #[error("the header of the proof is malformed")]
    Header(#[source] LightError),
    /// The proof itself does not decode.
    #[error("the proof is malformed")]
    Proof(#[source] std::io::Error),
}

impl From<ProvenValue> for ValueProof {
    fn from(proven: ProvenValue) -> Self {
        Self {
            value: proven.value,
            // Writing to memory does not fail.
            proof: borsh::to_vec(&proven.proof).unwrap_or_default(),
            header: proven.header.to_bytes(),
        }
    }
}

impl ValueProof {
    /// The parts, still to be verified.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn parts(self) -> Result<ProvenValue, BadProof> {
        Ok(ProvenValue {
            value: self.value,
            proof: root::Proof::decode(&self.proof).map_err(BadProof::Proof)?,
            header: CertifiedHeader::decode(&self.header).map_err(BadProof::Header)?,
        })
    }
}

impl From<ProvenTransaction> for ReceiptProof {
    fn from(proven: ProvenTransaction) -> Self {
        Self {
            transaction: proven.transaction,
            receipt: proven.receipt,
            index: proven.index,
            count: proven.count,
            path: proven.path,
            receipt_path: proven.receipt_path,
            header: proven.header.to_bytes(),
        }
    }
}

impl ReceiptProof {
    /// Reads exactly one proof.
    ///
    /// # Errors
    /// [`BadProof::Proof`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadProof> {
        borsh::from_slice(bytes).map_err(BadProof::Proof)
    }

    /// The parts, still to be verified.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn parts(self) -> Result<ProvenTransaction, BadProof> {
        Ok(ProvenTransaction {
            transaction: self.transaction,
            receipt: self.receipt,
            index: self.index,
            count: self.count,
            path: self.path,
            receipt_path: self.receipt_path,
            header: CertifiedHeader::decode(&self.header).map_err(BadProof::Header)?,
        })
    }
}
