//! Why a call took no effect.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountId, Amount, FileId, OrderId, Phase, Role, StepIndex};

/// Why a call took no effect, in words its sender can act on.
#[derive(
    Clone, Debug, PartialEq, Eq, Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum Refusal {
    #[error("the balance is {balance}, the call takes {needed}; get more or spend less")]
    InsufficientBalance { balance: Amount, needed: Amount },
    #[error("{account} is not a public key; check for a typing error")]
    NotAKey { account: AccountId },
    #[error("the amount is zero")]
    ZeroAmount,
    #[error("an amount overflows; use smaller numbers")]
    Overflow,
    #[error("a {role} bonds at least {min}; with this call the bond would be {bond}")]
    BondTooSmall {
        role: Role,
        bond: Amount,
        min: Amount,
    },
    #[error("the validators of this network are fixed by its genesis; take another role")]
    ValidatorsAreFixed,
    #[error("{account} is not registered as {role}")]
    NotRegistered { account: AccountId, role: Role },
    #[error("the file record names {owner} as owner, but another account sends it")]
    NotOwner { owner: AccountId },
    #[error("file {file}: {problem}")]
    BadFile { file: FileId, problem: FileProblem },
    #[error("{owner} has recorded no file {file}; record it first")]
    UnknownFile { file: FileId, owner: AccountId },
    #[error("there is no order {order}")]
    UnknownOrder { order: OrderId },
    #[error("the terms cannot be an order's: {problem}")]
    BadTerms { problem: String },
    #[error("order {order} is {phase}: {call} is not possible then")]
    WrongPhase {
        order: OrderId,
        phase: Phase,
        call: String,
    },
    #[error("this move of order {order} belongs to {belongs}")]
    NotYourMove { order: OrderId, belongs: String },
    #[error("order {order}: this was done already and cannot be changed")]
    AlreadyDone { order: OrderId },
    #[error("order {order}: {grantee} takes no part in which it could be granted keys now")]
    NotAGrantee { order: OrderId, grantee: AccountId },
    #[error("order {order} has {expected} segments, the call lists {found} checkpoints")]
    CheckpointCount {
        order: OrderId,
        expected: u32,
        found: u32,
    },
    #[error(
        "order {order}: open exactly the leaves of these steps, in this order: {}",
        list(expected)
    )]
    WrongOpenings {
        order: OrderId,
        expected: Vec<StepIndex>,
    },
    #[error("order {order}: the path of the leaf at step {step} does not lead to the trace's root")]
    BadPath { order: OrderId, step: StepIndex },
    #[error("order {order}: results and salt do not give the commitment of this auditor")]
    CommitmentMismatch { order: OrderId },
    #[error("order {order}: results must list exactly the drawn segments, in ascending order")]
    WrongSegments { order: OrderId },
}

fn list(steps: &[StepIndex]) -> String {
    steps
        .iter()
        .map(StepIndex::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What is wrong with a file record.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Error,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FileProblem {
    /// No node holds it.
    #[error("no storage node is named; place it on at least one")]
    NoPlacement,
    /// A node is named twice.
    #[error("a storage node is named twice")]
    RepeatedNode,
    /// A node is no storage node.
    #[error("a node that is named is not registered as storage node")]
    NotStorage,
    /// The owner has recorded another content under this name.
    #[error("it is recorded already with another content; only name and placement can change")]
    OtherContent,
}
