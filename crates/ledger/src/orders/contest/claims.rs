//! Claims: made, committed to, shown.

use assay_crypto::Digest;
use assay_crypto::release::LockKey;

use super::course::{contest, end};
use super::record::{Claim, ClaimEntry, ClaimStage, ShownRun};
use super::store;
use crate::accounts::money;
use crate::files::must_be_kept;
use crate::orders::escrow::{self, Locked, Reward};
use crate::orders::passage::enter;
use crate::orders::procedure::Sender;
use crate::orders::{audits, binding, keys, runs};
use crate::state::State;
use crate::{
    AccountId, Amount, BoundedVec, FailureReason, FileId, Opening, Order, OrderEvent, OrderRefusal,
    Outcome, Phase, Place, Refusal, Role, SlashReason, StepIndex, Trace,
};

/// Takes an account in as a claimant.
pub(super) fn claim(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, sender.account);
    if sender.claim.is_some() {
        return Err(OrderRefusal::AlreadyDone { order: id }.into());
    }
    let most = order.head.terms.contest.as_ref().map_or(0, |of| of.most);
    let registration = binding::check(state, order, account)?;
    let owner = state.owner(&account);
    if owner == order.head.requester {
        let belongs = "anybody but the requester and its nodes".to_owned();
        return Err(OrderRefusal::NotYourMove { order: id, belongs }.into());
    }
    let entries = &mut contest(order).entries;
    if entries.len() >= usize::from(most) {
        return Err(OrderRefusal::NoPlace { order: id, most }.into());
    }
    entries.push(ClaimEntry {
        account,
        stage: ClaimStage::Claimed,
        committed: None,
        score: None,
        challenged: false,
    });
    let is_full = entries.len() == usize::from(most);
    binding::lock(state, order, &account)?;
    let claim = Claim {
        account,
        owner,
        encryption_key: registration.encryption_key,
        bond: order.head.terms.provider_bond,
        commitment: None,
        shown: None,
        audit: None,
    };
    store::save(state, &id, &claim);
    state.save(keys::with_part(&account, &id), &());
    state.emit(OrderEvent::Claimed { provider: account }.of(id));
    if is_full {
        enter(state, order, Phase::Taken);
    }
    Ok(())
}

/// Lets a claimant go before anybody has a seed: nothing is left of its claim.
pub(super) fn leave(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, sender.account);
    let claim = sender.claim.filter(|of| of.is_bound());
    let mut claim = claim
        .cloned()
        .ok_or(OrderRefusal::AlreadyDone { order: id })?;
    contest(order).entries.retain(|of| of.account != account);
    let_go(state, order, &mut claim)?;
    store::forget(state, &id, &account);
    state.emit(OrderEvent::Left { trainer: account }.of(id));
    Ok(())
}

/// Frees what is locked of a claimant's bond; it has no part in the order any more.
pub(super) fn let_go(
    state: &mut State<'_>,
    order: &Order,
    claim: &mut Claim,
) -> Result<(), Refusal> {
    let bond = std::mem::replace(&mut claim.bond, Amount::ZERO);
    if bond > Amount::ZERO {
        money::unlock(state, Role::Provider, &claim.account, bond)?;
    }
    out(state, order, claim);
    Ok(())
}

fn out(state: &mut State<'_>, order: &Order, claim: &Claim) {
    let id = order.head.id;
    state.remove(keys::with_part(&claim.account, &id));
    store::save(state, &id, claim);
}

/// Begins with those who claimed, or ends where they are too few.
pub(super) fn over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let least = order.head.terms.contest.as_ref().map_or(0, |of| of.least);
    if contest(order).entries.len() < usize::from(least) {
        end(state, order, Outcome::TooFewTrainers);
        return Ok(());
    }
    enter(state, order, Phase::Taken);
    Ok(())
}

/// Fixes everybody's seed, from a beacon that nobody knew when the last one claimed.
pub(super) fn seed(state: &mut State<'_>, order: &mut Order) -> Result<bool, Refusal> {
    let (id, beacon) = (order.head.id, state.context.beacon);
    let contest = contest(order);
    let parts: [&[u8]; 2] = [&id.0.0, &beacon.0];
    contest.seed = Some(Digest::of("assay/contest/seed/v1", &parts));
    let claims = u16::try_from(contest.entries.len()).unwrap_or(u16::MAX);
    state.emit(OrderEvent::ContestBegun { claims }.of(id));
    enter(state, order, Phase::Claiming);
    Ok(true)
}

