//! An order and everything public that its parties need beside it.

use std::collections::BTreeMap;

use assay_crypto::EncryptionKey;
use assay_ledger::{
    AccountId, Dispute, Grant, Height, LedgerTime, Order, OrderId, Phase, Place, Question,
    ReadError, Role, Rounds, SegmentIndex, StepIndex, Store, Trainer, query,
};

/// Milliseconds before a deadline in which nobody waits any more for what has not come.
const LAST_MS: u64 = 2_000;

/// An order as a final block left it, with what its parties granted each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The height of that block, or of a later one that changed nothing here.
    pub height: Height,
    /// The ledger time at that height.
    pub time: LedgerTime,
    /// The order.
    pub order: Order,
    /// The keys handed over in the runs that stand, in the order in which they came.
    pub grants: Vec<Grant>,
    /// The network's validators, ascending.
    pub validators: Vec<AccountId>,
    /// Where grants to validators are sealed.
    pub keys: BTreeMap<AccountId, EncryptionKey>,
    /// The reader's own part in an order with rounds, if it ever joined it.
    pub trainer: Option<Trainer>,
    /// Where the reader is a validator and has updates to gather or to merge: those who sent one.
    pub senders: Vec<Trainer>,
}

/// Those who sent an update in the round under way, while a validator has to look at them.
fn senders(
    store: &dyn Store,
    order: &Order,
    rounds: &Rounds,
    judges: bool,
) -> Result<Vec<Trainer>, ReadError> {
    let phases = [
        Phase::Gathering,
        Phase::Closed,
        Phase::Checking,
        Phase::Merging,
    ];
    if !judges || !phases.contains(&order.head.phase) || rounds.sent.count() == 0 {
        return Ok(Vec::new());
    }
    let mut all = query::trainers(store, &order.head.id)?;
    all.retain(|trainer| rounds.sent.has(trainer.number));
    Ok(all)
}

impl View {
    /// Reads an order and its parties' keys from a state, for the party of `me`, whose own part in an order
    /// with rounds it then shows; `None` when there is no such order.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    pub fn read(
        store: &dyn Store,
        id: &OrderId,
        me: Option<AccountId>,
    ) -> Result<Option<View>, ReadError> {
        let Some(order) = query::order(store, id)? else {
            return Ok(None);
        };
        let mut grants = Vec::new();
        for run in order.standing() {
            grants.extend(query::grants(store, id, run.index)?);
        }
        // By when they came, so that one seen keeps its place when another comes.
        grants.sort_by_key(|grant| (grant.at, grant.from, grant.to));
        let validators = query::validators(store)?;
        let mut keys = BTreeMap::new();
        for account in &validators {
            if let Some(registration) = query::registration(store, Role::Validator, account)? {
                keys.insert(*account, registration.encryption_key);
            }
        }
        let now = query::now(store)?;
        let (trainer, senders) = match &order.head.rounds {
            Some(rounds) => {
                let judges = me.is_some_and(|me| validators.binary_search(&me).is_ok());
                let senders = senders(store, &order, rounds, judges)?;
                let mine = me.map(|me| query::trainer(store, id, &me)).transpose()?;
                (mine.flatten(), senders)
            }
            None => (None, Vec::new()),
        };
        Ok(Some(View {
            height: now.height,
            time: now.time,
            order,
            grants,
            validators,
            keys,
            trainer,
            senders,
        }))
    }

    /// The place of the work of the run under way, or of the next one.
    pub(crate) fn work(&self) -> Place {
        self.order.work(self.order.attempt())
    }

    /// The place of the current audit draw; before there is one, that of the work.
    pub(crate) fn round(&self) -> Place {
        self.order.round_place().unwrap_or(self.work())
    }

    /// The place of the open dispute; while there is none, that of the work.
    pub(crate) fn dispute(&self) -> Place {
        self.order.dispute_place().unwrap_or(self.work())
    }

    /// What `from` has granted `to` at a place.
    pub(crate) fn grant(&self, place: Place, from: AccountId, to: AccountId) -> Option<&Grant> {
        let mut grants = self.grants_to(place, to);
        grants.find(|grant| grant.from == from)
    }

    /// What was granted to an account at a place.
    pub(crate) fn grants_to(&self, place: Place, to: AccountId) -> impl Iterator<Item = &Grant> {
        let grants = self.grants.iter();
        grants.filter(move |grant| grant.place == place && grant.to == to)
    }

    /// The checkpoint that holds the state at a step which starts a segment.
    pub(crate) fn checkpoint_at(&self, step: StepIndex) -> SegmentIndex {
        let length = u64::from(self.order.head.terms.segment_steps.max(1));
        SegmentIndex(u32::try_from(step.0 / length).unwrap_or(u32::MAX))
    }

    /// The checkpoint that has to be shown for a dispute.
    pub(crate) fn begins_at(&self, dispute: &Dispute) -> SegmentIndex {
        match dispute.question {
            Question::Result => SegmentIndex(self.order.head.terms.segments()),
            _ => self.checkpoint_at(dispute.from.step),
        }
    }

    /// Whether a quarter of the phase's time is over.
    pub(crate) fn is_past_a_quarter(&self) -> bool {
        let (since, deadline) = (self.order.head.since.time, self.order.head.deadline.time);
        self.time.since(since) >= deadline.since(since) / 4
    }

    /// Whether half of the phase's time and half of its least number of blocks are over.
    pub(crate) fn is_past_half(&self) -> bool {
        let (since, deadline) = (self.order.head.since, self.order.head.deadline);
        let half = |from: u64, to: u64| from + to.saturating_sub(from) / 2;
        self.time.0 >= half(since.time.0, deadline.time.0)
            && self.height.0 >= half(since.height.0, deadline.height.0)
    }

    /// Whether so little of the phase is left that a party must make do with what it has: the
    /// last quarter of its time, and never less than the last two seconds. A phase that has not had
    /// its least number of blocks is not over yet, but for the last two of them.
    pub(crate) fn pressing(&self) -> bool {
        let (since, deadline) = (self.order.head.since, self.order.head.deadline);
        let reserve = (deadline.time.since(since.time) / 4).max(LAST_MS);
        self.time.after(reserve) > deadline.time && self.height.after(2) > deadline.height
    }
}
