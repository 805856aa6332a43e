//! What everybody sees of an order with rounds.

use assay_ledger::{AccountId, ReadError, Trainer, query};
use assay_proof::View;

use super::super::lock::lock;
use super::super::shared::Shared;
use super::Senders;

impl Shared {
    /// What a member sees of an order with rounds that all see like this: its own part too, and a validator who has sent
    /// an update. It is what [`View::read`] reads for it; where a thousand look after every block, what is the same for
    /// all is read once.
    pub(in super::super) fn seen_in_rounds(
        &self,
        (at, me): (usize, AccountId),
        view: &View,
    ) -> Result<View, ReadError> {
        let id = view.order.head.id;
        let now = self.books().height;
        let mut own = match view.height == now {
            true => {
                let trainer = query::trainer(&self.books().store, &id, &me)?;
                View {
                    trainer,
                    senders: self.senders(me, view)?,
                    ..view.clone()
                }
            }
            // Another block came before it looked.
            false => match self.view(&id, Some(me))? {
                Some(own) => own,
                None => view.clone(),
            },
        };
        if self.rounds.reads(at) {
            own.senders = query::trainers(&self.books().store, &id)?;
        }
        Ok(own)
    }

    fn senders(&self, me: AccountId, view: &View) -> Result<Vec<Trainer>, ReadError> {
        if view.validators.binary_search(&me).is_err() {
            return Ok(Vec::new());
        }
        let (order, height) = (view.order.head.id, view.height);
        let mut known = lock(&self.rounds.senders);
        let is_it = |of: &&Senders| (of.order, of.height) == (order, height);
        if let Some(known) = known.as_ref().filter(is_it) {
            return Ok(known.all.clone());
        }
        let read = View::read(&self.books().store, &order, Some(me))?;
        let all = read.map(|view| view.senders).unwrap_or_default();
        let kept = all.clone();
        *known = Some(Senders { order, height, all });
        Ok(kept)
    }
}
