//! The phases of an order that one provider does at a time.

use crate::orders::life::{Late, Mover, Row, Span, allowed, awaited, over};
use crate::{FailureReason, Outcome, Phase, SlashReason};

/// One row for each.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Posted,
        deadline: Some(Span::Assign),
        moves: &[allowed("cancel_order", Mover::Requester)],
        next: &[Phase::Asked, Phase::Cancelled, Phase::Refunded],
        late: Late::Ends(Outcome::NoProvider),
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
        next: &[Phase::Running, Phase::Cancelled, Phase::Refunded],
        late: Late::Ends(Outcome::NotGranted),
    },
    Row {
        phase: Phase::Running,
        deadline: Some(Span::Run),
        moves: &[
            awaited("commit_trace", Mover::Provider),
            awaited("decline", Mover::Provider),
        ],
        next: &[
            Phase::Committed,
            Phase::Attesting,
            Phase::Posted,
            Phase::Refunded,
        ],
        late: Late::Fails(FailureReason::Late),
    },
    Row {
        phase: Phase::Committed,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[
            Phase::Called,
            Phase::Opening,
            Phase::Committed,
            Phase::Delivering,
        ],
        late: Late::Validators,
    },
    Row {
        phase: Phase::Called,
        deadline: Some(Span::Answer),
        moves: &[awaited("answer", Mover::Asked)],
        next: &[Phase::Seated, Phase::Committed],
        late: Late::Unanswered,
    },
    Row {
        phase: Phase::Seated,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Opening, Phase::Seated],
        late: Late::Again,
    },
    Row {
        phase: Phase::Opening,
        deadline: Some(Span::Open),
        moves: &[
            awaited("open_starts", Mover::Provider),
            awaited("grant", Mover::Provider),
            allowed("grant", Mover::Requester),
        ],
        next: &[Phase::Auditing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Auditing,
        deadline: Some(Span::Audit),
        moves: &[
            awaited("commit_audit", Mover::Auditors),
            allowed("grant", Mover::Requester),
        ],
        next: &[Phase::Closing, Phase::Committed, Phase::Delivering],
        late: Late::Seats(SlashReason::NoCommitment),
    },
    Row {
        phase: Phase::Closing,
        deadline: Some(Span::Open),
        moves: &[awaited("open_ends", Mover::Provider)],
        next: &[Phase::Revealing, Phase::Posted, Phase::Refunded],
        late: Late::Fails(FailureReason::Withheld),
    },
    Row {
        phase: Phase::Revealing,
        deadline: Some(Span::Reveal),
        moves: &[awaited("reveal_audit", Mover::Auditors)],
        next: &[
            Phase::Delivering,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Committed,
        ],
        late: Late::Seats(SlashReason::NoReveal),
    },
    Row {
        phase: Phase::Bisecting,
        deadline: Some(Span::Dispute),
        moves: &[
            awaited("bisect", Mover::Disputants),
            awaited("grant", Mover::Holders),
        ],
        next: &[
            Phase::Attesting,
            Phase::Bisecting,
            Phase::Committed,
            Phase::Delivering,
            Phase::Posted,
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
            Phase::Posted,
            Phase::Settled,
            Phase::Committed,
            Phase::Delivering,
            Phase::Bisecting,
            Phase::Attesting,
            Phase::Refunded,
        ],
        late: Late::Unjudged,
    },
    Row {
        phase: Phase::Delivering,
        deadline: Some(Span::Open),
        moves: &[awaited("deliver", Mover::Provider)],
        next: &[
            Phase::Accepted,
            Phase::Settled,
            Phase::Posted,
            Phase::Refunded,
        ],
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
            Phase::Posted,
            Phase::Refunded,
        ],
        late: Late::Ends(Outcome::Paid),
    },
    over(Phase::Settled),
    over(Phase::Cancelled),
    over(Phase::Refunded),
];
