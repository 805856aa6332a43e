//! Which party plays the part of a member in an order.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_crypto::aead::FileKey;
use assay_ledger::{AccountId, Order, Role};
use assay_proof::{InputKeys, model_key};

use super::super::cast::{Actor, MakeParty};
use super::super::member::Member;
use super::super::stage::Stage;

/// What opens a member's rows of an order.
pub(super) fn rows_key(account: AccountId, stage: usize) -> FileKey {
    let stage = stage.to_le_bytes();
    FileKey(Digest::of("assay/sim/rows key/v1", &[&account.0, &stage]).0)
}

/// The party of a member in an order that is posted, if it has a part there.
pub(in super::super) fn part(actor: &Actor, member: &Member, stage: &Stage) -> Option<MakeParty> {
    if stage.rounds().is_none() {
        return Some(actor.party.clone());
    }
    match member.role? {
        Role::Provider => {
            let make = actor.in_rounds.trainer.clone();
            let rows = rows_key(member.account, stage.number);
            Some(Arc::new(move |me| make(me, rows.clone())))
        }
        Role::Validator => Some(actor.in_rounds.merger.clone()),
        _ => None,
    }
}

/// The party of a member in the audit of a trainer's round, of the order with that number.
pub(super) fn part_in_audit(
    actor: &Actor,
    member: &Member,
    (audit, stage): (&Order, usize),
) -> Option<MakeParty> {
    if member.role? != Role::Provider {
        return Some(actor.party.clone());
    }
    let of = audit.head.audit_of.as_ref()?;
    let model = audit.head.terms.inputs.first()?;
    audit.run_of(member.account)?;
    let model = model_key(of.order, &model.content);
    let keys = InputKeys::of_trainer(model, rows_key(member.account, stage));
    let make = actor.in_rounds.answering.clone();
    Some(Arc::new(move |me| make(me, keys.clone())))
}
