//! What follows from revealed audits, from verdicts and from complaints: a dispute, another draw,
//! acceptance, or the end of the run.

use super::audit::{seat_mut, standing};
use super::{close, fail, last_resort, stands};
use crate::accounts::money;
use crate::orders::disputes::{self, Claim, Decision};
use crate::orders::escrow::{self, Locked, Reward};
use crate::orders::passage::enter;
use crate::state::State;
use crate::{
    AccountId, AuditResults, DeclineReason, Dispute, FailureReason, Leaf, Order, Outcome, Phase,
    Question, Refusal, Role, Run, SegmentIndex, SlashReason, StepIndex, Terms, Verdict,
};

/// Goes on from a round whose reveals are all in. The first difference, in the order of seats,
/// is disputed before anything else; a challenger that loses is cut and the next difference is
/// looked for, so one honest auditor is enough whatever the others say.
pub(super) fn resolve(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let Some(run) = order.run() else {
        return Ok(());
    };
    let standing = standing(order);
    let revealed = standing.filter_map(|seat| Some((seat.auditor, seat.results.as_ref()?)));
    let claim = revealed
        .map(|(auditor, results)| difference(&order.head.terms, run, auditor, results))
        .find_map(|claim| claim);
    if let Some(claim) = claim {
        let run = run.index;
        return disputes::open(state, order, run, claim);
    }
    let enough = match run.last_resort {
        true => {
            let mut passed = run.passed().map(|seat| seat.role);
            let validators = passed.by_ref().filter(|role| *role == Role::Validator);
            validators.count() >= last_resort::needed(state)
        }
        false => run.passed().count() >= usize::from(order.head.terms.auditors),
    };
    if enough {
        return stands(state, order);
    }
    draw_again(state, order)
}

/// Has others asked for the seats that are empty, and fresh segments drawn for them: the ends of the
/// old ones are public.
pub(super) fn draw_again(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let run = order.run();
    let (rounds, last_resort) = run.map_or((0, false), |run| (run.rounds.len(), run.last_resort));
    if last_resort || rounds >= usize::from(state.chain.parameters.max_rounds) {
        return last_resort::call(state, order);
    }
    enter(state, order, Phase::Committed);
    Ok(())
}

/// The first thing in which an auditor's results differ from what the provider opened.
fn difference(
    terms: &Terms,
    run: &Run,
    challenger: AccountId,
    results: &AuditResults,
) -> Option<Claim> {
    let opened = |step: StepIndex| run.opened(step).map(|leaf| Leaf { step, leaf });
    let claim = |question, segment, from, disputed, claimed| Claim {
        challenger,
        rival: None,
        question,
        segment,
        from,
        disputed,
        claimed,
    };
    let first = opened(StepIndex(0))?;
    let zero = SegmentIndex(0);
    match results.initial {
        None => return Some(claim(Question::Start, zero, first, first, None)),
        Some(leaf) if leaf != first.leaf => {
            return Some(claim(Question::Initial, zero, first, first, Some(leaf)));
        }
        Some(_) => {}
    }
    for segment in &run.round()?.segments {
        let end = opened(terms.segment_end(*segment))?;
        let found = results.segment(*segment).flatten();
        if found == Some(end.leaf) {
            continue;
        }
        if found.is_none() {
            let stretches = run.stretches();
            let (first, _) = stretches.iter().find(|(_, last)| segment <= last)?;
            let from = opened(terms.segment_start(*first))?;
            return Some(claim(Question::Start, *first, from, from, None));
        }
        // Within a stretch, this start is the end of the segment before, where both agreed.
        let from = opened(terms.segment_start(*segment))?;
        return Some(claim(Question::Step, *segment, from, end, found));
    }
    None
}

