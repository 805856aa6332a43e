//! Scores: sealed first, the median counts; each can be challenged once, and then a quorum decides.

use assay_crypto::Digest;

use super::checking;
use super::course::contest;
use super::record::{Ballot, Contest, ScoreChallenge, ScoreSheet, Scores};
use crate::accounts::money;
use crate::orders::escrow;
use crate::orders::passage::enter;
use crate::orders::sealed::Sealed;
use crate::state::State;
use crate::{
    AccountId, FindingCommitment, Hearing, Moment, Order, OrderEvent, OrderRefusal, Outcome, Phase,
    Place, Refusal, Role,
};

impl Order {
    /// Whose scores are heard in the block `now`, if validators score now.
    pub fn scores_heard(&self, now: Moment) -> Option<Hearing> {
        let scored = matches!(self.head.phase, Phase::Validating | Phase::Recounting);
        let ballot = &self.contest.as_ref().filter(|_| scored)?.ballot;
        Some(sealed(self, ballot, &|by| ballot.has(by)).hearing(now))
    }
}

impl Ballot {
    /// Whether a validator has shown its sheet.
    pub fn has(&self, validator: AccountId) -> bool {
        self.sheets.iter().any(|of| of.validator == validator)
    }
}

fn sealed<'a>(
    order: &Order,
    ballot: &'a Ballot,
    revealed: &'a dyn Fn(AccountId) -> bool,
) -> Sealed<'a> {
    Sealed {
        order: order.head.id,
        whole: (order.head.since, order.head.deadline),
        commitments: &ballot.commitments,
        closed: ballot.closed,
        revealed,
    }
}

/// Whether a validator has to commit to its scores in the block `now`.
pub(super) fn has_to_commit(order: &Order, validator: AccountId, now: Moment) -> bool {
    let ballot = order.contest.as_ref().map(|of| &of.ballot);
    ballot.is_some_and(|ballot| {
        sealed(order, ballot, &|by| ballot.has(by)).has_to_commit(validator, now)
    })
}

/// Whether a validator is heard in the block `now`, and has not shown its scores.
pub(super) fn has_to_reveal(order: &Order, validator: AccountId, now: Moment) -> bool {
    let ballot = order.contest.as_ref().map(|of| &of.ballot);
    ballot.is_some_and(|ballot| {
        sealed(order, ballot, &|by| ballot.has(by)).has_to_reveal(validator, now)
    })
}

/// Commits a validator to its scores. Of all scores, everybody's commitment is waited for, as long as there is
/// time: each of them is paid. Of one that is challenged, as many as a verdict takes are enough.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    commitment: Digest,
) -> Result<(), Refusal> {
    let (id, now) = (order.head.id, state.moment());
    let enough = match order.head.phase {
        Phase::Validating => state.chain.validators.len(),
        _ => state.chain.quorum(),
    };
    let ballot = contest(order).ballot.clone();
    sealed(order, &ballot, &|by| ballot.has(by)).check_commit(validator, now)?;
    let ballot = &mut contest(order).ballot;
    ballot.commitments.push(FindingCommitment {
        validator,
        commitment,
    });
    if ballot.commitments.len() >= enough {
        ballot.closed = Some(now);
    }
    state.emit(OrderEvent::FindingCommitted { validator }.of(id));
    Ok(())
}

/// Takes a validator's scores.
pub(super) fn reveal(
    state: &mut State<'_>,
    order: &mut Order,
    (validator, place): (AccountId, &Place),
    scores: &Scores,
    salt: Option<&Digest>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let expected = match order.head.phase {
        Phase::Validating => contest(order).listed.len(),
        _ => 1,
    };
    let found = scores.0.as_ref().map_or(expected, |of| of.len());
    if found != expected {
        return Err(OrderRefusal::OtherScores {
            order: id,
            expected: expected as u32,
            found: found as u32,
        }
        .into());
    }
    let named = salt.map(|salt| scores.commitment(place, validator, salt));
    let ballot = contest(order).ballot.clone();
    sealed(order, &ballot, &|by| ballot.has(by)).check_reveal(validator, state.moment(), named)?;
    let ballot = &mut contest(order).ballot;
    ballot.sheets.push(ScoreSheet {
        validator,
        committed: named.is_some(),
        scores: scores.clone(),
    });
    state.emit(OrderEvent::ScoresShown { validator }.of(id));
    let shown = |of: &FindingCommitment| ballot.has(of.validator);
    let all = ballot.commitments.iter().all(shown);
    let agreed = agreed(ballot, state.chain.quorum());
    match order.head.phase {
        // Whoever committed is paid, so all of those are waited for.
        Phase::Validating if all && agreed.is_some() => close(state, order),
        Phase::Recounting if agreed.is_some() => recounted(state, order),
        _ => Ok(()),
    }
}

/// What a quorum says alike.
fn agreed(ballot: &Ballot, quorum: usize) -> Option<Scores> {
    let equal = |scores: &Scores| {
        ballot
            .sheets
            .iter()
            .filter(|of| of.scores == *scores)
            .count()
    };
    let mut sheets = ballot.sheets.iter().map(|of| &of.scores);
    sheets.find(|scores| equal(scores) >= quorum).cloned()
}

