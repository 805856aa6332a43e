//! The records of an order with rounds: how far it has come, and each of its trainers.

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::bits::Bits;
use crate::{AccountId, Amount, FileId, Leaf, OrderId, Outcome, Trace};

/// How far an order with rounds has come.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Rounds {
    /// The round under way, or the last one, counted from 0.
    pub round: u16,
    /// Trainers that ever joined: the number of the next one.
    pub numbered: u16,
    /// Trainers that take part now.
    pub present: Bits,
    /// What the steps of the round follow from: from a beacon after everybody in it had joined.
    pub seed: Option<Digest>,
    /// What merging follows from: from a beacon after its updates were fixed.
    pub merge_seed: Option<Digest>,
    /// The model that the round begins with.
    pub model: Option<Model>,
    /// Trainers of the round that have still to send one.
    pub awaited: Bits,
    /// Trainers that sent an update in the round.
    pub sent: Bits,
    /// What each validator holds of those.
    pub holds: Vec<Holds>,
    /// Of the updates that were sent, those that can be had; less those whose trainer was found to have lied.
    pub counted: Bits,
    /// Trainers whose audit has still to end.
    pub audits: Bits,
    /// Trainers that were paid for the round through their audit, or have nothing to get.
    pub settled: Bits,
    /// What validators say the merged model is.
    pub merges: Vec<Merge>,
    /// Trainers below this number are done with when a round ends.
    pub passed: u16,
    /// The round's updates have become the model.
    pub merged: bool,
    /// Rounds in a row that merged nothing, or attempts to make the first model.
    pub unmerged: u16,
    /// How the order ends, once that is decided: as soon as all trainers are let go.
    pub ending: Option<Outcome>,
}

/// A model that everybody can read: its file's key follows from the order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Model {
    /// The file.
    pub file: FileId,
    /// Digest of what is in it.
    pub content: Digest,
    /// Whose records of the file say where it lies.
    pub keepers: Vec<AccountId>,
}

/// What a validator holds of a round's updates.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Holds {
    /// The validator.
    pub validator: AccountId,
    /// The trainers whose updates it has, and found to be what they committed to.
    pub updates: Bits,
}

/// What a validator says that a round's updates make of the model.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Merge {
    /// The validator.
    pub validator: AccountId,
    /// The file of the model.
    pub file: FileId,
    /// Digest of what is in it.
    pub content: Digest,
    /// Whose record of the file says where it lies.
    pub keeper: AccountId,
    /// What that record says of it: root over its slices, their number, and its length's class.
    pub record: (Digest, u32, u64),
}

/// One trainer of an order with rounds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Trainer {
    /// The account.
    pub account: AccountId,
    /// Its number: what it is called in what is computed, never given twice.
    pub number: u16,
    /// Who owned it when it joined.
    pub owner: AccountId,
    /// Where grants to it are sealed: its registered key when it joined.
    pub encryption_key: EncryptionKey,
    /// What is locked of its bond; nothing once it was found to have failed.
    pub bond: Amount,
    /// The file of its rows, which it recorded.
    pub rows: FileId,
    /// Digest of the rows.
    pub content: Digest,
    /// The first round that it takes part in.
    pub since: u16,
    /// It goes when the round ends.
    pub leaving: bool,
    /// Rounds in a row in which it sent nothing.
    pub missed: u8,
    /// Rounds whose work stands, and was paid.
    pub stood: u32,
    /// What it sent in the round under way, or last.
    pub sent: Option<Sent>,
}

/// What a trainer sent in a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Sent {
    /// Which round.
    pub round: u16,
    /// Its steps; the result is the file of the update, which everybody can read.
    pub trace: Trace,
    /// Leaf 0 and the last leaf.
    pub opened: Vec<Leaf>,
    /// What the update hashes to: the state in the last leaf.
    pub update: Tiled,
    /// The order in which its steps are audited, if it was drawn.
    pub audit: Option<OrderId>,
}

/// What an order is the audit of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AuditOf {
    /// The order with rounds.
    pub order: OrderId,
    /// Who posted that.
    pub requester: AccountId,
    /// The round.
    pub round: u16,
    /// The trainer's number.
    pub trainer: u16,
    /// Whose records say where the model lies that the round began with.
    pub keepers: Vec<AccountId>,
}

impl OrderId {
    /// The order in which a trainer's steps of a round are audited. No posted order has this name.
    pub fn of_audit(order: OrderId, round: u16, trainer: u16) -> OrderId {
        let parts: [&[u8]; 3] = [&order.0.0, &round.to_le_bytes(), &trainer.to_le_bytes()];
        OrderId(Digest::of("assay/order/audit/v1", &parts))
    }
}
