//! What is refused about orders.

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    AccountId, Amount, Moment, NoContradiction, OrderId, Phase, Place, RunIndex, StepIndex,
};

/// Why a call about an order took no effect.
#[derive(
    Clone, Debug, PartialEq, Eq, Error, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each variant's message says what its fields are"
)]
pub enum OrderRefusal {
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
    #[error("the time for this move of order {order} was over after {deadline}")]
    TooLate { order: OrderId, deadline: Moment },
    #[error("the order has gone on: the move is for {found}, expected is {expected}")]
    OtherPlace { expected: Place, found: Place },
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
    #[error(
        "order {order}: the leaf at step {step} does not count what was said of the run's steps"
    )]
    OtherCounts { order: OrderId, step: StepIndex },
    #[error(
        "order {order}: a run of {steps} steps cannot have come to {worked} computed and {idle} idle ones, {invalid} of them invalid"
    )]
    BadCounts {
        order: OrderId,
        steps: u64,
        worked: u64,
        idle: u64,
        invalid: u64,
    },
    #[error(
        "order {order}: what is revealed, with its salt, is not what this account committed to"
    )]
    CommitmentMismatch { order: OrderId },
    #[error("order {order}: results must list exactly the drawn segments, in ascending order")]
    WrongSegments { order: OrderId },
    #[error("order {order}: {problem}")]
    BadLock { order: OrderId, problem: String },
    #[error(
        "order {order}: the release does not prove that it holds the key to which run {run} is bound, for the order's delivery key"
    )]
    BadRelease { order: OrderId, run: RunIndex },
    #[error("this account has {most} open orders, as many as it may; wait until one is over")]
    TooManyOpen { most: u32 },
    #[error("order {order}: findings are revealed by now, nobody can commit to one any more")]
    FindingsOpen { order: OrderId },
    #[error(
        "order {order}: findings are sealed until a quorum has committed to one or three quarters of the time are over; who has committed reveals first"
    )]
    FindingsSealed { order: OrderId },
    #[error("order {order}: the last state has {length} bytes, and at most {most} can be stored")]
    StateTooLong {
        order: OrderId,
        length: u64,
        most: u64,
    },
    #[error(
        "order {order}: the file of the last state has {expected} slices, and the result is recorded with {found}"
    )]
    OtherSlices {
        order: OrderId,
        expected: u32,
        found: u32,
    },
    #[error("order {order}: the key that is shown is not the one that was released for run {run}")]
    OtherKey { order: OrderId, run: RunIndex },
    #[error("order {order}: nothing shows that the result of run {run} is wrong: {problem}")]
    NothingWrong {
        order: OrderId,
        run: RunIndex,
        problem: NoContradiction,
    },
    #[error("order {order} has {most} trainers, as many as it may, or takes no more")]
    NoPlace { order: OrderId, most: u16 },
    #[error(
        "order {order}: a trainer locks {bond} of its provider's bond, and {free} of it is free; raise the bond with `assay account bond`, or wait until other work is over"
    )]
    TooLittleBond {
        order: OrderId,
        bond: Amount,
        free: Amount,
    },
    #[error(
        "order {order}: this account takes no part in round {round}; it does from the next one on, or has gone"
    )]
    NotInRound { order: OrderId, round: u16 },
    #[error(
        "order {order}: none of these steps changed anything, so they make no update; rows that no model learns from are nobody's work"
    )]
    NothingLearned { order: OrderId },
    #[error(
        "order {order}: this account serves {orders} orders, as many as it offers; wait until one is over, or offer more with `assay offer set`"
    )]
    NoSlot { order: OrderId, orders: u32 },
    #[error(
        "order {order}: the rows are recorded with up to {class} bytes, and a trainer of it has at most {most}"
    )]
    RowsTooLong {
        order: OrderId,
        class: u64,
        most: u64,
    },
    #[error(
        "order {order}: the last state has {found} bytes, and every update has {expected}: it is none"
    )]
    NoUpdate {
        order: OrderId,
        expected: u32,
        found: u64,
    },
    #[error(
        "order {order}: the set of updates that are held names trainers that have sent none in this round, or is not written in the one way there is"
    )]
    NotSent { order: OrderId },
    #[error(
        "order {order}: the key is dealt under other encryption keys than the validators have now, which are {expected}; deal it again"
    )]
    OtherKeys { order: OrderId, expected: Digest },
    #[error("order {order}: the key cannot be dealt like this: {problem}")]
    BadDealing { order: OrderId, problem: String },
    #[error(
        "order {order}: this is not the share that the points of the dealing fix for this validator"
    )]
    BadShare { order: OrderId },
    #[error(
        "order {order}: only who has a bond in some role may challenge a score; register first"
    )]
    NotBonded { order: OrderId },
    #[error("order {order}: this is the score that the claim has")]
    SameScore { order: OrderId },
    #[error("order {order}: {expected} claims are scored here, and the call has {found} scores")]
    OtherScores {
        order: OrderId,
        expected: u32,
        found: u32,
    },
}

fn list(steps: &[StepIndex]) -> String {
    steps
        .iter()
        .map(StepIndex::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
