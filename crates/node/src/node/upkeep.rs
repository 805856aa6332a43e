//! What a node does after every block besides its parts in orders.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use assay_ledger::{Amount, BoundedString, Call, Event, Height, ReadError, Role, Store, query};
use tracing::{info, warn};

use crate::{driver::Services, storage::StorageRole, told};

/// Blocks between two looks at what changes rarely.
const SELDOM: u64 = 20;

/// Blocks between two collections of slices that no recorded file needs.
const COLLECT_EVERY: u64 = 500;

/// Pause before a registration that failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

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
    for role in Role::ALL {
        for (account, registration) in query::registrations(&*state, role)? {
            let address: Option<SocketAddr> = registration.address.parse().ok();
            if let (Some(address), true) = (address, account != me) {
                services.transport.book().set(account, [address]);
            }
        }
    }
    Ok(())
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

/// Offers the node's roles on the ledger, and renews the offer when its address has changed.
pub(super) async fn registrations(
    services: Arc<Services>,
    offers: Vec<(Role, Option<u64>)>,
    address: SocketAddr,
) {
    let mut heights = services.chain.heights();
    // The state of the genesis may be old: wait for the first block that is seen live.
    if heights.wait_for(|height| height.0 > 0).await.is_err() {
        return;
    }
    for (role, bond) in offers {
        while let Err(reason) = register(&services, role, bond, address).await {
            warn!(%role, reason, "the role is not offered on the ledger yet");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn register(
    services: &Services,
    role: Role,
    bond: Option<u64>,
    address: SocketAddr,
) -> Result<(), String> {
    let state = services.chain.state();
    let text = address.to_string();
    let key = services.key.encryption().public();
    let known = query::registration(&*state, role, &services.sender.account());
    let bond = match known.map_err(|error| told(&error))? {
        Some(known) if known.address.as_str() == text && known.encryption_key == key => {
            return Ok(());
        }
        Some(_) => Amount::ZERO,
        None => {
            let parameters = query::parameters(&*state).map_err(|error| told(&error))?;
            let parameters = parameters.unwrap_or_default();
            bond.map_or(parameters.min_bond(role), Amount)
        }
    };
    drop(state);
    let call = Call::Register {
        role,
        bond,
        encryption_key: key,
        address: BoundedString::new(text).map_err(|error| told(&error))?,
    };
    services
        .sender
        .call(call)
        .await
        .map_err(|error| told(&error))?;
    info!(%role, %bond, %address, "role offered on the ledger");
    Ok(())
}
