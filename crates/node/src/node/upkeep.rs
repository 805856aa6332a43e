//! What a node does after every block besides its parts in orders.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use assay_job::federated;
use assay_ledger::{Amount, ReadError, Role, query};
use assay_proof::Handle;
use assay_vault::storage::Keeper;
use tokio::task;
use tracing::{error, info, warn};

use super::shelves::Shelves;
use crate::{
    clock,
    config::JoinConfig,
    orders::Services,
    reach::Reach,
    rounds::{self, JoinFailure},
    storage::StorageRole,
    told,
};

/// Blocks between two looks at what changes rarely.
const SELDOM: u64 = 20;

/// Keeps the addresses of registered nodes at hand.
pub(super) async fn address_book(services: Arc<Services>) {
    let mut heights = services.chain.heights();
    loop {
        let next = services.chain.head().height.0 + SELDOM;
        if heights.wait_for(|height| height.0 >= next).await.is_err() {
            return;
        }
        if let Err(error) = learn_addresses(&services) {
            warn!(reason = told(&error), "the nodes' addresses cannot be read");
        }
    }
}

/// Takes the addresses of registered nodes from the ledger as it is now.
///
/// # Errors
/// [`ReadError`] when the ledger cannot be read.
pub(super) fn learn_addresses(services: &Services) -> Result<(), ReadError> {
    let (me, state) = (services.sender.account(), services.chain.state());
    let reach = Reach::of(services.chain.genesis());
    // An account may have registered its roles at different addresses.
    let mut found: BTreeMap<_, Vec<SocketAddr>> = BTreeMap::new();
    for role in Role::ALL {
        for (account, registration) in query::registrations(&*state, role)? {
            if account != me {
                let address: Option<SocketAddr> = registration.address.parse().ok();
                // Anybody may register any address, also one on this machine or in its house.
                let address = address.filter(|address| reach.includes(*address));
                found.entry(account).or_default().extend(address);
            }
        }
    }
    for (account, addresses) in found {
        if !addresses.is_empty() {
            services.transport.book().set(account, addresses);
        }
    }
    Ok(())
}

/// Blocks between two tries to join an order.
const BETWEEN_TRIES: u64 = 10;

/// Takes part in an order with rounds, if the account does not already; does not end.
pub(super) async fn join(services: Arc<Services>, join: JoinConfig) {
    try_to_join(services, join).await;
    // A node whose work ends has failed.
    std::future::pending().await
}

/// Tries until the account takes part, or the order takes nobody any more.
async fn try_to_join(services: Arc<Services>, join: JoinConfig) {
    let (order, mut heights) = (join.order, services.chain.heights());
    let rows = task::spawn_blocking(move || -> Result<Handle, String> {
        let text = std::fs::read_to_string(&join.job);
        let text = text.map_err(|error| format!("{}: {error}", join.job.display()))?;
        let rows = federated::rows_of(&text, &join.rows);
        Ok(Handle::in_memory(rows.map_err(|error| told(&error))?))
    });
    let rows = match rows.await {
        Ok(Ok(rows)) => rows,
        Ok(Err(reason)) => {
            return error!(%order, reason, "the rows cannot be read: mend them and start again");
        }
        Err(panic) => return error!(%order, reason = told(&panic), "the rows cannot be read"),
    };
    let mut next = 0;
    loop {
        let now = services.chain.head().height.0;
        if now >= next {
            next = now + BETWEEN_TRIES;
            match rounds::join(&services, order, rows.clone()).await {
                Ok(_) => return info!(%order, "takes part in its rounds"),
                Err(before @ JoinFailure::Joined(_)) => {
                    return info!(%order, reason = told(&before), "does not join again");
                }
                Err(over @ (JoinFailure::NoRounds { .. } | JoinFailure::Rows(_))) => {
                    return error!(%order, reason = told(&over), "does not take part");
                }
                Err(failure) => warn!(%order, reason = told(&failure), "tries again to take part"),
            }
        }
        if heights.changed().await.is_err() {
            return;
        }
    }
}

/// Has the storage role accept files at this price, tells it which the ledger records as kept here, and
/// has it collect.
pub(super) async fn storage(services: Arc<Services>, storage: StorageRole, price: Amount) {
    let mut heights = services.chain.heights();
    let me = services.sender.account();
    let keeper = Keeper {
        key: services.key.clone(),
        chain: services.chain.genesis().chain_id(),
        price,
        longest_ms: services.chain.genesis().parameters.max_kept_ms,
        now: None,
    };
    storage.keep_as(keeper).await;
    let mut shelves = Shelves::new(me, services.chain.head().height);
    loop {
        let followed = shelves.follow(&*services.chain, &storage, clock::now().0);
        if let Err(error) = followed.await {
            warn!(reason = told(&error), "the records of files cannot be read");
        }
        if heights.changed().await.is_err() {
            return;
        }
    }
}
