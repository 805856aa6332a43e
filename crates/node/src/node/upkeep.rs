//! What a node does after every block besides its parts in orders.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use assay_ledger::{Amount, BoundedString, Call, ReadError, Role, query};
use tracing::{info, warn};

use super::shelves::Shelves;
use crate::{clock, driver::Services, storage::StorageRole, told, transport::Reach};

/// Blocks between two looks at what changes rarely.
const SELDOM: u64 = 20;

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
    let reach = Reach::of(services.chain.genesis());
    for role in Role::ALL {
        for (account, registration) in query::registrations(&*state, role)? {
            let address: Option<SocketAddr> = registration.address.parse().ok();
            // Anybody may register any address, also one on this machine or in its house.
            let address = address.filter(|address| reach.includes(*address));
            if let (Some(address), true) = (address, account != me) {
                services.transport.book().set(account, [address]);
            }
        }
    }
    Ok(())
}

/// Tells the storage role which files the ledger records as kept here, and has it collect.
pub(super) async fn storage(services: Arc<Services>, storage: StorageRole) {
    let mut heights = services.chain.heights();
    let me = services.sender.account();
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
