//! Moves of a dispute, the validators' findings, and complaints.

use assay_crypto::{Digest, merkle};

use super::{must_be, order_in};
use crate::progress::enter;
use crate::resolve::{decide, open};
use crate::state::State;
use crate::{
    AccountId, Attestation, Dispute, Event, Leaf, Opening, Order, OrderId, Phase, Question,
    Refusal, SegmentIndex, StepIndex, money,
};

/// States one party's leaf in the middle; when both are known, narrows the dispute to the half
/// in which they part.
pub(super) fn bisect(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    leaf: Digest,
    path: Option<&merkle::Path>,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Bisecting], "bisect")?;
    let id = order.id;
    let provider = order.provider();
    let dispute = order.dispute();
    let not_mine = || Refusal::NotYourMove {
        order: id,
        belongs: "the provider and the challenger".to_owned(),
    };
    let (challenger, step) = dispute
        .and_then(|dispute| Some((dispute.challenger, dispute.middle()?)))
        .ok_or_else(not_mine)?;
    let by_provider = Some(sender) == provider;
    if by_provider {
        let path = path.cloned().unwrap_or_else(|| merkle::Path(Vec::new()));
        check_path(&order, &Opening { step, leaf, path })?;
    } else if sender != challenger {
        return Err(not_mine());
    }
    let Some(dispute) = order.disputes.last_mut() else {
        return Err(not_mine());
    };
    let made = if by_provider {
        &mut dispute.provider_move
    } else {
        &mut dispute.challenger_move
    };
    if made.is_some() {
        return Err(Refusal::AlreadyDone { order: id });
    }
    *made = Some(leaf);
    if let (Some(provided), Some(challenged)) = (dispute.provider_move, dispute.challenger_move) {
        narrow(dispute, step, provided, challenged);
        let (agreed, disputed) = (dispute.agreed.step, dispute.disputed.step);
        let next = match dispute.middle() {
            Some(_) => Phase::Bisecting,
            None => Phase::Attesting,
        };
        state.emit(Event::Narrowed {
            order: id,
            agreed,
            disputed,
        });
        enter(state, &mut order, next);
    }
    state.save_order(&mut order);
    Ok(())
}

fn narrow(dispute: &mut Dispute, step: StepIndex, provided: Digest, challenged: Digest) {
    let middle = Leaf {
        step,
        leaf: provided,
    };
    if provided == challenged {
        dispute.agreed = middle;
    } else {
        dispute.disputed = middle;
        dispute.claimed = Some(challenged);
    }
    dispute.provider_move = None;
    dispute.challenger_move = None;
}

/// Records a validator's finding; a quorum of equal ones is the verdict.
pub(super) fn attest(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
    leaf: Option<Digest>,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Attesting], "attest")?;
    let id = order.id;
    let validator = state
        .chain
        .validators
        .binary_search(&sender)
        .ok()
        .map(|_| sender);
    must_be(&order, sender, validator, "the validators")?;
    let Some(dispute) = order.disputes.last_mut() else {
        return Err(Refusal::UnknownOrder { order: id });
    };
    if dispute
        .attestations
        .iter()
        .any(|made| made.validator == sender)
    {
        return Err(Refusal::AlreadyDone { order: id });
    }
    dispute.attestations.push(Attestation {
        validator: sender,
        leaf,
    });
    state.emit(Event::Attested {
        order: id,
        validator: sender,
        leaf,
    });
    let equal = dispute
        .attestations
        .iter()
        .filter(|made| made.leaf == leaf)
        .count();
    if equal >= state.chain.quorum() {
        decide(state, &mut order, leaf)?;
    }
    state.save_order(&mut order);
    Ok(())
}

/// Puts the delivered result before the validators.
pub(super) fn complain(
    state: &mut State<'_>,
    sender: AccountId,
    order: OrderId,
) -> Result<(), Refusal> {
    let mut order = order_in(state, order, &[Phase::Accepted], "complain")?;
    must_be(&order, sender, Some(order.requester), "the requester")?;
    let step = StepIndex(order.terms.steps);
    let leaf = order.opened(step).unwrap_or(Digest::ZERO);
    let deposit = state.chain.parameters.complaint_deposit;
    money::debit(state, &sender, deposit)?;
    order.deposit = deposit;
    let last = Leaf { step, leaf };
    let dispute = Dispute {
        challenger: sender,
        question: Question::Result,
        opened: state.now(),
        segment: SegmentIndex(order.terms.segments().saturating_sub(1)),
        from: last,
        agreed: last,
        disputed: last,
        claimed: None,
        provider_move: None,
        challenger_move: None,
        attestations: Vec::new(),
        verdict: None,
    };
    open(state, &mut order, dispute)?;
    state.save_order(&mut order);
    Ok(())
}

/// The opened leaf, if its path leads to the root of the order's trace.
pub(super) fn check_path(order: &Order, opening: &Opening) -> Result<Leaf, Refusal> {
    let Opening { step, leaf, path } = opening;
    let count = order.terms.steps + 1;
    let root = order.trace.as_ref().map(|trace| trace.root);
    if root.is_some_and(|root| path.verify(&root, step.0, count, leaf)) {
        return Ok(Leaf {
            step: *step,
            leaf: *leaf,
        });
    }
    Err(Refusal::BadPath {
        order: order.id,
        step: *step,
    })
}
