//! An order and everything public that its parties need beside it.

use std::collections::BTreeMap;

use assay_crypto::EncryptionKey;
use assay_ledger::{
    AccountId, Height, Order, OrderId, ReadError, Role, SegmentIndex, StepIndex, Store, query,
};

/// An order as a final block left it, with the registered keys of those who take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The height of that block, or of a later one that changed nothing here.
    pub height: Height,
    /// The record on the ledger.
    pub order: Order,
    /// The network's validators, ascending.
    pub validators: Vec<AccountId>,
    /// Where grants are sealed, by account and the role it takes in this order.
    pub keys: BTreeMap<(AccountId, Role), EncryptionKey>,
}

impl View {
    /// Reads an order and its parties' keys from a state; `None` when there is no such order.
    ///
    /// # Errors
    /// [`ReadError`] when the state cannot be read.
    pub fn read(store: &dyn Store, id: &OrderId) -> Result<Option<View>, ReadError> {
        let Some(order) = query::order(store, id)? else {
            return Ok(None);
        };
        let validators = query::validators(store)?;
        let seats = order.rounds.iter().flat_map(|round| &round.seats);
        let parties = validators
            .iter()
            .map(|account| (*account, Role::Validator))
            .chain(order.provider().map(|account| (account, Role::Provider)))
            .chain(seats.map(|seat| (seat.auditor, Role::Auditor)));
        let mut keys = BTreeMap::new();
        for (account, role) in parties {
            if let Some(registration) = query::registration(store, role, &account)? {
                keys.insert((account, role), registration.encryption_key);
            }
        }
        Ok(Some(View {
            height: query::height(store)?,
            order,
            validators,
            keys,
        }))
    }

    /// The audit round or dispute that a tag of this moment belongs to.
    pub(crate) fn round(&self) -> u8 {
        u8::try_from(self.order.rounds.len()).unwrap_or(u8::MAX)
    }

    /// Number of disputes so far in this attempt.
    pub(crate) fn disputes(&self) -> u8 {
        u8::try_from(self.order.disputes.len()).unwrap_or(u8::MAX)
    }

    /// Whether `from` has granted `to` anything since that height.
    pub(crate) fn granted(&self, from: AccountId, to: AccountId, since: Height) -> bool {
        let mut grants = self.order.grants_to(to);
        grants.any(|grant| grant.from == from && grant.at >= since)
    }

    /// The checkpoint that holds the state at a step which starts a segment.
    pub(crate) fn checkpoint_at(&self, step: StepIndex) -> SegmentIndex {
        let length = u64::from(self.order.terms.segment_steps.max(1));
        SegmentIndex(u32::try_from(step.0 / length).unwrap_or(u32::MAX))
    }

    /// Whether so little of the phase is left that a party must make do with what it has: the
    /// last quarter, and never less than the last two blocks.
    pub(crate) fn pressing(&self) -> bool {
        let (since, deadline) = (self.order.since.0, self.order.deadline.0);
        let reserve = (deadline.saturating_sub(since) / 4).max(2);
        self.height.0.saturating_add(reserve) >= deadline
    }
}
