//! An audit of somebody's part in an order is an order of its own: with rounds, of a trainer's steps in one
//! round; in a contest, of a claim.
//!
//! It begins in phase `committed`, with whoever did the work as requester and provider, and goes through the
//! phases of [`super::traced`]. Money comes out of the order whose part it is, and what is not spent goes back
//! there. Who audits or judges it does not know what it is the audit of.

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey};

use super::disputes;
use super::passage::enter;
use super::rules::problem::TermsProblem;
use super::stored::save;
use crate::accounts::money;
use crate::files::recorded;
use crate::state::State;
use crate::{
    AccountId, Amount, AuditOf, Deadlines, FileId, Head, Lasting, Leaf, Moment, Opening, Order,
    OrderEvent, OrderId, OrderRefusal, Phase, Refusal, Run, RunIndex, StateFile, Terms, Trace,
};

/// Somebody's part in an order.
pub(super) struct Part {
    /// The account.
    pub(super) account: AccountId,
    /// Who owned it when it took part.
    pub(super) owner: AccountId,
    /// Where grants to it are sealed.
    pub(super) encryption_key: EncryptionKey,
    /// What is locked of its bond.
    pub(super) bond: Amount,
    /// The round that it is of, and the part's number.
    pub(super) number: (u16, u16),
    /// What its steps follow from.
    pub(super) seed: Digest,
    /// The terms of its run, as if that had been ordered alone.
    pub(super) terms: Terms,
    /// Whose records say where the inputs lie that are not its own.
    pub(super) keepers: Vec<AccountId>,
}

/// What somebody committed to.
pub(super) struct Work {
    pub(super) trace: Trace,
    /// Leaf 0 and the last leaf.
    pub(super) opened: Vec<Leaf>,
    /// What the last state hashes to.
    pub(super) last: Tiled,
}

impl Part {
    /// The part as the order that its audit would be: its owner is its requester and its provider. Nothing is
    /// committed in it, and it holds no money.
    pub(super) fn into_order(self, parent: &Head) -> Order {
        let (round, number) = self.number;
        let audit_of = AuditOf {
            order: parent.id,
            requester: parent.requester,
            round,
            trainer: number,
            keepers: self.keepers,
        };
        let Moment { height, .. } = parent.since;
        let run = Run {
            index: RunIndex(0),
            provider: self.account,
            owner: self.owner,
            encryption_key: self.encryption_key,
            bond: self.bond,
            seed: Some(self.seed),
            at: height,
            declined: None,
            commitment: None,
            trace: None,
            released: None,
            released_at: None,
            opened: Vec::new(),
            last: None,
            rounds: Vec::new(),
            last_resort: false,
            failed: None,
        };
        let head = Head {
            id: OrderId::of_audit(parent.id, round, number),
            requester: self.account,
            terms: self.terms,
            posted: height,
            updated: height,
            phase: Phase::Running,
            since: parent.since,
            deadline: parent.deadline,
            until: parent.deadline,
            lists: 0,
            asked: None,
            declined: Vec::new(),
            escrow: Amount::ZERO,
            answers: 0,
            deposit: Amount::ZERO,
            begun: 1,
            disputed: 0,
            outcome: None,
            rounds: None,
            audit_of: Some(Box::new(audit_of)),
        };
        Order {
            head,
            runs: vec![run],
            disputes: Vec::new(),
            contest: None,
        }
    }
}

/// Begins an audit at the point where its run is committed, with money out of the order whose part it is. The
/// bond stays locked as it is.
pub(super) fn begin(
    state: &mut State<'_>,
    parent: &mut Order,
    mut audit: Order,
    work: Work,
    escrow: Amount,
) -> Result<OrderId, Refusal> {
    if let Some(run) = audit.runs.first_mut() {
        run.trace = Some(work.trace);
        run.opened = work.opened;
        run.last = Some(work.last);
    }
    parent.head.escrow = money::minus(parent.head.escrow, escrow)?;
    audit.head.escrow = escrow;
    audit.head.answers = audit.head.terms.most_answers(&state.chain.parameters);
    audit.head.posted = state.now();
    let (id, requester) = (audit.head.id, audit.head.requester);
    state.emit(OrderEvent::OrderPosted { requester, escrow }.of(id));
    enter(state, &mut audit, Phase::Committed);
    save(state, &mut audit);
    Ok(id)
}

/// What an audit holds: what its run is paid there, the auditors' fees, and the fees of their answers; `None`
/// on overflow.
pub(super) fn escrow(
    terms: &Terms,
    price: Amount,
    parameters: &crate::Parameters,
) -> Option<Amount> {
    let fees = terms.auditor_fee.checked_mul(terms.auditors.into())?;
    let answers = u64::from(terms.most_answers(parameters));
    let answers = parameters.answer_fee().checked_mul(answers)?;
    price.checked_add(fees)?.checked_add(answers)
}

/// A leaf that lies under the root of a trace and counts what was said of it.
pub(super) fn under(order: &Order, trace: &Trace, opening: &Opening) -> Result<Leaf, Refusal> {
    let leaf = disputes::opened_under(order, Some(trace), opening)?;
    match trace.admits(leaf.step, &opening.reached.counts) {
        true => Ok(leaf),
        false => Err(disputes::other_counts(order, leaf.step)),
    }
}

/// Refuses a file that cannot be that of the state in the last leaf.
pub(super) fn check_length(
    state: &State<'_>,
    order: &Order,
    (file, account): (FileId, AccountId),
    last: &Opening,
) -> Result<(), Refusal> {
    let (id, length) = (order.head.id, last.reached.state.length);
    let of_state = StateFile::new(length).ok_or(OrderRefusal::StateTooLong {
        order: id,
        length,
        most: StateFile::MAX_STATE,
    })?;
    let (expected, found) = (of_state.slices(), recorded(state, file, account)?.slices);
    match expected == found {
        true => Ok(()),
        false => Err(OrderRefusal::OtherSlices {
            order: id,
            expected,
            found,
        }
        .into()),
    }
}

/// Who is audited may have to take its steps once more before it can open them: its machine kept them for its
/// part alone.
pub(super) fn times(deadlines: &Deadlines, who: &str) -> Option<TermsProblem> {
    (deadlines.open < deadlines.run).then(|| TermsProblem {
        field: "deadlines.open",
        text: format!(
            "the open deadline is {:#} and the run deadline {:#}: {who} that is audited takes its steps again \
             before it opens them, so give it as long as for the run itself",
            Lasting(deadlines.open),
            Lasting(deadlines.run)
        ),
    })
}