/// Commits a claimant to its run without showing it.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    sender: &Sender<'_>,
    commitment: Digest,
) -> Result<(), Refusal> {
    let (id, now) = (order.head.id, state.now());
    let (number, mut claim) = own(order, sender, ClaimStage::Claimed)?;
    claim.commitment = Some(commitment);
    store::save(state, &id, &claim);
    let contest = contest(order);
    if let Some(entry) = contest.entry_mut(number) {
        entry.stage = ClaimStage::Committed;
        entry.committed = Some(now);
    }
    let waits = contest.in_stage(ClaimStage::Claimed).next().is_some();
    let provider = sender.account;
    state.emit(OrderEvent::RunCommitted { provider }.of(id));
    if !waits {
        enter(state, order, Phase::Sealed);
    }
    Ok(())
}

/// The claim of a sender, in a stage.
fn own(order: &Order, sender: &Sender<'_>, stage: ClaimStage) -> Result<(u16, Claim), Refusal> {
    let done = || OrderRefusal::AlreadyDone {
        order: order.head.id,
    };
    let contest = order.contest.as_ref().ok_or_else(done)?;
    let number = contest.number_of(&sender.account).ok_or_else(done)?;
    let entry = contest.entry(number).filter(|of| of.stage == stage);
    let claim = sender.claim.filter(|of| of.is_bound());
    let claim = entry.and(claim).ok_or_else(done)?;
    Ok((number, claim.clone()))
}

/// Goes on without those who have committed to nothing in time: each loses as a provider that is late.
pub(super) fn late(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let rate = state.chain.parameters.late_rate;
    let reason = FailureReason::Late;
    put_out(state, order, ClaimStage::Claimed, reason, |bond| {
        rate.of(bond)
    })?;
    let left = contest(order)
        .in_stage(ClaimStage::Committed)
        .next()
        .is_some();
    match left {
        true => enter(state, order, Phase::Sealed),
        false => end(state, order, Outcome::NoClaims),
    }
    Ok(())
}

/// Goes on without those who did not show in time what they had committed to: they lose their locked bonds, or
/// one could commit to many things and show what suits.
pub(super) fn withheld(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let reason = FailureReason::Withheld;
    put_out(state, order, ClaimStage::Committed, reason, |bond| bond)?;
    let left = contest(order).in_stage(ClaimStage::Shown).next().is_some();
    match left {
        true => enter(state, order, Phase::TestOpen),
        false => end(state, order, Outcome::NoClaims),
    }
    Ok(())
}

/// Puts everybody in a stage out, with a cut of what is locked of their bonds, to the pot.
fn put_out(
    state: &mut State<'_>,
    order: &mut Order,
    stage: ClaimStage,
    reason: FailureReason,
    cut: impl Fn(Amount) -> Amount,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let numbers: Vec<u16> = contest(order).in_stage(stage).collect();
    for number in numbers {
        let Some(mut claim) = store::numbered(state, order, number) else {
            continue;
        };
        let locked = Locked {
            order: id,
            role: Role::Provider,
            account: claim.account,
            amount: std::mem::replace(&mut claim.bond, Amount::ZERO),
        };
        let (cut, slash) = (cut(locked.amount), SlashReason::Provider(reason));
        escrow::slash(state, &locked, cut, slash, Reward::default())?;
        gone(state, order, number, &claim);
    }
    Ok(())
}

/// Notes that a claim has come to nothing.
pub(super) fn gone(state: &mut State<'_>, order: &mut Order, number: u16, claim: &Claim) {
    let id = order.head.id;
    if let Some(entry) = contest(order).entry_mut(number) {
        entry.stage = ClaimStage::Out;
    }
    out(state, order, claim);
    let trainer: AccountId = claim.account;
    state.emit(OrderEvent::PutOut { trainer }.of(id));
}

/// What a claimant shows.
pub(super) struct Revealed<'a> {
    pub(super) root: &'a Digest,
    pub(super) checkpoints: &'a BoundedVec<FileId, 1024>,
    pub(super) result: &'a FileId,
    pub(super) first_invalid: Option<StepIndex>,
    pub(super) lock: &'a LockKey,
    pub(super) salt: &'a Digest,
    pub(super) openings: &'a BoundedVec<Opening, 2>,
}

