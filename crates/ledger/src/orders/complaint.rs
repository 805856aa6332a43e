//! Complaints about a result, for every procedure.
//!
//! That it is another one than the last leaf binds is shown to the ledger, which looks at the one place where
//! that shows ([`Contradiction`]). That it cannot be had only validators can tell, who look for it
//! ([`super::judging`]).

use assay_crypto::Digest;
use assay_crypto::release::Shown;

use super::disputes::{self, Claim};
use crate::accounts::money;
use crate::files::recorded;
use crate::state::State;
use crate::{
    Contradiction, Leaf, Opening, Order, OrderEvent, OrderRefusal, Promised, Question, Refusal,
    RunIndex, SegmentIndex, StateFile, StepIndex, Trace,
};

/// Notes what the state in a run's last leaf hashes to, where that leaf is opened. Its length says into how
/// many slices its file is cut: a provider that recorded another number cannot go on.
pub(super) fn note_last(
    state: &State<'_>,
    order: &mut Order,
    run: RunIndex,
    opening: &Opening,
) -> Result<(), Refusal> {
    let id = order.head.id;
    let of = order.runs.get_mut(run.0 as usize);
    let Some(run) = of.filter(|_| opening.step.0 == order.head.terms.steps) else {
        return Ok(());
    };
    let Some(trace) = &run.trace else {
        return Ok(());
    };
    let last = opening.reached.state;
    let file = StateFile::new(last.length).ok_or(OrderRefusal::StateTooLong {
        order: id,
        length: last.length,
        most: StateFile::MAX_STATE,
    })?;
    let (expected, found) = (
        file.slices(),
        recorded(state, trace.result, run.provider)?.slices,
    );
    if expected != found {
        return Err(OrderRefusal::OtherSlices {
            order: id,
            expected,
            found,
        }
        .into());
    }
    run.last = Some(last);
    Ok(())
}

/// Puts the delivered result before the validators.
pub(super) fn open(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let requester = order.head.requester;
    let deposit = state.chain.parameters.complaint_deposit;
    money::debit(state, &requester, deposit)?;
    order.head.deposit = deposit;
    let Some(run) = order.result_run() else {
        return Ok(());
    };
    let step = StepIndex(order.head.terms.steps);
    let leaf = run.opened(step).unwrap_or(Digest::ZERO);
    let last = Leaf { step, leaf };
    let segment = SegmentIndex(order.head.terms.segments().saturating_sub(1));
    let (index, claim) = (
        run.index,
        Claim {
            challenger: requester,
            rival: None,
            question: Question::Result,
            segment,
            from: last,
            disputed: last,
            claimed: None,
        },
    );
    disputes::open(state, order, index, claim)
}

/// Refuses to take a result for another one than it should be, unless that is shown. Who shows nothing
/// changes nothing: the order stands as it did, and nobody but the sender has paid for it.
pub(super) fn check(
    state: &mut State<'_>,
    order: &Order,
    shown: &Shown,
    contradiction: &Contradiction,
) -> Result<RunIndex, Refusal> {
    let id = order.head.id;
    let done = || OrderRefusal::AlreadyDone { order: id };
    let run = order.result_run().ok_or_else(done)?;
    let (trace, last) = (run.trace.as_ref(), run.last);
    let (trace, last) = trace.zip(last).ok_or_else(done)?;
    let to = &order.head.terms.delivery_key;
    let released = run.released.as_ref();
    let key = released.and_then(|released| shown.by_receiver(released, to));
    let key = key.ok_or(OrderRefusal::OtherKey {
        order: id,
        run: run.index,
    })?;
    let record = recorded(state, trace.result, run.provider)?;
    let promised = Promised {
        state: last,
        root: record.root,
        slices: record.slices,
    };
    let key = Trace::result_key(&key);
    contradiction
        .check(&promised, &key)
        .map_err(|problem| OrderRefusal::NothingWrong {
            order: id,
            run: run.index,
            problem,
        })?;
    let run = run.index;
    state.emit(OrderEvent::Contradicted { run }.of(id));
    Ok(run)
}
