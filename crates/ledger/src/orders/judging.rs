//! How validators judge a dispute, for every procedure: they commit to what they found, reveal it, and a
//! quorum of equal findings is the verdict.
//! Who did not commit in time is heard after those who did ([`super::sealed`]), for its voice may be needed:
//! where fewer than a quorum reveal the same, because some lie or fall silent, the others decide. But it may
//! have copied, and is not paid.

use std::collections::BTreeSet;

use assay_crypto::Digest;

use super::disputes::{Decision, end};
use super::passage::enter;
use super::sealed::{Hearing, Sealed};
use crate::state::State;
use crate::{
    AccountId, Attestation, Dispute, FailureReason, Finding, FindingCommitment, Moment, Order,
    OrderEvent, OrderRefusal, Phase, Piece, Place, Question, Refusal, Verdict,
};

impl Order {
    /// Whose findings about the open dispute are heard in the block `now`, if validators judge it.
    pub fn hearing(&self, now: Moment) -> Option<Hearing> {
        let judged = self.head.phase == Phase::Attesting;
        let dispute = self.dispute().filter(|_| judged)?;
        Some(sealed(self, dispute, &|by| has_attested(dispute, by)).hearing(now))
    }
}

/// The findings about a dispute.
fn sealed<'a>(
    order: &Order,
    dispute: &'a Dispute,
    revealed: &'a dyn Fn(AccountId) -> bool,
) -> Sealed<'a> {
    Sealed {
        order: order.head.id,
        whole: (order.head.since, order.head.deadline),
        commitments: &dispute.commitments,
        closed: dispute.closed,
        revealed,
    }
}

fn has_attested(dispute: &Dispute, validator: AccountId) -> bool {
    let mut made = dispute.attestations.iter();
    made.any(|made| made.validator == validator)
}

/// Whether a validator has to commit to a finding about the open dispute in the block `now`.
pub(super) fn has_to_commit(order: &Order, validator: AccountId, now: Moment) -> bool {
    let judged = order.head.phase == Phase::Attesting;
    order.dispute().filter(|_| judged).is_some_and(|dispute| {
        sealed(order, dispute, &|by| has_attested(dispute, by)).has_to_commit(validator, now)
    })
}

/// Whether a validator is heard in the block `now`, and has not attested in the open dispute.
pub(super) fn has_to_attest(order: &Order, validator: AccountId, now: Moment) -> bool {
    let judged = order.head.phase == Phase::Attesting;
    order.dispute().filter(|_| judged).is_some_and(|dispute| {
        sealed(order, dispute, &|by| has_attested(dispute, by)).has_to_reveal(validator, now)
    })
}

/// Commits a validator to what it found; as many as make a verdict end this.
pub(super) fn commit(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    commitment: Digest,
) -> Result<(), Refusal> {
    let (id, now) = (order.head.id, state.moment());
    let done = || OrderRefusal::AlreadyDone { order: id };
    let dispute = order.dispute().ok_or_else(done)?;
    let attested = |by| has_attested(dispute, by);
    sealed(order, dispute, &attested).check_commit(validator, now)?;
    let dispute = order.disputes.last_mut().ok_or_else(done)?;
    dispute.commitments.push(FindingCommitment {
        validator,
        commitment,
    });
    if dispute.commitments.len() >= state.chain.quorum() {
        dispute.closed = Some(now);
    }
    state.emit(OrderEvent::FindingCommitted { validator }.of(id));
    Ok(())
}

