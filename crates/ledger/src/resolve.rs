//! What follows from revealed audits: a dispute, another draw, or acceptance.

use assay_crypto::Digest;

use crate::progress::{close, enter, fail, slash_seat};
use crate::state::State;
use crate::{
    AccountId, AuditResults, Dispute, Event, FailureReason, Leaf, Order, Outcome, Phase, Question,
    Refusal, Round, SegmentIndex, SlashReason, StepIndex, Verdict,
};

/// Goes on from a round whose reveals are all in. The first difference, in the order of seats,
/// is disputed before anything else; a challenger that loses is cut and the next difference is
/// looked for, so one honest auditor is enough whatever the others say.
pub(crate) fn resolve(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if let Some(dispute) = next_dispute(state, order) {
        return open(state, order, dispute);
    }
    if order.passed().count() >= usize::from(order.terms.auditors) {
        enter(state, order, Phase::Accepted);
        return Ok(());
    }
    draw_again(state, order)
}

/// Draws auditors for the seats that are empty, and fresh segments with them: the ends of the
/// old ones are public.
pub(crate) fn draw_again(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    if order.rounds.len() >= usize::from(state.chain.parameters.max_rounds) {
        return close(state, order, Outcome::NoAuditors);
    }
    enter(state, order, Phase::Committed);
    Ok(())
}

fn next_dispute(state: &State<'_>, order: &Order) -> Option<Dispute> {
    let round = order.round()?;
    let standing = round.seats.iter().filter(|seat| !seat.slashed);
    standing
        .filter_map(|seat| Some((seat.auditor, seat.results.as_ref()?)))
        .find_map(|(auditor, results)| difference(state, order, round, auditor, results))
}

/// The first thing in which an auditor's results differ from what the provider opened.
fn difference(
    state: &State<'_>,
    order: &Order,
    round: &Round,
    auditor: AccountId,
    results: &AuditResults,
) -> Option<Dispute> {
    let first = opened(order, StepIndex(0))?;
    let dispute = |question, segment, from: Leaf, disputed: Leaf, claimed| Dispute {
        challenger: auditor,
        question,
        opened: state.now(),
        segment,
        from,
        agreed: from,
        disputed,
        claimed,
        provider_move: None,
        challenger_move: None,
        attestations: Vec::new(),
        verdict: None,
    };
    match results.initial {
        None => {
            return Some(dispute(
                Question::Start,
                SegmentIndex(0),
                first,
                first,
                None,
            ));
        }
        Some(leaf) if leaf != first.leaf => {
            return Some(dispute(
                Question::Initial,
                SegmentIndex(0),
                first,
                first,
                Some(leaf),
            ));
        }
        Some(_) => {}
    }
    for segment in &round.segments {
        let end = opened(order, order.terms.segment_end(*segment))?;
        let claimed = results.segment(*segment).flatten();
        if claimed == Some(end.leaf) {
            continue;
        }
        if claimed.is_none() {
            let stretches = order.stretches();
            let (first, _) = stretches.iter().find(|(_, last)| segment <= last)?;
            let from = opened(order, order.terms.segment_start(*first))?;
            return Some(dispute(Question::Start, *first, from, from, None));
        }
        // Within a stretch, this start is the end of the segment before, where both agreed.
        let from = opened(order, order.terms.segment_start(*segment))?;
        return Some(dispute(Question::Step, *segment, from, end, claimed));
    }
    None
}

fn opened(order: &Order, step: StepIndex) -> Option<Leaf> {
    order.opened(step).map(|leaf| Leaf { step, leaf })
}

/// Opens a dispute at the phase that can settle it.
pub(crate) fn open(
    state: &mut State<'_>,
    order: &mut Order,
    dispute: Dispute,
) -> Result<(), Refusal> {
    state.emit(Event::Disputed {
        order: order.id,
        challenger: dispute.challenger,
        question: dispute.question,
        segment: dispute.segment,
    });
    let phase = match dispute.middle() {
        Some(_) => Phase::Bisecting,
        None => Phase::Attesting,
    };
    order.disputes.push(dispute);
    enter(state, order, phase);
    Ok(())
}

