//! The messages of `assay/1`: one [`Request`] and one [`Response`] per stream, borsh encoded.
//!
//! Larger things that belong to other rooms (transactions, headers, proofs, blocks) travel as
//! the bytes those rooms define, so that this format changes only when a conversation does.

use assay_crypto::Digest;
use assay_ledger::{Height, OrderId, TxId};
use assay_vault::wire as vault;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::split::Terms;

pub use super::proof::{BadProof, ReceiptProof, ValueProof};

/// Longest explanation in a refusal, in bytes.
const MAX_REASON: usize = 1024;

/// What one node asks of another.
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
    /// For the storage node.
    Vault(vault::Request),
    /// How far the order's provider is.
    Progress {
        /// The order.
        order: OrderId,
    },
    /// Opens a session of split training.
    Split(Terms),
}

impl Request {
    /// Whether the stream stays open behind the answer.
    pub fn opens_conversation(&self) -> bool {
        matches!(self, Self::Split(_))
    }

    /// Whether the answer waits for something that has not happened yet.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Blocks { .. })
    }

    /// Whether only registered accounts may ask this. Transactions carry their own
    /// authorisation, and everything else only reads what is public.
    pub fn needs_registration(&self) -> bool {
        match self {
            Self::Vault(request) => matches!(
                request,
                vault::Request::Put { .. }
                    | vault::Request::Commit { .. }
                    | vault::Request::Delete { .. }
            ),
            _ => false,
        }
    }

    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SubmitTx { .. } => "submit_tx",
            Self::Head => "head",
            Self::Blocks { .. } => "blocks",
            Self::Prove { .. } => "prove",
            Self::Receipt { .. } => "receipt",
            Self::Vault(vault::Request::Free) => "vault_free",
            Self::Vault(vault::Request::Put { .. }) => "vault_put",
            Self::Vault(vault::Request::Get { .. }) => "vault_get",
            Self::Vault(vault::Request::Has { .. }) => "vault_has",
            Self::Vault(vault::Request::Commit { .. }) => "vault_commit",
            Self::Vault(vault::Request::Delete { .. }) => "vault_delete",
            Self::Vault(vault::Request::Room) => "vault_room",
            Self::Vault(vault::Request::Pending { .. }) => "vault_pending",
            Self::Progress { .. } => "progress",
            Self::Split(_) => "split",
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not exactly one request.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        borsh::from_slice(bytes).map_err(Malformed)
    }
}

/// What a node answers.
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
    /// The storage node's answer.
    Vault(vault::Response),
    /// How far an order is; `None` when this node does not work on it.
    Progress {
        /// The latest report.
        progress: Option<ProgressReport>,
    },
    /// The request was understood and turned down.
    Refused {
        /// The kind of refusal.
        refusal: Refusal,
        /// What was wrong and what to do, at most 1 KiB.
        reason: String,
    },
    /// The session is open; its messages follow on the stream.
    Split {
        /// Digest of the terms that were agreed to.
        agreed: Digest,
    },
}

impl Response {
    /// A refusal with its reason, cut to the longest that is sent.
    pub fn refused(refusal: Refusal, reason: impl ToString) -> Self {
        let mut reason = reason.to_string();
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self::Refused { refusal, reason }
    }

    /// Reads a response.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not exactly one response.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        borsh::from_slice(bytes).map_err(Malformed)
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refusal {
    /// The request itself is wrong; sending it again cannot help.
    Invalid,
    /// The thing asked for is not here.
    NotFound,
    /// The asking peer may not ask this.
    NotAllowed,
    /// The transaction's nonce is used up, by itself or by another.
    Spent,
    /// This node does not play the role that answers this.
    NotServed,
    /// Too much is going on or there is no room; another node, or later, may help.
    Busy,
    /// The node failed.
    Failed,
}

/// How far a provider is with an order. Told by the provider itself: good for a progress bar,
/// never for money.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
pub struct ProgressReport {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Of those this process has taken: steps that gave a NaN or infinity and changed nothing.
    pub invalid: u64,
    /// Loss of the latest step in nats per token, for jobs that have one.
    pub loss: Option<f32>,
    /// Tokens (or records) processed per second, for jobs that count them.
    pub per_second: Option<f32>,
}

/// Bytes that are not a message.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are not one message of assay/1; both nodes must run the same version")]
pub struct Malformed(#[source] std::io::Error);
