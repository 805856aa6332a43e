//! The bodies of the JSON API.
//!
//! Amounts are whole micro-tokens, heights and counts whole numbers, names lower-case
//! hexadecimal. Where a body carries a ledger record unchanged, its field is called `record`.

use assay_crypto::{Digest, PublicKey};
use assay_ledger::{
    Amount, Call, Event, FileGrant, FileRecord, Offer, Order, OrderId, Parameters, Phase, Role,
    TxId, query::Supply,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod convert;

/// Every answer that is not 2xx has this body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What was wrong.
    pub error: String,
    /// What to do about it; empty when there is nothing more to say.
    pub hint: String,
}

/// `GET /v1/status`: the node and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Name of the network for people.
    pub chain_name: String,
    /// Name of the network: digest of its genesis.
    #[schema(value_type = String)]
    pub chain_id: Digest,
    /// The node's account.
    #[schema(value_type = String)]
    pub node: PublicKey,
    /// What the node does.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// The newest final block.
    pub head: HeadView,
    /// Milliseconds since that block's timestamp, by the node's clock.
    pub age_ms: u64,
    /// Nodes whose address is known.
    pub peers: u64,
    /// Whether the node does what it is for: it follows the chain, and its roles are offered.
    #[serde(default)]
    pub ready: bool,
    /// Whether nothing is in its way.
    #[serde(default = "yes")]
    pub healthy: bool,
    /// What is in its way, in plain words.
    #[serde(default)]
    pub problems: Vec<String>,
    /// The node's clock, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub clock_ms: u64,
    /// The node's clock less the network's in milliseconds, where blocks tell.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
}

fn yes() -> bool {
    true
}

/// A block in brief.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeadView {
    /// Height; 0 is the genesis.
    pub height: u64,
    /// Digest of the header.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Digest of the parent's header.
    #[schema(value_type = String)]
    pub parent: Digest,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Root of the state after the block.
    #[schema(value_type = String)]
    pub state_root: Digest,
    /// Root of its transactions.
    #[schema(value_type = String)]
    pub tx_root: Digest,
    /// Root of what executing them gave.
    #[schema(value_type = String)]
    pub receipts_root: Digest,
}

/// `GET /v1/blocks/{height}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BlockView {
    /// The block in brief.
    pub head: HeadView,
    /// What happened before the first transaction: draws, missed deadlines, freed bonds.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Event>,
    /// Its transactions with what became of them.
    pub transactions: Vec<TransactionView>,
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TransactionView {
    /// Its name.
    #[schema(value_type = String)]
    pub tx: TxId,
    /// Who signed and paid.
    #[schema(value_type = String)]
    pub sender: PublicKey,
    /// Its place in the sender's sequence.
    pub nonce: u64,
    /// Fee in micro-tokens.
    #[schema(value_type = u64)]
    pub fee: Amount,
    /// Name of the call.
    pub kind: String,
    /// The call.
    #[schema(value_type = Object)]
    pub call: Call,
    /// What became of it.
    pub outcome: OutcomeView,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// Whether it took effect.
    pub applied: bool,
    /// Why not; absent when it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
    /// What it brought about.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Event>,
}

/// `GET /v1/tx/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxId,
    /// Height of its block.
    pub height: u64,
    /// Place in the block.
    pub index: u32,
    /// Fee paid, in micro-tokens.
    #[schema(value_type = u64)]
    pub fee: Amount,
    /// What became of it.
    pub outcome: OutcomeView,
}

/// `GET /v1/accounts/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The account.
    #[schema(value_type = String)]
    pub account: PublicKey,
    /// What it can spend, in micro-tokens.
    #[schema(value_type = u64)]
    pub balance: Amount,
    /// The nonce its next transaction must carry.
    pub nonce: u64,
    /// Its roles and bonds.
    pub roles: Vec<RoleView>,
}

