//! Trainers join and leave, which their nodes do and no party.

use assay_ledger::{OrderCall, Role, query};

use super::super::lock::lock;
use super::super::shared::Shared;
use super::super::vault::Vault;
use super::parts::rows_key;

/// Blocks between two tries of a node to join.
const BETWEEN: u32 = 10;

impl Shared {
    /// A provider wants to take part in an order from now on.
    pub(in super::super) fn want_to_join(&self, order: usize, who: usize) {
        lock(&self.rounds.tries).wanting.insert((order, who));
    }

    /// Whoever wants to take part in an order with rounds, and does not, tries now and then.
    pub(in super::super) fn join(&self) {
        if self.rounds.entering.is_none() {
            return;
        }
        let providers = self.members(Some(Role::Provider));
        for stage in &self.stages {
            let Some(plan) = stage.rounds().filter(|_| !stage.is_over()) else {
                continue;
            };
            let Some(id) = stage.id().filter(|_| stage.view().is_some()) else {
                continue;
            };
            for (who, at) in providers.iter().enumerate() {
                let Some(place) = self.places.get(*at) else {
                    continue;
                };
                let account = place.secret.public();
                let mut books = self.books();
                let mut tries = lock(&self.rounds.tries);
                let now = books.height;
                let pair = (stage.number, who);
                let wants = who < plan.trainers || tries.wanting.contains(&pair);
                let rests = tries.last.get(&pair);
                let rests = rests.is_some_and(|last| now < last.after(BETWEEN));
                let joined = query::trainer(&books.store, &id, &account);
                let joined = joined.expect("a state in memory").is_some();
                if !wants || rests || joined {
                    continue;
                }
                let again = tries.last.insert(pair, now).is_some();
                drop(tries);
                let rows = [&account.0[..], &stage.number.to_le_bytes()].concat();
                let (key, content) = (rows_key(account, stage.number), Vault::content(&rows));
                let file = Vault::name(&key, &rows);
                if !again {
                    let mut vault = self.vault();
                    vault.store(account, &key, rows);
                    let put = self
                        .shelf
                        .put((file, account, "rows"), books.chain, &mut vault);
                    drop(books.submit(*at, &place.secret, put.into()));
                }
                let join = OrderCall::Join {
                    order: id,
                    rows: file,
                    content,
                };
                drop(books.submit(*at, &place.secret, join.into()));
            }
        }
    }

    /// A provider leaves an order.
    pub(in super::super) fn leave(&self, order: usize, who: usize) {
        let at = self.members(Some(Role::Provider)).get(who).copied();
        let place = at.and_then(|at| Some((at, self.places.get(at)?)));
        let id = self.stages.get(order).and_then(|stage| stage.id());
        if let (Some((at, place)), Some(order)) = (place, id) {
            let leave = OrderCall::Leave { order };
            drop(self.books().submit(at, &place.secret, leave.into()));
        }
    }
}
