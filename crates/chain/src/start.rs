//! Starting a validator.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::PoisonError;

use assay_crypto::PublicKey;
use assay_ledger::Genesis;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519;
use commonware_p2p::{Address, Ingress};
use commonware_utils::Hostname;
use commonware_utils::ordered::Map;

use crate::chain::Chain;
use crate::config::{ChainConfig, Peer};
use crate::deal::MalformedShare;
use crate::engine::{self, NetworkSettings};
use crate::execute::GenesisProblem;
use crate::scheme::{self, CommitteeError};
use crate::sources::with_sources;
use crate::store::{ChainStore, StoreError};
use crate::validator::Member;

/// Why a validator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis does not describe a usable validator set.
    #[error("the validators of the genesis cannot be used")]
    Committee(#[from] CommitteeError),
    /// The genesis does not describe a state.
    #[error("the genesis cannot be used")]
    Genesis(#[from] GenesisProblem),
    /// The account key is not among the validators.
    #[error("account {0} is not a validator of this genesis")]
    NotAValidator(PublicKey),
    /// The share does not decode.
    #[error("the threshold share cannot be used")]
    Share(#[from] MalformedShare),
    /// The share is another validator's, or of another network.
    #[error("the threshold share does not belong to this validator and genesis")]
    WrongShare,
    /// An address is neither `IP:PORT` nor `HOST:PORT`.
    #[error("peer address {0:?} is neither IP:PORT nor HOST:PORT")]
    Address(String),
    /// The listening port cannot be used.
    #[error("cannot listen on tcp {address}")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory cannot be created.
    #[error("cannot use the chain directory {path}")]
    Directory {
        /// The directory asked for.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the chain database")]
    Store(#[from] StoreError),
    /// The engine's thread cannot be started.
    #[error("cannot start the engine's thread")]
    Thread(std::io::Error),
}

/// Starts a validator on its own threads.
pub fn start(config: ChainConfig) -> Result<Chain, StartError> {
    let ChainConfig {
        dir,
        genesis,
        secret,
        share,
        listen,
        peers,
        pace,
    } = config;
    let member = Member::new(genesis, secret, share, pace)?;
    let network = network_settings(&member, listen, &peers)?;
    TcpListener::bind(listen).map_err(|source| StartError::Listen {
        address: listen,
        source,
    })?;
    let directory = |source| StartError::Directory {
        path: dir.clone(),
        source,
    };
    std::fs::create_dir_all(&dir).map_err(directory)?;
    let (parts, handles) = member.prepare(String::new(), |genesis, block, outcome| {
        ChainStore::open(&dir, genesis, block, outcome)
    })?;
    // Were the database's name lost with the power, the engine would go on and the ledger begin anew.
    sync_folders(&dir).map_err(directory)?;
    let report = handles.failure.clone();
    let thread = std::thread::Builder::new()
        .name("assay-chain".to_owned())
        .spawn(move || {
            let run = || engine::run_on_sockets(&dir, parts, network);
            let ended = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                Ok(Ok(())) => return,
                Ok(Err(fatal)) => with_sources(&fatal),
                Err(panic) => format!("the engine failed: {}", said(&*panic)),
            };
            tracing::error!(reason = ended, "the validator stopped");
            *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        })
        .map_err(StartError::Thread)?;
    Ok(handles.chain(Some(thread)))
}

/// Makes what is in a folder durable by name, with the folder and all above it. It ends early above
/// the folder, where this process may not read or there is nothing to sync: what it made lies below.
fn sync_folders(dir: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    for (height, folder) in dir.ancestors().enumerate() {
        let here = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        match File::open(here).and_then(|folder| folder.sync_all()) {
            Err(error) if height > 0 => match error.kind() {
                PermissionDenied | InvalidInput | ReadOnlyFilesystem | Unsupported => break,
                _ => return Err(error),
            },
            synced => synced?,
        }
    }
    Ok(())
}

/// Whom to connect to, and how.
fn network_settings(
    member: &Member,
    listen: SocketAddr,
    peers: &[Peer],
) -> Result<NetworkSettings, StartError> {
    let (genesis, me) = (member.genesis(), member.account());
    let signer = ed25519::PrivateKey::decode(Copying(member.secret().seed().as_slice()))
        .map_err(|_| StartError::NotAValidator(me))?;
    let peers = addresses(genesis, me, listen, peers)?;
    let reached = known_ips(genesis);
    Ok(NetworkSettings {
        signer,
        namespace: scheme::namespace(&genesis.digest()),
        listen,
        is_local: reached.iter().all(|ip| ip.is_loopback()),
        has_private: reached.iter().any(is_private),
        peers,
    })
}

/// What a panic said, in one line.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it gave no reason");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Libraries print the system's errors as they print values.
    let system = text
        .split_once("message: \"")
        .and_then(|(before, rest)| Some((before.split(": ").next()?, rest.split('"').next()?)));
    match system {
        Some((what, reason)) => format!("{what}: {reason}"),
        None => text,
    }
}

/// Where every validator is reached: as configured, else as the genesis says.
fn addresses(
    genesis: &Genesis,
    me: PublicKey,
    listen: std::net::SocketAddr,
    peers: &[Peer],
) -> Result<Map<scheme::Identity, Address>, StartError> {
    let mut found = Vec::with_capacity(genesis.validators.len());
    for validator in &genesis.validators {
        let key = validator.account;
        let address = match peers.iter().find(|peer| peer.key == key) {
            _ if key == me => Address::Symmetric(listen),
            Some(peer) => parse_address(&peer.address)?,
            None => parse_address(validator.address.as_str())?,
        };
        found.push((scheme::identity(&key)?, address));
    }
    Map::try_from(found).map_err(|_| CommitteeError::Duplicate.into())
}

/// The addresses of validators that the genesis gives as numbers; it says so what kind of network
/// this is.
fn known_ips(genesis: &Genesis) -> Vec<IpAddr> {
    let addresses = genesis.validators.iter().map(|v| v.address.as_str());
    addresses
        .map(|text| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        // A name may resolve to anything, and is dialled by what it resolves to.
        .map(|ip| ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
        .collect()
}

/// Whether an address is of one machine or one house.
fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn parse_address(text: &str) -> Result<Address, StartError> {
    if let Ok(socket) = text.parse() {
        return Ok(Address::Symmetric(socket));
    }
    let invalid = || StartError::Address(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let host = Hostname::new(host).map_err(|_| invalid())?;
    let port = port.parse().map_err(|_| invalid())?;
    let ingress = Ingress::Dns { host, port };
    Ok(Address::Asymmetric {
        ingress,
        egress: ([0, 0, 0, 0], port).into(),
    })
}