/// Finds the scores: of each claim the lower median of what validators say, where as many say something as a
/// verdict takes. Fewer than half of those are liars, so each median is what an honest one says, or between two.
pub(super) fn close(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let (id, quorum, liars) = (order.head.id, state.chain.quorum(), state.chain.liars());
    let contest = contest(order);
    let sheets = std::mem::take(&mut contest.ballot).sheets;
    let rows: Vec<_> = sheets
        .iter()
        .filter_map(|of| of.scores.0.as_ref())
        .collect();
    if rows.len() < quorum {
        // One more than can be liars: an honest one could not read the test set.
        let unread = sheets.len().saturating_sub(rows.len()) > liars;
        let outcome = match unread {
            true => Outcome::TestUnread,
            false => Outcome::NotScored,
        };
        contest.sheets = sheets;
        checking::without_scores(state, order, outcome);
        return Ok(());
    }
    let mut found = Vec::with_capacity(contest.listed.len());
    for (at, number) in contest.listed.iter().enumerate() {
        let mut said: Vec<Option<u64>> = rows
            .iter()
            .map(|row| row.get(at).copied().flatten())
            .collect();
        said.sort_unstable();
        let middle = said.len().saturating_sub(1) / 2;
        found.push((*number, said.get(middle).copied().flatten()));
    }
    contest.sheets = sheets;
    for (number, score) in found {
        if let Some(entry) = contest.entry_mut(number) {
            entry.score = score;
            let provider = entry.account;
            state.emit(OrderEvent::Scored { provider, score }.of(id));
        }
    }
    enter(state, order, Phase::Verifying);
    Ok(())
}

/// Puts one score before the validators once more.
pub(super) fn challenge(
    state: &mut State<'_>,
    order: &mut Order,
    (by, place): (AccountId, &Place),
    score: Option<u64>,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let claim = u16::try_from(place.run.0).unwrap_or(u16::MAX);
    let mut roles = Role::ALL.into_iter();
    if !roles.any(|role| {
        state
            .registration(role, &by)
            .is_some_and(|of| of.bond.0 > 0)
    }) {
        return Err(OrderRefusal::NotBonded { order: id }.into());
    }
    let deposit = state.chain.parameters.complaint_deposit;
    let contest = contest(order);
    let entry = contest.entry_mut(claim).filter(|of| !of.challenged);
    let entry = entry.ok_or(OrderRefusal::AlreadyDone { order: id })?;
    if entry.score == score {
        return Err(OrderRefusal::SameScore { order: id }.into());
    }
    entry.challenged = true;
    let provider = entry.account;
    contest.challenges = contest.challenges.saturating_add(1);
    contest.challenge = Some(ScoreChallenge { claim, by, score });
    contest.ballot = Ballot::default();
    money::debit(state, &by, deposit)?;
    order.head.deposit = deposit;
    let challenged = OrderEvent::ScoreChallenged {
        provider,
        by,
        score,
    };
    state.emit(challenged.of(id));
    enter(state, order, Phase::Recounting);
    Ok(())
}

/// Goes on from a challenge: with the score that a quorum found, or with the one that stood where none did in
/// time. Who was right is paid; who doubted a score that is right loses its deposit; where nobody was shown to be
/// wrong, or both were, it comes back.
pub(super) fn recounted(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let (id, quorum) = (order.head.id, state.chain.quorum());
    let contest = contest(order);
    let ballot = std::mem::take(&mut contest.ballot);
    let Some(challenge) = contest.challenge.take() else {
        return Ok(());
    };
    let found = agreed(&ballot, quorum).and_then(|scores| scores.0);
    let found = found.and_then(|scores| scores.first().copied());
    let entry = contest.entry_mut(challenge.claim);
    let Some((found, entry)) = found.zip(entry) else {
        let nobody = &[][..];
        escrow::pay_deposit(state, order, challenge.by, nobody)?;
        enter(state, order, Phase::Verifying);
        return Ok(());
    };
    let stood = entry.score == found;
    entry.score = found;
    let recounted = OrderEvent::Recounted {
        provider: entry.account,
        score: found,
    };
    let scores = contest.listed.len();
    let right = |of: &&ScoreSheet| {
        let said = of.scores.0.as_ref().and_then(|of| of.first());
        of.committed && said == Some(&found)
    };
    let judges: Vec<AccountId> = ballot
        .sheets
        .iter()
        .filter(right)
        .map(|of| of.validator)
        .collect();
    state.emit(recounted.of(id));
    if stood {
        escrow::forfeit_deposit(state, order, &judges)?;
    } else {
        escrow::pay_deposit(state, order, challenge.by, &[])?;
        if challenge.score == found {
            let terms = &order.head.terms;
            let bounty = terms.contest.as_ref().map(|of| of.bounty(terms, scores));
            escrow::pay_from_escrow(state, order, challenge.by, bounty.unwrap_or_default())?;
        }
    }
    enter(state, order, Phase::Verifying);
    Ok(())
}

/// Goes on with the scores that stand.
pub(super) fn verified(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    enter(state, order, Phase::Closed);
    Ok(())
}

impl Contest {
    /// What each validator is paid for, and all of them together: every score that it had committed to, and that
    /// stands in the end; or having said that the test set cannot be read, where that is so.
    pub(super) fn right_scores(&self) -> (Vec<(AccountId, u64)>, u64) {
        let unread = self.unscored == Some(Outcome::TestUnread);
        let count = |sheet: &ScoreSheet| {
            let Some(said) = &sheet.scores.0 else {
                return u64::from(unread);
            };
            let pairs = self.listed.iter().zip(said);
            let right = pairs.filter(|(number, said)| {
                let score = self.entry(**number).and_then(|of| of.score);
                said.is_some() && **said == score
            });
            right.count() as u64
        };
        let committed = self.sheets.iter().filter(|of| of.committed);
        let right: Vec<_> = committed.map(|of| (of.validator, count(of))).collect();
        let all = right.iter().map(|(_, count)| count).sum();
        (right, all)
    }
}
