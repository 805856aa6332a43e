//! How validators judge a dispute, for every procedure: they commit to what they found, reveal it, and a
//! quorum of equal findings is the verdict.
//!
//! In the open the first findings could be copied by judges that never looked. So a finding is committed
//! to first, until as many have as a verdict takes, or three quarters of the time are over; then those who
//! committed reveal. Who did not commit in time is heard after them, for its voice may be needed: where
//! fewer than a quorum reveal the same, because some lie or fall silent, the others decide. But it may
//! have copied, and is not paid.

use assay_crypto::Digest;

use super::disputes::{Decision, end};
use crate::state::State;
use crate::{
    AccountId, Attestation, Dispute, FailureReason, FindingCommitment, Moment, Order, OrderEvent,
    OrderRefusal, Phase, Place, Question, Refusal, Verdict,
};

/// Of the time that validators have, the eighths in which they commit.
const COMMITTING: u64 = 6;
/// The eighths that those who committed have to reveal before others are heard.
const REVEALING: u64 = 1;

/// Whose findings are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hearing {
    /// Nobody's: validators commit to them.
    Sealed,
    /// Those of validators that committed.
    Committed,
    /// Everybody's.
    Open,
}

impl Order {
    /// Whose findings about the open dispute are heard in the block `now`, if validators judge it.
    pub fn hearing(&self, now: Moment) -> Option<Hearing> {
        let judged = self.head.phase == Phase::Attesting;
        let dispute = self.dispute().filter(|_| judged)?;
        let whole = (self.head.since, self.head.deadline);
        let closed = dispute.closed;
        let closed = closed.unwrap_or_else(|| self.head.since.later(COMMITTING, whole));
        let mut committed = dispute.commitments.iter();
        Some(if !closed.is_reached(now) {
            Hearing::Sealed
        } else if committed.all(|of| has_attested(dispute, of.validator))
            || closed.later(REVEALING, whole).is_reached(now)
        {
            Hearing::Open
        } else {
            Hearing::Committed
        })
    }
}

fn has_attested(dispute: &Dispute, validator: AccountId) -> bool {
    let mut made = dispute.attestations.iter();
    made.any(|made| made.validator == validator)
}

fn commitment_of(dispute: &Dispute, validator: AccountId) -> Option<Digest> {
    let mut made = dispute.commitments.iter();
    let made = made.find(|made| made.validator == validator);
    made.map(|made| made.commitment)
}

/// Whether a validator has to commit to a finding about the open dispute in the block `now`.
pub(super) fn has_to_commit(order: &Order, validator: AccountId, now: Moment) -> bool {
    let dispute = order.dispute();
    dispute.is_some_and(|dispute| {
        let silent = !has_attested(dispute, validator);
        silent && commitment_of(dispute, validator).is_none()
    }) && order.hearing(now) == Some(Hearing::Sealed)
}

/// Whether a validator is heard in the block `now`, and has not attested in the open dispute.
pub(super) fn has_to_attest(order: &Order, validator: AccountId, now: Moment) -> bool {
    let dispute = order.dispute();
    dispute.is_some_and(|dispute| {
        let heard = heard_from(dispute, validator);
        !has_attested(dispute, validator) && order.hearing(now) >= Some(heard)
    })
}

/// From when on a validator is heard.
fn heard_from(dispute: &Dispute, validator: AccountId) -> Hearing {
    match commitment_of(dispute, validator) {
        Some(_) => Hearing::Committed,
        None => Hearing::Open,
    }
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
    if commitment_of(dispute, validator).is_some() || has_attested(dispute, validator) {
        return Err(done().into());
    }
    if order.hearing(now) != Some(Hearing::Sealed) {
        return Err(OrderRefusal::FindingsOpen { order: id }.into());
    }
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

/// Records a validator's finding; a quorum of equal ones is the verdict.
pub(super) fn attest(
    state: &mut State<'_>,
    order: &mut Order,
    (validator, place): (AccountId, &Place),
    leaf: Option<Digest>,
    salt: Option<Digest>,
) -> Result<Option<Decision>, Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let dispute = order.dispute().ok_or_else(done)?;
    if has_attested(dispute, validator) {
        return Err(done().into());
    }
    let finding = Attestation { validator, leaf };
    let committed = commitment_of(dispute, validator);
    let heard = heard_from(dispute, validator);
    if order.hearing(state.moment()) < Some(heard) {
        return Err(OrderRefusal::FindingsSealed { order: id }.into());
    }
    if committed != salt.map(|salt| finding.commitment(place, &salt)) {
        return Err(OrderRefusal::CommitmentMismatch { order: id }.into());
    }
    let dispute = order.disputes.last_mut().ok_or_else(done)?;
    dispute.attestations.push(finding);
    state.emit(OrderEvent::Attested { validator, leaf }.of(id));
    let equal = dispute.attestations.iter().filter(|made| made.leaf == leaf);
    if equal.count() < state.chain.quorum() {
        return Ok(None);
    }
    Ok(decide(state, order, leaf))
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

/// Ends the open dispute because the validators came to no verdict in time. That decides for nobody, but for
/// one thing: where one validator more than can be liars could not get what the provider has to show to all
/// of them, an honest one could not.
pub(super) fn unjudged(state: &mut State<'_>, order: &mut Order) -> Option<Decision> {
    let dispute = order.dispute()?;
    let unseen = dispute.attestations.iter().filter(|of| of.leaf.is_none());
    let unseen = unseen.count();
    let liars = state.chain.validators.len() - state.chain.quorum();
    let (verdict, judges) = match dispute.question {
        Question::Result => (Verdict::None, Vec::new()),
        // Who says that it could not begin is not against whom it would have to be shown.
        Question::Beginning if unseen > liars => (Verdict::Provider, Vec::new()),
        Question::Beginning => (Verdict::None, Vec::new()),
        // Of two copies both had to show it.
        _ if unseen > liars && dispute.rival.is_some() => (Verdict::Neither, paid(dispute, None)),
        _ if unseen > liars => (Verdict::Challenger, paid(dispute, None)),
        _ => (Verdict::None, Vec::new()),
    };
    end(state, order, verdict, FailureReason::Unavailable, judges)
}

/// Who is paid for a verdict: whoever found it, and had committed to that before it could know what others
/// found.
fn paid(dispute: &Dispute, found: Option<Digest>) -> Vec<AccountId> {
    let right = dispute.attestations.iter().filter(|of| of.leaf == found);
    let committed = right.filter(|of| commitment_of(dispute, of.validator).is_some());
    committed.map(|of| of.validator).collect()
}
