//! What grants tell a judge.

use assay_ledger::{AccountId, Dispute, Grant, Question, Role};
use zeroize::Zeroize;

use crate::keys::{GrantUse, ReaderKeys};
use crate::party::Identity;
use crate::view::View;

/// Opens a grant that was made for this dispute; `None` for one that is of no use in it.
pub(super) fn open(
    me: &Identity,
    view: &View,
    dispute: &Dispute,
    grant: &Grant,
) -> Option<ReaderKeys> {
    let order = &view.order;
    let granted = GrantUse {
        order: order.id,
        attempt: order.attempt,
        from: grant.from,
        to: me.account,
    };
    let keys: ReaderKeys = granted.open(&me.encryption, &grant.sealed)?;
    let whole = keys.inputs.len() == order.terms.inputs.len();
    let counts = match dispute.question {
        Question::Start => {
            order.provider() == Some(grant.from) && shows_grant(view, dispute, &keys)?
        }
        _ => true,
    };
    (whole && counts).then_some(keys)
}

/// Whether everyone who may grant has done so.
pub(super) fn all_granted(view: &View, dispute: &Dispute, me: &AccountId) -> bool {
    let order = &view.order;
    let parties = match dispute.question {
        Question::Start => vec![order.provider()],
        _ => vec![
            order.provider(),
            Some(order.requester),
            Some(dispute.challenger),
        ],
    };
    let mut parties = parties.into_iter().flatten();
    parties.all(|party| view.granted(party, *me, dispute.opened))
}

/// Whether sealing these keys again under their witness gives the challenger's grant.
fn shows_grant(view: &View, dispute: &Dispute, keys: &ReaderKeys) -> Option<bool> {
    let order = &view.order;
    let (provider, round) = (order.provider()?, order.round()?);
    let mut grants = order.grants_to(dispute.challenger);
    let on_ledger = grants.find(|grant| grant.from == provider && grant.at >= round.at)?;
    let granted = GrantUse {
        order: order.id,
        attempt: order.attempt,
        from: provider,
        to: dispute.challenger,
    };
    let to = view.keys.get(&(dispute.challenger, Role::Auditor))?;
    let mut as_granted = keys.clone();
    // Wiped as it is taken out; the grant was sealed without it.
    as_granted.witness.zeroize();
    let sealed = granted.seal(to, &as_granted, keys.witness?)?;
    Some(sealed == on_ledger.sealed)
}
