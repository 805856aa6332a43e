//! The phases of an order with rounds.

use crate::orders::life::{Late, Mover, Row, Span, allowed, awaited, over};
use crate::{Outcome, Phase};

/// Trainers come and go whatever the phase; it counts from the next round on.
const JOIN: crate::Move = allowed("join", Mover::Anybody);
const LEAVE: crate::Move = allowed("leave", Mover::Trainers);

/// One row for each.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Joining,
        deadline: Some(Span::Assign),
        moves: &[JOIN, LEAVE, allowed("cancel_order", Mover::Requester)],
        next: &[Phase::Between],
        late: Late::Begins(Outcome::TooFewTrainers),
    },
    Row {
        phase: Phase::Training,
        deadline: Some(Span::Run),
        moves: &[awaited("commit_update", Mover::Trainers), JOIN, LEAVE],
        next: &[Phase::Gathering, Phase::Between],
        late: Late::Goes("those who have sent nothing miss the round; it goes on with the others"),
    },
    Row {
        phase: Phase::Gathering,
        deadline: Some(Span::Open),
        moves: &[awaited("hold", Mover::Validators), JOIN, LEAVE],
        next: &[Phase::Closed, Phase::Between],
        late: Late::Goes("goes on with what the others hold"),
    },
    Row {
        phase: Phase::Closed,
        deadline: Some(Span::Assign),
        moves: &[JOIN, LEAVE],
        next: &[Phase::Checking, Phase::Closed],
        late: Late::Again,
    },
    Row {
        phase: Phase::Checking,
        deadline: Some(Span::Assign),
        moves: &[JOIN, LEAVE],
        next: &[Phase::Merging, Phase::Between, Phase::Checking],
        late: Late::Goes("goes on waiting for the audits, which have deadlines of their own"),
    },
    Row {
        phase: Phase::Merging,
        deadline: Some(Span::Attest),
        moves: &[awaited("attest_model", Mover::Validators), JOIN, LEAVE],
        next: &[Phase::Between, Phase::Training],
        late: Late::Goes("the round merges nothing: the model stays as it was"),
    },
    Row {
        phase: Phase::Between,
        deadline: Some(Span::Assign),
        moves: &[JOIN, LEAVE],
        next: &[
            Phase::Training,
            Phase::Merging,
            Phase::Settled,
            Phase::Cancelled,
            Phase::Refunded,
            Phase::Between,
        ],
        late: Late::Again,
    },
    over(Phase::Settled),
    over(Phase::Cancelled),
    over(Phase::Refunded),
];
