//! What a node does after every block besides its parts in orders.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use assay_ledger::{Event, Height, Role, Store, query};
use tracing::warn;

use crate::{driver::Services, storage::StorageRole, told};

/// Blocks between two looks at what changes rarely.
const SELDOM: u64 = 20;

/// Blocks between two collections of slices that no recorded file needs.
const COLLECT_EVERY: u64 = 500;

/// Keeps the addresses of registered nodes at hand.
pub(super) async fn address_book(services: Arc<Services>) {
    let mut heights = services.chain.heights();
    loop {
        let next = services.chain.head().height.0 + SELDOM;
        if heights.wait_for(|height| height.0 >= next).await.is_err() {
            return;
        }
        learn_addresses(&services);
    }
}

/// Takes the addresses of registered nodes from the ledger as it is now.
pub(super) fn learn_addresses(services: &Services) {
    let (me, state) = (services.sender.account(), services.chain.state());
    // An account may have registered its roles at different addresses.
    let mut found: BTreeMap<_, Vec<SocketAddr>> = BTreeMap::new();
    for role in Role::ALL {
        for (account, registration) in query::registrations(&*state, role) {
            if account != me {
                let address: Option<SocketAddr> = registration.address.parse().ok();
                found.entry(account).or_default().extend(address);
            }
        }
    }
    for (account, addresses) in found {
        if !addresses.is_empty() {
            services.transport.book().set(account, addresses);
        }
    }
}

/// Tells the storage role which files the ledger records as kept here.
pub(super) async fn storage(services: Arc<Services>, storage: StorageRole) {
    let mut heights = services.chain.heights();
    let me = services.sender.account();
    let mut seen = services.chain.head().height;
    for file in query::files(&*services.chain.state()) {
        if file.placement.contains(&me) {
            storage.recorded((&file).into()).await;
        }
    }
    loop {
        if heights.changed().await.is_err() {
            return;
        }
        let head = services.chain.head().height;
        for height in seen.0 + 1..=head.0 {
            match services.chain.block(Height(height)).await {
                Ok(Some(block)) => {
                    let receipts = block.receipts.receipts.iter();
                    let events = receipts.flat_map(|receipt| &receipt.events);
                    for event in events {
                        recorded(&*services.chain.state(), &storage, me, event).await;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(height, error = told(&error), "a block could not be read");
                    break;
                }
            }
            seen = Height(height);
        }
        if seen == head && seen.0.is_multiple_of(COLLECT_EVERY) {
            storage.collect().await;
        }
    }
}

async fn recorded(
    state: &(dyn Store + Send + Sync),
    storage: &StorageRole,
    me: assay_ledger::AccountId,
    event: &Event,
) {
    let Event::FilePut { file, owner } = event else {
        return;
    };
    if let Some(record) = query::file(state, file, owner)
        && record.placement.contains(&me)
    {
        storage.recorded((&record).into()).await;
    }
}