/// Records a validator's finding; a quorum of equal leaves is the verdict. That something is missing has to
/// be found twice: where one validator more than can be liars says so, it is to be shown again, and where as
/// many still miss something, an honest one does, and who had to show it to all of them loses. Who
/// complains about a result needs a quorum for that too.
pub(super) fn attest(
    state: &mut State<'_>,
    order: &mut Order,
    (validator, place): (AccountId, &Place),
    found: Finding,
    salt: Option<Digest>,
) -> Result<Option<Decision>, Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let dispute = order.dispute().ok_or_else(done)?;
    let finding = Attestation { validator, found };
    let named = salt.map(|salt| finding.commitment(place, &salt));
    let attested = |by| has_attested(dispute, by);
    sealed(order, dispute, &attested).check_reveal(validator, state.moment(), named)?;
    let dispute = order.disputes.last_mut().ok_or_else(done)?;
    dispute.attestations.push(finding);
    state.emit(OrderEvent::Attested { validator, found }.of(id));
    // A piece is missing, whichever it is.
    let same = |made: &&Attestation| made.found.leaf() == found.leaf();
    let equal = dispute.attestations.iter().filter(same).count();
    let (quorum, liars) = (state.chain.quorum(), state.chain.liars());
    // Who says that it could not begin has nothing to show.
    let looks_again = !dispute.named.is_empty() || dispute.question == Question::Beginning;
    let enough = match (found, dispute.question) {
        (Finding::Leaf(_), _) | (Finding::Missing(_), Question::Beginning) => equal >= quorum,
        (Finding::Missing(_), _) if !looks_again => false,
        (Finding::Missing(_), Question::Result) => equal >= quorum,
        (Finding::Missing(_), _) => equal > liars,
    };
    if enough {
        return Ok(decide(state, order, found.leaf()));
    }
    if found.leaf().is_none() && !looks_again && equal > liars {
        look_again(state, order);
    }
    Ok(None)
}

/// Has what was missing shown again, to those who missed it: one validator more than can be liars did.
/// What the others found stands.
fn look_again(state: &mut State<'_>, order: &mut Order) {
    let Some(dispute) = order.disputes.last_mut() else {
        return;
    };
    let made = std::mem::take(&mut dispute.attestations).into_iter();
    let (found, named) = made.partition(|made| made.found.leaf().is_some());
    (dispute.attestations, dispute.named) = (found, named);
    // Whoever has not revealed what it committed to looks again too.
    let (stand, named) = (&dispute.attestations, &dispute.named);
    let stands = |by| stand.iter().any(|made| made.validator == by);
    dispute.commitments.retain(|of| stands(of.validator));
    dispute.closed = None;
    let pieces = named.iter().filter_map(|made| made.found.missing());
    let pieces: BTreeSet<Piece> = pieces.collect();
    let pieces = pieces.into_iter().collect();
    state.emit(OrderEvent::Unseen { pieces }.of(order.head.id));
    enter(state, order, Phase::Attesting);
}

/// Ends the open dispute by what a quorum of validators found.
fn decide(state: &mut State<'_>, order: &mut Order, found: Option<Digest>) -> Option<Decision> {
    let dispute = order.dispute()?;
    let reason = match found {
        Some(_) => FailureReason::WrongResult,
        None => FailureReason::Unavailable,
    };
    let verdict = if dispute.question == Question::Beginning {
        match found {
            None => Verdict::Provider,
            Some(_) => Verdict::Challenger,
        }
    } else if found == Some(dispute.disputed.leaf) {
        Verdict::Provider
    } else {
        match dispute.question {
            // Both had to store it.
            _ if found.is_none() && dispute.rival.is_some() => Verdict::Neither,
            // Nobody can be right against what could not be had: who had to store it loses.
            _ if found.is_none() => Verdict::Challenger,
            Question::Start | Question::Result | Question::Beginning => Verdict::Challenger,
            Question::Initial | Question::Step if found == dispute.claimed => Verdict::Challenger,
            Question::Initial | Question::Step => Verdict::Neither,
        }
    };
    let judges = paid(dispute, found);
    end(state, order, verdict, reason, judges)
}

/// Ends the open dispute because the validators came to no verdict in time: that decides for nobody.
pub(super) fn unjudged(state: &mut State<'_>, order: &mut Order) -> Option<Decision> {
    let (verdict, reason) = (Verdict::None, FailureReason::Unavailable);
    end(state, order, verdict, reason, Vec::new())
}

/// Who is paid for a verdict: whoever found it, and had committed to that before it could know what others
/// found.
fn paid(dispute: &Dispute, found: Option<Digest>) -> Vec<AccountId> {
    let right = dispute
        .attestations
        .iter()
        .filter(|of| of.found.leaf() == found);
    let committed = right.filter(|of| {
        let mut made = dispute.commitments.iter();
        made.any(|made| made.validator == of.validator)
    });
    committed.map(|of| of.validator).collect()
}