/// Goes on from a dispute that has its verdict; does nothing while it has none.
pub(super) fn decided(
    state: &mut State<'_>,
    order: &mut Order,
    decision: Option<Decision>,
) -> Result<(), Refusal> {
    let (Some(decision), Some(dispute)) = (decision, order.disputes.last().cloned()) else {
        return Ok(());
    };
    let Decision {
        verdict,
        reason,
        judges,
    } = &decision;
    let (verdict, reason) = (*verdict, *reason);
    let allies = allies(order, &dispute);
    let provider: Vec<AccountId> = order.provider().into_iter().collect();
    let paid = |right| Reward { right, judges };
    let wrong = match reason {
        FailureReason::Silent => SlashReason::SilentChallenge,
        _ => SlashReason::FalseChallenge,
    };
    match (dispute.question, verdict) {
        // Who complains has to be shown right: otherwise time would decide for the one who need not
        // do anything.
        (Question::Result, Verdict::Provider | Verdict::None) => {
            for provider in provider {
                escrow::pay_deposit(state, order, provider, judges)?;
            }
            close(state, order, Outcome::Paid)
        }
        (Question::Result, Verdict::Challenger | Verdict::Neither) => {
            let requester = order.head.requester;
            escrow::pay_deposit(state, order, requester, &[])?;
            fail(state, order, reason, paid(&allies))
        }
        (Question::Beginning, Verdict::Challenger | Verdict::Neither) => {
            fail(state, order, FailureReason::Unfounded, paid(&[]))
        }
        // It could not begin, or nobody knows: that costs nobody anything.
        (Question::Beginning, Verdict::Provider | Verdict::None) => {
            let declined = order.run().and_then(|run| run.declined);
            let reason = declined.unwrap_or(DeclineReason::Inputs);
            let nobody = Reward::default();
            fail(state, order, FailureReason::Declined(reason), nobody)
        }
        // Nobody was shown to be right: somebody else looks.
        (_, Verdict::None) => {
            dismiss(state, order, dispute.challenger)?;
            resolve(state, order)
        }
        (_, Verdict::Provider) => {
            slash_seat(state, order, dispute.challenger, wrong, paid(&provider))?;
            resolve(state, order)
        }
        (_, Verdict::Challenger) => fail(state, order, reason, paid(&allies)),
        (_, Verdict::Neither) => {
            slash_seat(state, order, dispute.challenger, wrong, Reward::default())?;
            fail(state, order, reason, paid(&[]))
        }
    }
}

/// Goes on from a result of which it was shown that it is not the final state. The auditors' work was in
/// vain.
pub(super) fn contradicted(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let right = passed(order);
    let (right, judges) = (&right[..], &[][..]);
    let rewarded = Reward { right, judges };
    fail(state, order, FailureReason::WrongResult, rewarded)
}

/// The auditors of the run under way whose reveals stand.
fn passed(order: &Order) -> Vec<AccountId> {
    let seats = order.run().into_iter().flat_map(Run::passed);
    seats.map(|seat| seat.auditor).collect()
}

/// Who is right if the challenger is: auditors of the round that gave the same answer; about the
/// result, the auditors whose work was in vain.
fn allies(order: &Order, dispute: &Dispute) -> Vec<AccountId> {
    let answer = |results: &AuditResults| match dispute.question {
        Question::Initial => results.initial,
        _ => results.segment(dispute.segment).flatten(),
    };
    let standing = standing(order);
    let standing: Vec<_> = standing
        .filter_map(|seat| Some((seat.auditor, seat.results.as_ref()?)))
        .collect();
    let that = |which: &dyn Fn(AccountId, &AuditResults) -> bool| {
        let those = standing
            .iter()
            .filter(|(auditor, results)| which(*auditor, results));
        those.map(|(auditor, _)| *auditor).collect()
    };
    match dispute.question {
        // Nobody has audited it.
        Question::Beginning => Vec::new(),
        Question::Result => passed(order),
        Question::Start => that(&|auditor, results| {
            auditor == dispute.challenger || results.initial.is_none() || answer(results).is_none()
        }),
        Question::Initial | Question::Step => {
            let mut challenger = standing.iter();
            let challenger = challenger.find(|(auditor, _)| *auditor == dispute.challenger);
            let claimed = challenger.and_then(|(_, results)| answer(results));
            that(&|_, results| answer(results) == claimed)
        }
    }
}

/// Lets an auditor of the current round go: it keeps its bond, and is not paid.
fn dismiss(state: &mut State<'_>, order: &mut Order, auditor: AccountId) -> Result<(), Refusal> {
    let Some(seat) = seat_mut(order, auditor) else {
        return Ok(());
    };
    seat.dismissed = true;
    match seat.role {
        Role::Auditor => money::unlock(state, seat.role, &auditor, seat.bond),
        // It has nothing at stake here.
        _ => Ok(()),
    }
}

/// Cuts the whole bond of an auditor of the current round.
pub(super) fn slash_seat(
    state: &mut State<'_>,
    order: &mut Order,
    auditor: AccountId,
    reason: SlashReason,
    rewarded: Reward<'_>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let Some(seat) = seat_mut(order, auditor) else {
        return Ok(());
    };
    seat.slashed = true;
    if seat.role != Role::Auditor {
        // It has nothing at stake here; it is not paid.
        return Ok(());
    }
    let locked = Locked {
        order: id,
        role: seat.role,
        account: auditor,
        amount: seat.bond,
    };
    escrow::slash(state, &locked, locked.amount, reason, rewarded).map(|_| ())
}
