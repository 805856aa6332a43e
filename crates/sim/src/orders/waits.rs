//! Orders that wait for a draw although there is somebody who takes them.

use std::collections::BTreeSet;

use assay_ledger::{
    AccountId, MemoryStore, Order, Phase, ReadError, Registration, Role, eligible_share, query,
};

/// Blocks within which an order that somebody takes is drawn for, besides one for each other order of
/// its network that is: there are far fewer than one block draws for.
const BOUND: usize = 10;

/// For how many blocks in a row each order has waited in vain.
#[derive(Default)]
pub(super) struct Waits {
    blocks: Vec<usize>,
}

impl Waits {
    /// Notes another block; gives the number of an order that has just waited for too long.
    pub(super) fn look(
        &mut self,
        store: &MemoryStore,
        orders: &[Option<&Order>],
    ) -> Result<Option<usize>, ReadError> {
        self.blocks.resize(orders.len(), 0);
        let mut late = None;
        for (place, (order, blocks)) in orders.iter().zip(&mut self.blocks).enumerate() {
            let open = order.filter(|order| order.head.phase == Phase::Posted);
            *blocks = match open {
                Some(order) if is_taken(store, order)? => *blocks + 1,
                _ => 0,
            };
            if *blocks == BOUND + orders.len() {
                late = Some(place);
            }
        }
        Ok(late)
    }
}

/// Whether those who take a posted order now are enough for it, by what is public.
fn is_taken(store: &MemoryStore, order: &Order) -> Result<bool, ReadError> {
    let terms = &order.head.terms;
    let requester = query::owner(store, &order.head.requester)?;
    let tried: BTreeSet<AccountId> = order
        .runs
        .iter()
        .flat_map(|run| [run.provider, run.owner])
        .chain(order.head.declined.iter().copied())
        .chain([requester])
        .collect();
    // Accounts with who owns them.
    let takers = |role| -> Result<Vec<[AccountId; 2]>, ReadError> {
        let mut takers = Vec::new();
        for (account, of) in query::registrations(store, role)? {
            let owner = query::owner(store, &account)?;
            let may = !tried.contains(&account) && !tried.contains(&owner);
            if may && of.refuses(role, terms).is_empty() {
                takers.push([account, owner]);
            }
        }
        Ok(takers)
    };
    let owners = |takers: &[[AccountId; 2]]| -> BTreeSet<AccountId> {
        takers.iter().map(|[_, owner]| *owner).collect()
    };
    let providers = takers(Role::Provider)?;
    let copies = usize::from(terms.copies.max(1));
    let left = terms.most_runs().saturating_sub(order.head.begun) as usize;
    let missing = copies.saturating_sub(order.standing().count()).min(left);
    if missing == 0 || owners(&providers).len() < missing {
        return Ok(false);
    }
    if terms.auditors == 0 {
        return Ok(true);
    }
    let registered = query::registrations(store, Role::Auditor)?;
    let registered: Vec<Registration> = registered.into_iter().map(|(_, of)| of).collect();
    let parameters = query::parameters(store)?.unwrap_or_default();
    let share = eligible_share(terms, &parameters, &registered);
    // Nobody audits its own run.
    let auditors = owners(&takers(Role::Auditor)?);
    let audited = |of: &[AccountId; 2]| {
        let others = auditors.iter().filter(|auditor| !of.contains(auditor));
        others.count() >= usize::from(terms.auditors)
    };
    Ok(share >= parameters.min_share && providers.iter().any(audited))
}
