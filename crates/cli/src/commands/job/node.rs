//! A node that plays the requester's part while a command runs.

use std::{net::SocketAddr, path::Path};

use assay_ledger::{Genesis, Role};
use assay_node::{
    config::{NodeConfig, PeerConfig},
    lock::{DirectoryLock, LockError},
    node::{Node, Options, read_genesis},
};

use crate::{
    args::Global,
    commands::worker::worker,
    failure::{Failure, Kind},
    home::Home,
    trial::failed,
};

/// Most commands that act for one account at once.
const COMMANDS_AT_ONCE: u8 = 64;

/// Starts it for the user's account; it knows the chain as it is now.
pub(super) async fn start(global: &Global) -> Result<Node, Failure> {
    let home = Home::find(global)?;
    let genesis: Genesis = read_genesis(&home.genesis()).map_err(|error| {
        Failure::new(Kind::NotFound, anyhow::Error::new(error))
            .hint("use --dir with a directory that has a genesis.json, such as a devnet's")
    })?;
    let validators = genesis
        .registrations
        .iter()
        .filter(|r| r.role == Role::Validator);
    let peers = validators
        .filter_map(|r| {
            Some(PeerConfig {
                key: r.account,
                address: r.address.parse().ok()?,
            })
        })
        .collect();
    let lock = own_directory(&home.path().join("requester"))?;
    let config = NodeConfig {
        roles: vec![],
        key: home.key(),
        dir: lock.dir().to_owned(),
        genesis: home.genesis(),
        listen: SocketAddr::from(([0, 0, 0, 0], 0)).into(),
        advertise: None,
        http: None,
        http_names: Vec::new(),
        validator: None,
        provider: None,
        auditor: None,
        storage: None,
        work: None,
        join: Vec::new(),
        peers,
    };
    // What comes back is a stranger's: it is looked at in a worker.
    let worker = worker(&config.dir, config.memory())?;
    let options = Options {
        requester: true,
        lock: Some(lock),
        runner: Box::new(worker.desk()),
        ..Options::default()
    };
    let node = Node::start(&config, options).await.map_err(failed)?;
    let chain = node.services().chain.clone();
    let mut heights = chain.heights();
    let first = heights.wait_for(|height| height.0 > 0);
    match tokio::time::timeout(std::time::Duration::from_secs(30), first).await {
        Ok(Ok(_)) => {}
        _ => {
            let failure = Failure::say(Kind::Unreachable, "no validator of the network answers");
            return Err(failure.hint("is it running? `assay devnet --dir DIR` starts one"));
        }
    }
    // What is read before the copy here is up to date may be long past.
    chain.caught_up().await;
    Ok(node)
}

/// A directory that no other command uses now. What lies in it only saves work: the requester's
/// part follows from key and ledger.
fn own_directory(parent: &Path) -> Result<DirectoryLock, Failure> {
    let mut number = 1;
    loop {
        let name = match number {
            1 => "client".to_owned(),
            _ => format!("client-{number}"),
        };
        match DirectoryLock::take(&parent.join(name)) {
            Err(LockError::InUse { .. }) if number < COMMANDS_AT_ONCE => number += 1,
            other => return other.map_err(failed),
        }
    }
}