/// An account in a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    /// The account.
    #[schema(value_type = String)]
    pub account: PublicKey,
    /// The role.
    #[schema(value_type = String)]
    pub role: Role,
    /// The whole bond, in micro-tokens.
    #[schema(value_type = u64)]
    pub bond: Amount,
    /// The part locked by orders under way, in micro-tokens.
    #[schema(value_type = u64)]
    pub locked: Amount,
    /// Where peers reach it.
    pub address: String,
    /// Whether it is on its way out.
    pub leaving: bool,
    /// What orders it takes, of a provider or an auditor.
    #[schema(value_type = Object)]
    pub offer: Option<Offer>,
    /// Orders under way that lock a part of the bond.
    pub serving: u16,
    /// Open lists of those who are asked to take part in an order, with it among them.
    pub asked: u16,
    /// Times that it was asked to take part in an order and did not answer.
    pub missed: u32,
    /// It did not answer: drawn no more until it offers again.
    pub suspended: bool,
}

/// An order in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderSummary {
    /// The order.
    #[schema(value_type = String)]
    pub order: OrderId,
    /// Kind of job.
    pub kind: String,
    /// Whose move it is.
    #[schema(value_type = String)]
    pub phase: Phase,
    /// Who pays.
    #[schema(value_type = String)]
    pub requester: PublicKey,
    /// Who works on it in this attempt.
    #[schema(value_type = Option<String>)]
    pub provider: Option<PublicKey>,
    /// Price in micro-tokens.
    #[schema(value_type = u64)]
    pub price: Amount,
    /// Height at which it was posted.
    pub posted: u64,
    /// Height of its last change.
    pub updated: u64,
    /// Ledger time at which the phase ends by itself, in milliseconds.
    pub deadline_ms: u64,
    /// Attempts that came to nothing.
    pub failures: u64,
}

/// `GET /v1/orders`: at most [`MAX_LISTED`] orders, latest change first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderList {
    /// The orders.
    pub orders: Vec<OrderSummary>,
    /// Whether there may be more that fit the question.
    pub more: bool,
}

/// `GET /v1/orders/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderDetail {
    /// The order in brief.
    pub summary: OrderSummary,
    /// The ledger's record.
    #[schema(value_type = Object)]
    pub record: Order,
}

/// `GET /v1/orders/{id}/progress`: how far a provider is with an order. Told by the provider itself: good for a progress bar,
/// never for money.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
    ToSchema,
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

/// Most entries of a list.
pub const MAX_LISTED: usize = 500;

/// `GET /v1/files/{id}`: a file's records, one per owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FileList {
    /// The ledger's records.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<FileRecord>,
    /// Whether there are more that fit the question.
    pub more: bool,
}

/// `GET /v1/grants`: who may use whose files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GrantList {
    /// The ledger's records, those that are over included.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<FileGrant>,
    /// Whether there are more that fit the question.
    pub more: bool,
}

/// `GET /v1/network`: who is there and where the money is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Name of the network for people.
    pub chain_name: String,
    /// Name of the network: digest of its genesis.
    #[schema(value_type = String)]
    pub chain_id: Digest,
    /// Everybody with a role.
    pub members: Vec<RoleView>,
    /// Where all the money is.
    #[schema(value_type = Object)]
    pub supply: Supply,
    /// The numbers the network agrees on.
    #[schema(value_type = Object)]
    pub parameters: Parameters,
}

/// Body of `POST /v1/tx`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The signed transaction's bytes in hexadecimal.
    pub transaction: String,
}

/// Answer of `POST /v1/tx`: on its way, not yet in a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// The transaction's name.
    #[schema(value_type = String)]
    pub tx: TxId,
}

/// `GET /v1/prove/{key}`: all in hexadecimal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProofView {
    /// The key asked for.
    pub key: String,
    /// Its value; absent when the proof shows that there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Proof of presence or absence, ledger encoding.
    pub proof: String,
    /// Certified header whose state root the proof leads to, chain encoding.
    pub header: String,
}

/// `GET /v1/tx/{id}/proof`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptProofView {
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxId,
    /// Transaction, receipt, paths and certified header in borsh, hexadecimal.
    pub proof: String,
}
