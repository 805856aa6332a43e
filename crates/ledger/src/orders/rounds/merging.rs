//! Validators say what the updates that stand make of the model.

use assay_crypto::Digest;

use super::record::{Merge, Model};
use super::training;
use crate::files::{must_be_kept, recorded};
use crate::orders::escrow;
use crate::orders::passage::enter;
use crate::state::State;
use crate::{AccountId, Amount, FileId, Order, OrderEvent, OrderRefusal, Phase, Refusal};

/// Notes what a validator computed; a quorum of equal models is the round's.
pub(super) fn attest(
    state: &mut State<'_>,
    order: &mut Order,
    validator: AccountId,
    (file, content, keeper): (FileId, Digest, AccountId),
) -> Result<(), Refusal> {
    let id = order.head.id;
    let ms = order.head.terms.inputs_ms(&state.chain.parameters);
    let rounds = order.head.rounds.get_or_insert_default();
    let stays = rounds
        .model
        .as_ref()
        .is_some_and(|of| (of.file, of.content) == (file, content));
    let record = match stays {
        // It was looked at when it became the model.
        true => (Digest::ZERO, 0, 0),
        false => {
            must_be_kept(state, (file, keeper), ms)?;
            let of = recorded(state, file, keeper)?;
            (of.root, of.slices, of.length_class)
        }
    };
    if rounds.merges.iter().any(|of| of.validator == validator) {
        return Err(OrderRefusal::AlreadyDone { order: id }.into());
    }
    rounds.merges.push(Merge {
        validator,
        file,
        content,
        keeper,
        record,
    });
    // A keeper whose record says something else of the file would keep everybody from reading it.
    let same = |of: &&Merge| (of.file, of.content, of.record) == (file, content, record);
    let equal: Vec<Merge> = rounds.merges.iter().filter(same).copied().collect();
    let attested = OrderEvent::ModelAttested { validator, file };
    state.emit(attested.of(id));
    if equal.len() >= state.chain.quorum() {
        return merged(state, order, &equal);
    }
    Ok(())
}

/// Takes a model as the next one, and pays for it; that of before is what nothing was merged into.
fn merged(state: &mut State<'_>, order: &mut Order, equal: &[Merge]) -> Result<(), Refusal> {
    let id = order.head.id;
    let Some(Merge { file, content, .. }) = equal.first().copied() else {
        return Ok(());
    };
    let fee = order.round_terms().map_or(Amount::ZERO, |of| of.merge_fee);
    let share = Amount(fee.0.checked_div(equal.len() as u64).unwrap_or(0));
    for merge in equal {
        escrow::pay_from_escrow(state, order, merge.validator, share)?;
    }
    let mut keepers: Vec<AccountId> = equal.iter().map(|of| of.keeper).collect();
    keepers.sort_unstable();
    keepers.dedup();
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.merges.clear();
    let (round, updates) = (rounds.round, rounds.counted.count());
    let before = rounds.model.as_ref().map(|of| (of.file, of.content));
    let next = match before {
        // The updates make nothing of the model: the round says so when it ends.
        Some(before) if before == (file, content) => Phase::Between,
        _ => {
            rounds.model = Some(Model {
                file,
                content,
                keepers,
            });
            match before {
                None => {
                    state.emit(OrderEvent::FirstModel { file }.of(id));
                    rounds.unmerged = 0;
                    Phase::Training
                }
                Some(_) => {
                    let merged = OrderEvent::Merged {
                        round,
                        updates,
                        file,
                    };
                    state.emit(merged.of(id));
                    rounds.merged = true;
                    Phase::Between
                }
            }
        }
    };
    enter(state, order, next);
    // Everybody may have left in the meantime.
    training::advance(state, order);
    Ok(())
}

/// Ends merging without a model: the validators did not agree on one in time.
pub(super) fn over(state: &mut State<'_>, order: &mut Order) -> Result<(), Refusal> {
    let rounds = order.head.rounds.get_or_insert_default();
    rounds.merges.clear();
    enter(state, order, Phase::Between);
    Ok(())
}
