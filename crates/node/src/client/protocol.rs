//! `chain/1`: what nodes ask each other about the chain.
//!
//! Transactions, headers, proofs and blocks travel as the bytes that ledger and chain define, so that
//! this format changes only when the questions do.

use assay_api::{ReceiptProof, ValueProof};
use assay_ledger::{Height, TxId};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::transport::{Manner, Question};

/// What is asked about the chain.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// Put a signed transaction (ledger encoding) into a block.
    SubmitTx {
        /// The transaction's bytes.
        transaction: Vec<u8>,
    },
    /// The newest header with the evidence that it is final.
    Head,
    /// Final blocks from a height on. Where there are none yet, the answer waits for a moment.
    Blocks {
        /// Height of the first.
        first: Height,
    },
    /// The value of a state key with a proof against a certified header.
    Prove {
        /// Key in the ledger's state.
        key: Vec<u8>,
    },
    /// A transaction and its receipt with proofs.
    Receipt {
        /// Name of the transaction.
        tx: TxId,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Response {
    /// The transaction was accepted into the pool (or is known already).
    Submitted {
        /// Its name.
        tx: TxId,
    },
    /// The newest header, chain encoding with evidence; `None` before the first block.
    Head {
        /// The header's bytes.
        header: Option<Vec<u8>>,
    },
    /// Consecutive final blocks.
    Blocks {
        /// Their bytes in order, chain encoding; empty when there are none yet.
        blocks: Vec<Vec<u8>>,
        /// The last one's header with evidence; `None` when there are no blocks.
        evidence: Option<Vec<u8>>,
    },
    /// A value with its proof.
    Proof(ValueProof),
    /// A transaction with its receipt; `None` while it is in no final block.
    Receipt {
        /// Both, with proofs.
        proof: Option<ReceiptProof>,
    },
}

impl Question for Request {
    const PROTOCOL: &'static str = "chain/1";
    type Answer = Response;

    fn name(&self) -> &'static str {
        match self {
            Self::SubmitTx { .. } => "submit_tx",
            Self::Head => "head",
            Self::Blocks { .. } => "blocks",
            Self::Prove { .. } => "prove",
            Self::Receipt { .. } => "receipt",
        }
    }

    fn manner(&self) -> Manner {
        match self {
            Self::Blocks { .. } => Manner::Waits,
            _ => Manner::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::Digest;

    use super::*;
    use crate::transport::{read_answer, request_bytes};

    #[test]
    fn the_format_is_frozen() {
        for (request, bytes) in [
            (
                Request::SubmitTx {
                    transaction: vec![9],
                },
                "000100000009".to_owned(),
            ),
            (Request::Head, "01".to_owned()),
            (
                Request::Blocks { first: Height(5) },
                "020500000000000000".to_owned(),
            ),
            (Request::Prove { key: vec![7] }, "030100000007".to_owned()),
            (
                Request::Receipt {
                    tx: TxId(Digest([1; 32])),
                },
                format!("04{}", "01".repeat(32)),
            ),
        ] {
            let whole = request_bytes(&request).unwrap();
            let expected = format!("07{}{bytes}", hex::encode("chain/1"));
            assert_eq!(hex::encode(whole), expected, "{request:?}");
        }
        let head = read_answer::<Request>(&[0, 1, 0]).unwrap();
        assert_eq!(head, Ok(Response::Head { header: None }));
        assert!(read_answer::<Request>(&[0, 1, 0, 0]).is_err());
    }
}