/// Shows the run behind a claim; with all of them shown the test set may open.
pub(super) fn reveal(
    state: &mut State<'_>,
    order: &mut Order,
    (sender, place): (&Sender<'_>, &Place),
    of: &Revealed<'_>,
) -> Result<(), Refusal> {
    let (id, account) = (order.head.id, sender.account);
    let (number, mut claim) = own(order, sender, ClaimStage::Committed)?;
    let files = (of.root, &of.checkpoints[..], of.result);
    let named = Trace::commitment(place, account, files, (of.lock, of.salt));
    if claim.commitment != Some(named) {
        return Err(OrderRefusal::CommitmentMismatch { order: id }.into());
    }
    let (trace, [first, last]) = trace(state, order, of)?;
    let opened = [first, last].map(|opening| audits::under(order, &trace, opening));
    let opened = opened.into_iter().collect::<Result<Vec<_>, _>>()?;
    audits::check_length(state, order, (trace.result, account), last)?;
    let kept_ms = order.head.terms.inputs_ms(&state.chain.parameters);
    for file in of.checkpoints.iter().chain([of.result]) {
        must_be_kept(state, (*file, account), kept_ms)?;
    }
    let root = trace.root;
    claim.shown = Some(ShownRun {
        trace,
        salt: *of.salt,
        opened,
        model: last.reached.state,
    });
    store::save(state, &id, &claim);
    let contest = contest(order);
    if let Some(entry) = contest.entry_mut(number) {
        entry.stage = ClaimStage::Shown;
    }
    let waits = contest.in_stage(ClaimStage::Committed).next().is_some();
    let shown = OrderEvent::TraceCommitted {
        provider: account,
        root,
    };
    state.emit(shown.of(id));
    if !waits {
        enter(state, order, Phase::TestOpen);
    }
    Ok(())
}

/// The trace that is shown, with the openings of its first and its last leaf.
fn trace<'a>(
    state: &State<'_>,
    order: &Order,
    of: &Revealed<'a>,
) -> Result<(Trace, [&'a Opening; 2]), Refusal> {
    let (id, terms) = (order.head.id, &order.head.terms);
    runs::check_lock(order, *of.lock)?;
    let expected = terms.segments();
    if of.checkpoints.len() != expected as usize {
        return Err(OrderRefusal::CheckpointCount {
            order: id,
            expected,
            found: of.checkpoints.len() as u32,
        }
        .into());
    }
    let ends = [StepIndex(0), StepIndex(terms.steps)];
    let steps = of.openings.iter().map(|opening| opening.step);
    let ([first, last], true) = (&of.openings[..], steps.eq(ends)) else {
        let expected = Vec::from(ends);
        return Err(OrderRefusal::WrongOpenings {
            order: id,
            expected,
        }
        .into());
    };
    // Every validator holds the model to score it.
    let most = state.chain.parameters.max_input_bytes.min(terms.memory);
    let length = last.reached.state.length;
    if length > most {
        return Err(OrderRefusal::StateTooLong {
            order: id,
            length,
            most,
        }
        .into());
    }
    let counts = last.reached.counts;
    runs::check_counts(order, &counts, of.first_invalid)?;
    let trace = Trace {
        root: *of.root,
        checkpoints: of.checkpoints.to_vec(),
        result: *of.result,
        counts,
        first_invalid: of.first_invalid,
        lock: *of.lock,
        at: state.now(),
    };
    Ok((trace, [first, last]))
}

/// Takes note of what came of a claim's audit.
pub(in crate::orders) fn audited(
    state: &mut State<'_>,
    order: &mut Order,
    number: u16,
    stands: bool,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let claim = store::numbered(state, order, number);
    let mut claim = claim.ok_or(OrderRefusal::UnknownOrder { order: id })?;
    match stands {
        true => {
            if let Some(entry) = contest(order).entry_mut(number) {
                entry.stage = ClaimStage::Stands;
            }
        }
        false => {
            // What was left of its bond came free with the run.
            claim.bond = Amount::ZERO;
            gone(state, order, number, &claim);
        }
    }
    // Others may be audited now, in the next block.
    if order.head.phase == Phase::Checking {
        enter(state, order, Phase::Closed);
    }
    Ok(())
}