/// Ends the open dispute by what a quorum of validators found.
pub(crate) fn decide(
    state: &mut State<'_>,
    order: &mut Order,
    found: Option<Digest>,
) -> Result<(), Refusal> {
    let Some(dispute) = order.dispute() else {
        return Ok(());
    };
    let reason = match found {
        Some(_) => FailureReason::WrongResult,
        None => FailureReason::Unavailable,
    };
    let verdict = if found == Some(dispute.disputed.leaf) {
        Verdict::Provider
    } else {
        match dispute.question {
            // Nobody can be right against what could not be had: who had to store it loses.
            _ if found.is_none() => Verdict::Challenger,
            Question::Start | Question::Result => Verdict::Challenger,
            Question::Initial | Question::Step if found == dispute.claimed => Verdict::Challenger,
            Question::Initial | Question::Step => Verdict::Neither,
        }
    };
    end(state, order, verdict, reason)
}

/// Ends the open dispute; `reason` says how the provider failed, where it did.
pub(crate) fn end(
    state: &mut State<'_>,
    order: &mut Order,
    verdict: Verdict,
    reason: FailureReason,
) -> Result<(), Refusal> {
    let Some(dispute) = order.dispute().cloned() else {
        return Ok(());
    };
    if let Some(open) = order.disputes.last_mut() {
        open.verdict = Some(verdict);
    }
    state.emit(Event::Decided {
        order: order.id,
        verdict,
    });
    let right = allies(order, &dispute);
    let silent = reason == FailureReason::Silent;
    let wrong = if silent {
        SlashReason::SilentChallenge
    } else {
        SlashReason::FalseChallenge
    };
    match (dispute.question, verdict) {
        (_, Verdict::None) => close(state, order, Outcome::NoVerdict),
        (Question::Result, Verdict::Provider) => {
            if let Some(provider) = order.provider() {
                crate::money::pay_deposit(state, order, &provider)?;
            }
            close(state, order, Outcome::Paid)
        }
        (Question::Result, Verdict::Challenger | Verdict::Neither) => {
            let requester = order.requester;
            crate::money::pay_deposit(state, order, &requester)?;
            fail(state, order, reason, &right)
        }
        (_, Verdict::Provider) => {
            let provider: Vec<AccountId> = order.provider().into_iter().collect();
            slash_seat(state, order, dispute.challenger, wrong, &provider)?;
            resolve(state, order)
        }
        (_, Verdict::Challenger) => fail(state, order, reason, &right),
        (_, Verdict::Neither) => {
            slash_seat(state, order, dispute.challenger, wrong, &[])?;
            fail(state, order, reason, &[])
        }
    }
}

/// Who is right if the challenger is: auditors of the round that gave the same answer; about the
/// result, the requester and the auditors whose work was in vain.
fn allies(order: &Order, dispute: &Dispute) -> Vec<AccountId> {
    let answer = |results: &AuditResults| match dispute.question {
        Question::Initial => results.initial,
        _ => results.segment(dispute.segment).flatten(),
    };
    let Some(round) = order.round() else {
        return Vec::new();
    };
    let standing = round.seats.iter().filter(|seat| !seat.slashed);
    let standing = standing.filter_map(|seat| Some((seat.auditor, seat.results.as_ref()?)));
    match dispute.question {
        Question::Result => {
            let passed = order.passed().map(|seat| seat.auditor);
            std::iter::once(order.requester).chain(passed).collect()
        }
        Question::Start => standing
            .filter(|(auditor, results)| {
                *auditor == dispute.challenger
                    || results.initial.is_none()
                    || answer(results).is_none()
            })
            .map(|(auditor, _)| auditor)
            .collect(),
        Question::Initial | Question::Step => {
            let challenger = standing
                .clone()
                .find(|(auditor, _)| *auditor == dispute.challenger);
            let claimed = challenger.and_then(|(_, results)| answer(results));
            standing
                .filter(|(_, results)| answer(results) == claimed)
                .map(|(auditor, _)| auditor)
                .collect()
        }
    }
}
