//! The files of a development network: one directory per node, exactly as separate machines would
//! have them.
//!
//! ```text
//! DIR/genesis.json
//! DIR/requester/key.json              the account that posts orders
//! DIR/nodes/validator-0/node.toml     and key.json, share.json; data below data/
//! DIR/nodes/validator-0/owner.json    the key of whoever answers for the node; it does not run
//! DIR/nodes/storage-0/...             provider-0, auditor-0 likewise
//! DIR/laying-out                      only while these files are being written
//! ```
//!
//! A process that is killed meanwhile leaves `laying-out` behind. The next one begins again: no
//! node has run yet, so nothing of value is lost.

use std::{
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use assay_chain::{CommitteeError, Dealt, deal};
use assay_crypto::SecretKey;
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Genesis, GenesisAccount, GenesisOwner,
    GenesisRegistration, Offer, OutOfBounds, Parameters, Role, ValidatorInfo,
};

use super::ports::Ports;
use crate::{
    config::{free_memory, offered_memory},
    keys::{self, KeyError},
    needs::{self, NeedError},
    shares::{self, ShareError},
};

/// How many nodes of each role a development network has, and what they start with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Validators; four survive the failure of one.
    pub validators: u8,
    /// Storage nodes.
    pub storage: u8,
    /// Providers.
    pub providers: u8,
    /// Auditors.
    pub auditors: u8,
    /// Where the first validator serves the JSON API; port 0 takes a free one, for good.
    pub http: Option<SocketAddr>,
    /// Least time between two blocks without transactions, in milliseconds.
    pub block_interval_ms: u64,
    /// Bytes that each storage node offers; as much as disk and memory allow unless told.
    pub quota: Option<u64>,
}

/// A block takes four validators some 60 ms of the cores that the nodes compute on. What waits starts one at
/// once, so a devnet needs others for its deadlines alone.
const IDLE_MS: u64 = 1_000;

impl Default for Plan {
    fn default() -> Self {
        Self {
            validators: 4,
            storage: 3,
            providers: 3,
            auditors: 2,
            http: None,
            block_interval_ms: IDLE_MS,
            quota: None,
        }
    }
}

/// What every node's account can spend, for fees.
const ALLOWANCE: Amount = Amount::tokens(100);
/// What the requester starts with.
const PURSE: Amount = Amount::tokens(10_000);
/// Bond of a node in its role.
const BOND: Amount = Amount::tokens(1_000);
/// There while a network is laid out.
pub(super) const MARKER: &str = "laying-out";
/// The most that a storage node offers: what its bond stands for, and some to spare.
const MOST_QUOTA: u64 = 8 << 40;

/// What each storage node of a network in `dir` offers unless told: seven eighths of the room on the disk,
/// which they share since equal pieces are there once, and at most ten times the free memory, of which a
/// full node may take a tenth of what it keeps.
fn quota(dir: &Path) -> u64 {
    let room = needs::room(dir).unwrap_or(0);
    let memory = free_memory().saturating_mul(10);
    (room - room / 8).min(memory).clamp(1 << 20, MOST_QUOTA)
}

