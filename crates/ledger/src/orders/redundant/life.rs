//! The phases of an order that several providers do at once.

use crate::orders::life::{Late, Mover, Row, Span, allowed, awaited, over};
use crate::{FailureReason, Outcome, Phase};

/// One row for each.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Posted,
        deadline: Some(Span::Assign),
        moves: &[allowed("cancel_order", Mover::Requester)],
        next: &[
            Phase::Asked,
            Phase::Taken,
            Phase::Revealing,
            Phase::Cancelled,
            Phase::Refunded,
        ],
        late: Late::Compares(Outcome::NoProvider),
    },
    Row {
        phase: Phase::Asked,
        deadline: Some(Span::Answer),
        moves: &[
            awaited("answer", Mover::Asked),
            allowed("cancel_order", Mover::Requester),
        ],
        next: &[Phase::Taken, Phase::Posted, Phase::Cancelled],
        late: Late::Unanswered,
    },
    Row {
        phase: Phase::Taken,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Assigned, Phase::Refunded],
        late: Late::Ends(Outcome::NoProvider),
    },
    Row {
        phase: Phase::Assigned,
        deadline: Some(Span::Grant),
        moves: &[
            awaited("grant", Mover::Requester),
            allowed("cancel_order", Mover::Requester),
        ],
        next: &[
            Phase::Running,
            Phase::Revealing,
            Phase::Cancelled,
            Phase::Refunded,
        ],
        late: Late::Compares(Outcome::NotGranted),
    },
    Row {
        phase: Phase::Running,
        deadline: Some(Span::Run),
        moves: &[
            awaited("commit_run", Mover::Provider),
            awaited("decline", Mover::Provider),
        ],
        next: &[Phase::Revealing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Late),
    },
    Row {
        phase: Phase::Revealing,
        deadline: Some(Span::Reveal),
        moves: &[awaited("reveal_run", Mover::Provider)],
        next: &[
            Phase::Delivering,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Committed,
            Phase::Refunded,
        ],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Bisecting,
        deadline: Some(Span::Dispute),
        moves: &[
            awaited("bisect", Mover::Disputants),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Delivering,
            Phase::Committed,
            Phase::Refunded,
        ],
        late: Late::Silence,
    },
    Row {
        phase: Phase::Attesting,
        deadline: Some(Span::Attest),
        moves: &[
            awaited("commit_finding", Mover::Validators),
            awaited("attest", Mover::Validators),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Delivering,
            Phase::Accepted,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Settled,
            Phase::Committed,
            Phase::Refunded,
        ],
        late: Late::Unjudged,
    },
    Row {
        phase: Phase::Delivering,
        deadline: Some(Span::Open),
        moves: &[awaited("deliver", Mover::Provider)],
        next: &[Phase::Accepted, Phase::Refunded],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Accepted,
        deadline: Some(Span::Complain),
        moves: &[
            awaited("accept", Mover::Requester),
            awaited("complain", Mover::Requester),
            awaited("contradict", Mover::Requester),
        ],
        next: &[
            Phase::Settled,
            Phase::Attesting,
            Phase::Accepted,
            Phase::Refunded,
        ],
        late: Late::Ends(Outcome::Paid),
    },
    over(Phase::Settled),
    over(Phase::Cancelled),
    over(Phase::Refunded),
];
