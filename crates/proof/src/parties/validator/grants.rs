//! What grants tell a judge.

use assay_ledger::{AccountId, Dispute, Grant, Question};
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
        place: grant.place,
        from: grant.from,
        to: me.account,
    };
    let mut keys: ReaderKeys = granted.open(&me.encryption, &grant.sealed)?;
    let whole = keys.inputs.len() == order.head.terms.inputs.len();
    let counts = match dispute.question {
        Question::Start => {
            challenged(view, dispute) == Some(grant.from) && shows_grant(view, dispute, &keys)?
        }
        Question::Beginning => {
            grant.from == order.head.requester && shows_grant_to_provider(view, dispute, &keys)?
        }
        Question::Result => {
            // The key that was released, whatever file it opens, and no other.
            let last = order.head.terms.segments();
            let run = order.run_at(dispute.run)?;
            let to = &order.head.terms.delivery_key;
            let key = keys.shown((&order.work(run.index), run), to)?;
            keys.checkpoints = vec![(last, key)];
            true
        }
        _ => true,
    };
    (whole && counts).then_some(keys)
}

/// Whether everyone who may grant has done so.
pub(super) fn all_granted(view: &View, dispute: &Dispute, me: &AccountId) -> bool {
    let order = &view.order;
    let parties = match dispute.question {
        Question::Start => vec![challenged(view, dispute)],
        Question::Beginning => vec![Some(order.head.requester)],
        _ => vec![
            challenged(view, dispute),
            Some(order.head.requester),
            Some(dispute.challenger),
        ],
    };
    let mut parties = parties.into_iter().flatten();
    parties.all(|party| view.grant(view.dispute(), party, *me).is_some())
}

/// The provider whose run is in dispute.
fn challenged(view: &View, dispute: &Dispute) -> Option<AccountId> {
    view.order.run_at(dispute.run).map(|run| run.provider)
}

/// Whether these are the order's keys, and sealing them again under their witness gives the grant that the
/// provider had of the requester.
fn shows_grant_to_provider(view: &View, dispute: &Dispute, keys: &ReaderKeys) -> Option<bool> {
    let order = &view.order;
    let run = order.run_at(dispute.run)?;
    let granted = GrantUse {
        place: order.work(run.index),
        from: order.head.requester,
        to: run.provider,
    };
    let on_ledger = view.grant(granted.place, granted.from, granted.to)?;
    let as_granted = keys.as_granted();
    let sealed = granted.seal(&run.encryption_key, &as_granted, keys.witness?)?;
    let whole = as_granted.match_terms(&order.head.terms.keys);
    Some(whole && sealed == on_ledger.sealed)
}

/// Whether sealing these keys again under their witness gives the challenger's grant.
fn shows_grant(view: &View, dispute: &Dispute, keys: &ReaderKeys) -> Option<bool> {
    let run = view.order.run_at(dispute.run)?;
    let (from, to) = (run.provider, dispute.challenger);
    let place = view.order.round_place()?;
    let on_ledger = view.grant(place, from, to)?;
    let granted = GrantUse { place, from, to };
    let key = &run.seat(to)?.encryption_key;
    let mut as_granted = keys.clone();
    // Wiped as it is taken out; the grant was sealed without it.
    as_granted.witness.zeroize();
    let sealed = granted.seal(key, &as_granted, keys.witness?)?;
    Some(sealed == on_ledger.sealed)
}
