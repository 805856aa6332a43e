//! The life of an order as a table: one row for each phase of a procedure.
//!
//! The rows are not only documentation. Entering a phase takes its deadline from its row, a call
//! that stands in no row of the phase is refused, and so is one by anybody but the mover that the
//! row names. `docs/ledger.md` shows the same tables; a test compares them.

use std::fmt;

use crate::{
    AccountId, Claim, Deadlines, FailureReason, Order, Outcome, Parameters, Phase, Seat,
    SlashReason, Trainer,
};

use super::procedure::Sender;

/// One phase of a procedure.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The phase.
    pub phase: Phase,
    /// How long it lasts; `None` for a phase that is final.
    pub deadline: Option<Span>,
    /// Who may do what in it.
    pub moves: &'static [Move],
    /// Every phase that can follow, the usual one first: by a move, a draw or a verdict, or because
    /// its time passes.
    pub next: &'static [Phase],
    /// What comes of it if its time passes.
    pub late: Late,
}

/// A call that a phase allows.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// The call's name.
    pub call: &'static str,
    /// Who may make it.
    pub by: Mover,
    /// Whether the phase waits for it, so that silence costs something.
    pub awaited: bool,
}

/// A move that its phase waits for.
pub(crate) const fn awaited(call: &'static str, by: Mover) -> Move {
    Move {
        call,
        by,
        awaited: true,
    }
}

/// A move that may be made or left.
pub(crate) const fn allowed(call: &'static str, by: Mover) -> Move {
    Move {
        call,
        by,
        awaited: false,
    }
}

/// The row of a final phase.
pub(crate) const fn over(phase: Phase) -> Row {
    Row {
        phase,
        deadline: None,
        moves: &[],
        next: &[],
        late: Late::Over,
    }
}

/// Those who may make a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    /// Whoever posted the order.
    Requester,
    /// Those who were asked to take part.
    Asked,
    /// The providers of the runs that stand.
    Provider,
    /// The auditors drawn in this round whose seats stand.
    Auditors,
    /// Both sides of the open dispute.
    Disputants,
    /// The requester and both sides of the open dispute: whoever has keys that judges need.
    Holders,
    /// The network's validators.
    Validators,
    /// Everybody.
    Anybody,
    /// The trainers of an order with rounds whose bonds are locked.
    Trainers,
    /// The claimants of a contest whose bonds are locked.
    Claimants,
}

impl Mover {
    /// Whether `account` is one of them.
    pub(crate) fn is(self, order: &Order, validators: &[AccountId], sender: &Sender<'_>) -> bool {
        let account = sender.account;
        let dispute = order.dispute();
        let challenged = || {
            let run = dispute.and_then(|dispute| order.run_at(dispute.run));
            run.is_some_and(|run| run.provider == account)
        };
        let challenges = || dispute.is_some_and(|dispute| dispute.challenger == account);
        match self {
            Mover::Requester => order.head.requester == account,
            Mover::Asked => order.is_asked(account),
            Mover::Provider => order.run_of(account).is_some(),
            Mover::Auditors => order.seat(account).is_some_and(Seat::stands),
            Mover::Disputants => challenged() || challenges(),
            Mover::Holders => order.head.requester == account || challenged() || challenges(),
            Mover::Validators => validators.binary_search(&account).is_ok(),
            Mover::Anybody => true,
            Mover::Trainers => sender.trainer.is_some_and(Trainer::is_bound),
            Mover::Claimants => sender.claim.is_some_and(Claim::is_bound),
        }
    }
}

impl fmt::Display for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mover::Requester => "the requester",
            Mover::Asked => "each of those asked",
            Mover::Provider => "the provider",
            Mover::Auditors => "each auditor of the round",
            Mover::Disputants => "both sides of the dispute",
            Mover::Holders => "the requester and both sides of the dispute",
            Mover::Validators => "the validators",
            Mover::Anybody => "anybody",
            Mover::Trainers => "each trainer",
            Mover::Claimants => "each claimant",
        })
    }
}

/// How long a phase lasts: one of an order's deadlines, or the network's time to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of `Deadlines`")]
pub enum Span {
    Answer,
    Assign,
    Grant,
    Run,
    Open,
    Audit,
    Reveal,
    Dispute,
    Attest,
    Complain,
}

impl Span {
    /// Its length in milliseconds of ledger time.
    pub(crate) fn of(self, deadlines: &Deadlines, parameters: &Parameters) -> u64 {
        match self {
            Span::Answer => parameters.answer_ms,
            Span::Assign => deadlines.assign,
            Span::Grant => deadlines.grant,
            Span::Run => deadlines.run,
            Span::Open => deadlines.open,
            Span::Audit => deadlines.audit,
            Span::Reveal => deadlines.reveal,
            Span::Dispute => deadlines.dispute,
            Span::Attest => deadlines.attest,
            Span::Complain => deadlines.complain,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Span::Answer => "answer",
            Span::Assign => "assign",
            Span::Grant => "grant",
            Span::Run => "run",
            Span::Open => "open",
            Span::Audit => "audit",
            Span::Reveal => "reveal",
            Span::Dispute => "dispute",
            Span::Attest => "attest",
            Span::Complain => "complain",
        })
    }
}

/// What comes of a phase whose time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nothing: the order is over.
    Over,
    /// The order ends like this.
    Ends(Outcome),
    /// What did not move comes to nothing; committed runs are compared or audited, and where there are none
    /// the order ends like this.
    Compares(Outcome),
    /// Who has not answered has missed; it goes on with those who accepted.
    Unanswered,
    /// The run fails; a share of what is locked of the provider's bond is lost.
    Fails(FailureReason),
    /// Auditors that did not move lose what is locked of their bonds; it goes on with the others.
    Seats(SlashReason),
    /// Validators audit where auditors could not be had.
    Validators,
    /// It goes on waiting: only blocks without a beacon bring that about.
    Again,
    /// Who is silent loses the dispute; where both are, both do.
    Silence,
    /// The dispute ends without a verdict: nobody was shown to be wrong, and the order goes on.
    Unjudged,
    /// It begins with those who joined, or ends like this where they are too few.
    Begins(Outcome),
    /// It goes on, in words.
    Goes(&'static str),
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Late::Over => Ok(()),
            Late::Ends(outcome) => write!(f, "ends: {outcome}"),
            Late::Compares(outcome) => write!(
                f,
                "goes on with the committed runs if there are any; else it ends: {outcome}"
            ),
            Late::Unanswered => f.write_str(
                "the offers of who did not answer are suspended; the first in rank that accepted \
                 serves, or others are asked",
            ),
            Late::Fails(FailureReason::Late) => {
                f.write_str("the run fails: the provider loses `late_rate` of its locked bond")
            }
            Late::Fails(_) => f.write_str("the run fails: the provider loses its locked bond"),
            Late::Seats(SlashReason::NoCommitment) => f.write_str(
                "who did not commit loses its locked bond; with none left, another draw",
            ),
            Late::Seats(_) => {
                f.write_str("who did not reveal loses its locked bond; goes on with the others")
            }
            Late::Validators => {
                f.write_str("validators audit the run; with none left to ask, it is accepted")
            }
            Late::Again => f.write_str("goes on waiting for a block with a beacon"),
            Late::Silence => f.write_str("who is silent loses the dispute; both silent, both lose"),
            Late::Begins(outcome) => {
                write!(f, "begins if there are enough; else it ends: {outcome}")
            }
            Late::Goes(how) => f.write_str(how),
            Late::Unjudged => f.write_str(
                "nobody was shown to be wrong: who challenged gets nothing, and it goes on",
            ),
        }
    }
}
