//! The runs of those who are to be paid are audited; who fails is out, and the next one moves up.

use super::course::{contest, end};
use super::record::{ClaimEntry, ClaimStage, Contest};
use super::store;
use crate::orders::audits::{self, Part, Work};
use crate::orders::passage::enter;
use crate::state::State;
use crate::{AccountRefusal, Order, Outcome, Phase, Refusal, Terms};

/// Audits of one contest that are under way at once.
const AT_ONCE: usize = 8;

impl Contest {
    /// By how much a claim is better than the baseline.
    pub(super) fn improvement(entry: &ClaimEntry, baseline: u64) -> u64 {
        entry
            .score
            .map_or(0, |score| score.saturating_sub(baseline))
    }

    /// The numbers of the claims that are to be paid as far as their audits stand, the best first, and how the
    /// contest ends if they do. Of equal scores the one that was committed to earlier is the better, then that of
    /// the lower number. Without an improvement everybody who trained is paid.
    pub(super) fn paid(&self, terms: &Terms) -> (Vec<u16>, Outcome) {
        // A model of which most validators say that it cannot be had is not paid for.
        let unscored = self.unscored.is_some();
        let had = |entry: &ClaimEntry| unscored || entry.score.is_some();
        let alive = self.numbers(|entry| entry.stage.is_alive() && had(entry));
        let alive: Vec<u16> = alive.collect();
        if alive.is_empty() {
            return (alive, Outcome::NoClaims);
        }
        if let Some(outcome) = self.unscored {
            return (alive, outcome);
        }
        let (places, baseline) = terms
            .contest
            .as_ref()
            .map_or((0, 0), |of| (of.places, of.baseline));
        let better = alive.iter().filter_map(|number| {
            let entry = self.entry(*number)?;
            let improvement = Contest::improvement(entry, baseline);
            let order = (std::cmp::Reverse(improvement), entry.committed, *number);
            (improvement > 0).then_some(order)
        });
        let mut better: Vec<_> = better.collect();
        better.sort_unstable();
        if better.is_empty() {
            return (alive, Outcome::NoImprovement);
        }
        let best = better.into_iter().take(places.into());
        (best.map(|(.., number)| number).collect(), Outcome::Paid)
    }
}

impl Order {
    /// A claim as the order that its audit would be. Its inputs are the contest's, which its requester recorded.
    pub fn of_claim(&self, number: u16, claim: &super::Claim) -> Option<Order> {
        let seed = self
            .contest
            .as_ref()?
            .seed_of(self.head.id, &claim.account)?;
        let part = Part {
            account: claim.account,
            owner: claim.owner,
            encryption_key: claim.encryption_key,
            bond: claim.bond,
            number: (0, number),
            seed,
            terms: Terms {
                // It is paid by its rank.
                price: crate::Amount::ZERO,
                contest: None,
                ..self.head.terms.clone()
            },
            keepers: vec![self.head.requester],
        };
        Some(part.into_order(&self.head))
    }
}

/// Goes on without scores: all claims are audited, and those that stand are paid in equal parts.
pub(super) fn without_scores(state: &mut State<'_>, order: &mut Order, outcome: Outcome) {
    contest(order).unscored = Some(outcome);
    enter(state, order, Phase::Closed);
}

/// Begins audits that are missing, as many as may be under way, at the beginning of a block: each writes an order. Goes
/// on where none is missing.
pub(super) fn advance(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let terms = order.head.terms.clone();
    let contest_now = contest(order);
    let (paid, outcome) = contest_now.paid(&terms);
    let under_way = contest_now.in_stage(ClaimStage::Audited).count();
    let is = |stage: ClaimStage| {
        move |contest: &Contest, number: &u16| {
            contest.entry(*number).is_some_and(|of| of.stage == stage)
        }
    };
    let missing = paid
        .iter()
        .filter(|number| is(ClaimStage::Shown)(contest_now, number));
    let missing: Vec<u16> = missing.copied().collect();
    if paid
        .iter()
        .all(|number| is(ClaimStage::Stands)(contest_now, number))
        && under_way == 0
    {
        end(state, order, outcome);
        return Ok(true);
    }
    for number in missing.into_iter().take(AT_ONCE.saturating_sub(under_way)) {
        begin(state, order, number)?;
    }
    enter(state, order, Phase::Checking);
    Ok(true)
}

fn begin(state: &mut State<'_>, order: &mut Order, number: u16) -> Result<(), Refusal> {
    let Some(mut claim) = store::numbered(state, order, number) else {
        return Ok(());
    };
    let audit = order.of_claim(number, &claim);
    let (Some(audit), Some(shown)) = (audit, &claim.shown) else {
        return Ok(());
    };
    let work = Work {
        trace: shown.trace.clone(),
        opened: shown.opened.clone(),
        last: shown.model,
    };
    let terms = &order.head.terms;
    let parameters = &state.chain.parameters;
    let escrow = terms
        .contest
        .as_ref()
        .and_then(|of| of.audit_escrow(terms, parameters));
    let escrow = escrow.ok_or(AccountRefusal::Overflow)?;
    claim.audit = Some(audits::begin(state, order, audit, work, escrow)?);
    store::save(state, &order.head.id, &claim);
    if let Some(entry) = contest(order).entry_mut(number) {
        entry.stage = ClaimStage::Audited;
    }
    Ok(())
}

/// Goes on waiting for audits, which have deadlines of their own.
pub(super) fn wait(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    enter(state, order, Phase::Checking);
    Ok(())
}