/// Why a network's files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The machine does not give what the network needs.
    #[error(transparent)]
    Need(#[from] NeedError),
    /// Nodes without a genesis.
    #[error(
        "{} has nodes but no genesis.json: bring the file back from a copy, or choose another --dir", .0.display()
    )]
    NoGenesis(PathBuf),
    /// No free port.
    #[error("no free port on the loopback interface")]
    Port(#[source] io::Error),
    /// A key could not be made or saved.
    #[error("a key could not be made")]
    Key(#[from] KeyError),
    /// A share could not be saved.
    #[error("a share could not be saved")]
    Share(#[from] ShareError),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// The validators cannot form a committee.
    #[error("the validators cannot share a key")]
    Committee(#[from] CommitteeError),
    /// Something does not fit into a genesis.
    #[error("the plan does not fit into a genesis")]
    Bounds(#[from] OutOfBounds),
}

struct Seat {
    role: Role,
    name: String,
    key: SecretKey,
    /// Answers for the node; nothing runs with it.
    owner: SecretKey,
    /// Where peers dial it, UDP.
    listen: SocketAddr,
    /// Where validators dial each other, TCP.
    consensus: SocketAddr,
}

/// Makes keys, genesis and node configurations of a new network below `dir`.
///
/// # Errors
/// [`LayoutError`]; nothing is started. When a port, a limit or the disk is in the way, nothing
/// has been written either.
pub fn lay_out(dir: &Path, plan: &Plan) -> Result<Genesis, LayoutError> {
    let marker = dir.join(MARKER);
    let begun = marker.exists();
    if dir.join("nodes").exists() && !begun {
        return Err(LayoutError::NoGenesis(dir.to_owned()));
    }
    let others = plan.storage + plan.providers + plan.auditors;
    needs::files(plan.validators.into(), usize::from(others) + 1)?;
    needs::enough_room(dir)?;
    if let Some(http) = plan.http {
        needs::tcp("--http", http)?;
    }
    let counts = [
        (Role::Validator, plan.validators),
        (Role::Storage, plan.storage),
        (Role::Provider, plan.providers),
        (Role::Auditor, plan.auditors),
    ];
    let mut ports = Ports::new()?;
    let mut seats = Vec::new();
    for (role, count) in counts {
        for index in 0..count {
            seats.push(Seat {
                role,
                name: format!("{role}-{index}"),
                key: keys::generate().map_err(LayoutError::Randomness)?,
                owner: keys::generate().map_err(LayoutError::Randomness)?,
                listen: ports.udp()?,
                consensus: ports.tcp()?,
            });
        }
    }
    let requester = keys::generate().map_err(LayoutError::Randomness)?;
    let mut plan = plan.clone();
    if let Some(http) = plan.http.filter(|http| http.port() == 0) {
        plan.http = Some(ports.tcp_on(http.ip())?);
    }
    let plan = &plan;

    let mut validators: Vec<_> = seats
        .iter()
        .filter(|seat| seat.role == Role::Validator)
        .map(|s| s.key.public())
        .collect();
    validators.sort();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(LayoutError::Randomness)?;
    let dealt = deal(&validators, seed)?;
    let genesis = genesis(&seats, &requester, &dealt)?;

    write(&marker, b"this network is not complete\n")?;
    if begun {
        for half in ["nodes", "requester"] {
            remove(&dir.join(half))?;
        }
    }
    keys::save(&dir.join("requester/key.json"), &requester)?;
    let quota = plan.quota.unwrap_or_else(|| quota(dir));
    for seat in &seats {
        let home = dir.join("nodes").join(&seat.name);
        keys::save(&home.join("key.json"), &seat.key)?;
        keys::save(&home.join("owner.json"), &seat.owner)?;
        let share = dealt
            .shares
            .iter()
            .find(|(key, _)| *key == seat.key.public());
        if let Some((_, share)) = share {
            shares::save(&home.join("share.json"), share)?;
        }
        write(
            &home.join("node.toml"),
            configuration(seat, &seats, (plan, quota)).as_bytes(),
        )?;
    }
    // Last: a directory with a genesis is a network with everything else in place.
    let json = serde_json::to_vec_pretty(&genesis).map_err(io::Error::other);
    let path = dir.join("genesis.json");
    write(
        &path,
        &json.map_err(|source| LayoutError::Write {
            path: path.clone(),
            source,
        })?,
    )?;
    remove(&marker)?;
    Ok(genesis)
}

fn genesis(seats: &[Seat], requester: &SecretKey, dealt: &Dealt) -> Result<Genesis, LayoutError> {
    let mut accounts: Vec<_> = seats
        .iter()
        .map(|seat| GenesisAccount {
            account: seat.key.public(),
            balance: ALLOWANCE,
        })
        .collect();
    accounts.push(GenesisAccount {
        account: requester.public(),
        balance: PURSE,
    });
    accounts.sort_by_key(|account| account.account);
    let mut registrations = Vec::new();
    for seat in seats {
        registrations.push(GenesisRegistration {
            account: seat.key.public(),
            role: seat.role,
            bond: BOND,
            encryption_key: seat.key.encryption().public(),
            address: BoundedString::new(seat.listen.to_string())?,
            offer: seat.role.is_drawn().then(|| Offer {
                memory: offered_memory(),
                ..Offer::standard()
            }),
        });
    }
    registrations.sort_by_key(|registration| (registration.account, registration.role));
    let owner = |seat: &Seat| GenesisOwner {
        node: seat.key.public(),
        owner: seat.owner.public(),
    };
    let mut owners: Vec<_> = seats.iter().map(owner).collect();
    owners.sort_by_key(|of| of.node);
    let mut validators = Vec::new();
    for seat in seats.iter().filter(|seat| seat.role == Role::Validator) {
        validators.push(ValidatorInfo {
            account: seat.key.public(),
            address: BoundedString::new(seat.consensus.to_string())?,
        });
    }
    validators.sort_by_key(|validator| validator.account);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Genesis {
        chain_name: BoundedString::new("devnet")?,
        timestamp_ms: now.as_millis() as u64,
        accounts: BoundedVec::new(accounts)?,
        registrations: BoundedVec::new(registrations)?,
        owners: BoundedVec::new(owners)?,
        parameters: Parameters::devnet(),
        beacon_key: BoundedBytes::new(dealt.beacon_key.clone())?,
        validators: BoundedVec::new(validators)?,
    })
}

fn configuration(seat: &Seat, seats: &[Seat], (plan, quota): (&Plan, u64)) -> String {
    let mut text = format!(
        "roles = [\"{}\"]\nkey = \"key.json\"\ndir = \"data\"\ngenesis = \"../../genesis.json\"\n\
         listen = \"{}\"\n",
        seat.role, seat.listen
    );
    // Writing to a string cannot fail.
    if let (Some(http), "validator-0") = (plan.http, seat.name.as_str()) {
        let _ = writeln!(text, "http = \"{http}\"");
    }
    let _ = match seat.role {
        Role::Validator => writeln!(
            text,
            "\n[validator]\nlisten = \"{}\"\nshare = \"share.json\"\nblock_interval_ms = {}",
            seat.consensus, plan.block_interval_ms
        ),
        Role::Storage => writeln!(text, "\n[storage]\nquota = \"{} MiB\"", quota >> 20),
        Role::Provider | Role::Auditor => Ok(()),
    };
    for peer in seats.iter().filter(|peer| peer.role == Role::Validator) {
        if peer.name != seat.name {
            let (key, address) = (peer.key.public(), peer.listen);
            let _ = writeln!(
                text,
                "\n[[peers]]\nkey = \"{key}\"\naddress = \"{address}\""
            );
        }
    }
    text
}

/// Removes a file or a folder; that there is none is right too.
pub(super) fn remove(path: &Path) -> Result<(), LayoutError> {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LayoutError::Write {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
    let failed = |source| LayoutError::Write {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
