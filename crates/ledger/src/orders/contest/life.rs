//! The phases of a contest.

use crate::orders::life::{Late, Mover, Row, Span, allowed, awaited, over};
use crate::{Outcome, Phase};

const CANCEL: crate::Move = allowed("cancel_order", Mover::Requester);

/// One row for each.
pub(crate) const LIFE: &[Row] = &[
    Row {
        phase: Phase::Dealing,
        deadline: Some(Span::Grant),
        moves: &[awaited("deal_key", Mover::Requester), CANCEL],
        next: &[Phase::Holding, Phase::Cancelled, Phase::Refunded],
        late: Late::Ends(Outcome::NotGranted),
    },
    Row {
        phase: Phase::Holding,
        deadline: Some(Span::Open),
        moves: &[awaited("check_share", Mover::Validators)],
        next: &[Phase::Joining, Phase::Refunded],
        late: Late::Ends(Outcome::NotHeld),
    },
    Row {
        phase: Phase::Joining,
        deadline: Some(Span::Assign),
        moves: &[
            allowed("claim", Mover::Anybody),
            allowed("leave", Mover::Claimants),
            CANCEL,
        ],
        next: &[Phase::Taken, Phase::Between],
        late: Late::Begins(Outcome::TooFewTrainers),
    },
    Row {
        phase: Phase::Taken,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Claiming, Phase::Taken],
        late: Late::Again,
    },
    Row {
        phase: Phase::Claiming,
        deadline: Some(Span::Run),
        moves: &[awaited("commit_run", Mover::Claimants)],
        next: &[Phase::Sealed, Phase::Between],
        late: Late::Goes(
            "who has committed to nothing loses `late_rate` of its locked bond and is out; it goes on with the others",
        ),
    },
    Row {
        phase: Phase::Sealed,
        deadline: Some(Span::Reveal),
        moves: &[awaited("reveal_run", Mover::Claimants)],
        next: &[Phase::TestOpen, Phase::Between],
        late: Late::Goes(
            "who has not shown its run loses its locked bond and is out; it goes on with the others",
        ),
    },
    Row {
        phase: Phase::TestOpen,
        deadline: Some(Span::Open),
        moves: &[awaited("open_share", Mover::Validators)],
        next: &[Phase::Validating, Phase::Closed],
        late: Late::Goes(WITHOUT),
    },
    Row {
        phase: Phase::Validating,
        deadline: Some(Span::Attest),
        moves: &[
            awaited("commit_finding", Mover::Validators),
            awaited("reveal_scores", Mover::Validators),
        ],
        next: &[Phase::Verifying, Phase::Closed],
        late: Late::Goes(
            "the medians of what was shown count; with fewer than a quorum it goes on without scores",
        ),
    },
    Row {
        phase: Phase::Verifying,
        deadline: Some(Span::Complain),
        moves: &[allowed("challenge_score", Mover::Anybody)],
        next: &[Phase::Closed, Phase::Recounting],
        late: Late::Goes("the scores stand"),
    },
    Row {
        phase: Phase::Recounting,
        deadline: Some(Span::Attest),
        moves: &[
            awaited("commit_finding", Mover::Validators),
            awaited("reveal_scores", Mover::Validators),
        ],
        next: &[Phase::Verifying],
        late: Late::Goes("the score stands, and who doubted it has its deposit back"),
    },
    Row {
        phase: Phase::Closed,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Checking, Phase::Between, Phase::Closed],
        late: Late::Again,
    },
    Row {
        phase: Phase::Checking,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[Phase::Closed, Phase::Checking],
        late: Late::Goes("goes on waiting for the audits, which have deadlines of their own"),
    },
    Row {
        phase: Phase::Between,
        deadline: Some(Span::Assign),
        moves: &[],
        next: &[
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

const WITHOUT: &str = "goes on without scores: every claim is audited, and those that stand share the claimants' part";
