//! `node.toml`: what one machine does in a network.
//!
//! ```toml
//! roles = ["validator", "storage"]    # any of validator, provider, auditor, storage
//! key = "node.key.json"               # account key; `assay keys new` makes one
//! dir = "data"                        # everything this node keeps
//! genesis = "genesis.json"            # the same file on every node of a network
//! listen = "0.0.0.0:7100"             # peers, UDP
//! http = "127.0.0.1:8100"             # JSON API and metrics, TCP; leave out for none
//!
//! [validator]
//! listen = "0.0.0.0:7200"             # consensus, TCP
//! share = "share.key.json"            # this validator's part of the beacon key
//!
//! [storage]
//! quota = "20 GiB"
//!
//! [provider.offer]                    # what orders it takes when the role is registered; each line may
//! kinds = ["finetune", "evaluate"]    # be left out. An auditor has an [auditor.offer]
//! methods = ["lora", "full"]          # ways of training
//! memory = "14 GiB"                   # for a run; most of what the machine has, if left out
//! least_pay = 100                     # micro-units for each step
//! most_bond = 100000000               # micro-units that one order may lock
//! orders = 4                          # at once
//! least_time = { run = 60000, open = 30000, dispute = 30000, attest = 30000 } # milliseconds
//!
//! [work]
//! memory = "8 GiB"                    # for the programs of jobs, all together; most of what is
//!                                     # free when the node starts, if left out
//!
//! [[join]]                            # takes part in a federated job, with rows of its own
//! order = "<64 hex digits>"
//! job = "clinics.toml"                # the same file as the requester's: it says how rows are read
//! rows = "clinic.csv"
//!
//! [[peers]]
//! key = "<64 hex digits>"
//! address = "203.0.113.7:7100"
//! ```
//!
//! Relative paths start at the file's own directory, `~/` at the user's home. Addresses are
//! `IP:PORT`, `[IPV6]:PORT` or `NAME:PORT`; names are looked up when they are used. Unknown fields
//! and unknown roles are refused: a misspelt setting that is silently ignored costs more than it
//! saves.

mod check;
mod nearest;
mod offer;
mod size;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use assay_crypto::PublicKey;
use assay_ledger::{Offer, OrderId, Role};
use serde::Deserialize;

pub use self::offer::{LeastTime, OfferConfig, offered_memory};
pub use self::size::{BadSize, ByteSize};
use crate::address::Address;

/// Longest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Configuration of one node; see the [module](self) for the file it is read from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// What the node does; at least one.
    pub roles: Vec<Role>,
    /// Key file of the node's account.
    pub key: PathBuf,
    /// Directory of everything the node keeps.
    pub dir: PathBuf,
    /// Genesis file of the network.
    pub genesis: PathBuf,
    /// UDP address for peers.
    pub listen: Address,
    /// Address that others should dial, where it differs from `listen`.
    pub advertise: Option<Address>,
    /// TCP address of the JSON API.
    pub http: Option<Address>,
    /// Host names under which the JSON API is asked, besides addresses and `localhost`. A request
    /// for any other name is refused: a web page could have made that name up.
    #[serde(default)]
    pub http_names: Vec<String>,
    /// Settings of a validator.
    pub validator: Option<ValidatorConfig>,
    /// Settings of a provider.
    pub provider: Option<WorkConfig>,
    /// Settings of an auditor.
    pub auditor: Option<WorkConfig>,
    /// Settings of a storage node.
    pub storage: Option<StorageConfig>,
    /// Limits on what strangers' programs take.
    pub work: Option<WorkLimits>,
    /// Orders with rounds that its account takes part in as a trainer.
    #[serde(default)]
    pub join: Vec<JoinConfig>,
    /// Nodes to begin with; more are learnt from the ledger, and the genesis names some.
    #[serde(default)]
    pub peers: Vec<PeerConfig>,
}

/// Settings of a validator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorConfig {
    /// TCP address for the other validators.
    pub listen: Address,
    /// Key file of this validator's share of the beacon key.
    pub share: PathBuf,
    /// Least time between two blocks in milliseconds.
    #[serde(default = "default_block_interval")]
    pub block_interval_ms: u64,
}

/// Settings of a role that computes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkConfig {
    /// Bond locked when registering, in micro-units; the network's least bond if absent.
    pub bond: Option<u64>,
    /// What orders it takes when the role is registered; the usual ones if absent. Later the offer on the
    /// ledger counts, which `assay offer` changes.
    #[serde(default)]
    pub offer: OfferConfig,
    /// Threads for computing; `ASSAY_THREADS` or all processors if absent. Roles of one node share
    /// them.
    pub threads: Option<usize>,
}

/// Limits on what strangers' programs take of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkLimits {
    /// Most bytes of memory for all of them together; seven eighths of what the machine has free
    /// when the node starts, if absent.
    pub memory: Option<ByteSize>,
}

/// Settings of a storage node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Most bytes kept for others.
    pub quota: ByteSize,
    /// Bond locked when registering, in micro-units; as much as the quota takes if absent.
    pub bond: Option<u64>,
    /// What it asks for keeping a GiB an hour, in micro-units; 100 if absent.
    pub price: Option<u64>,
}

/// An order with rounds that is joined, with rows of one's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinConfig {
    /// The order.
    pub order: OrderId,
    /// Its job file, which says how rows are read.
    pub job: PathBuf,
    /// The rows: a table, or arrays of NumPy.
    pub rows: PathBuf,
}

/// A node known in advance.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Its account key.
    pub key: PublicKey,
    /// Its UDP address.
    pub address: Address,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the node configuration {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is too long to be a configuration.
    #[error("{0} is too long for a node configuration (1 MiB at most)")]
    TooLong(PathBuf),
    /// The file is not TOML or has a field or value that does not exist.
    #[error("{path} is not a node configuration{}; `assay node --help` shows one that works", nearest::told(.meant.as_deref()))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The known name that is most like the unknown one.
        meant: Option<String>,
        /// Line, column and what was expected.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The settings do not fit together.
    #[error("{path}: {problem}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What does not fit and what to do.
        problem: String,
    },
}

impl NodeConfig {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file, the place and the remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io {
            path: path.to_owned(),
            source,
        };
        let about = fs::metadata(path).map_err(io)?;
        if about.is_dir() {
            let problem = "it is a directory; name the file in it".to_owned();
            return Err(ConfigError::Invalid {
                path: path.to_owned(),
                problem,
            });
        }
        if about.len() > MAX_BYTES {
            return Err(ConfigError::TooLong(path.to_owned()));
        }
        let text = fs::read_to_string(path).map_err(io)?;
        Self::parse(text.strip_prefix('\u{feff}').unwrap_or(&text), path)
    }

    /// Checks the text of a configuration; `path` is where relative paths start and what errors
    /// name.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            meant: nearest::meant(source.message()),
            source: Box::new(source),
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        config
            .check()
            .and_then(|()| config.anchor(base))
            .map_err(|problem| ConfigError::Invalid {
                path: path.to_owned(),
                problem,
            })?;
        Ok(config)
    }

    /// Whether the node plays `role`.
    pub fn plays(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Address that others should dial, as it is configured.
    pub fn public_address(&self) -> &Address {
        self.advertise.as_ref().unwrap_or(&self.listen)
    }

    /// Bytes of memory that strangers' programs may take together.
    pub fn memory(&self) -> u64 {
        let set = self.work.as_ref().and_then(|work| work.memory);
        set.map_or_else(free_memory, |size| size.0)
    }

    /// What the node offers in `role` when it registers it; `None` of a role that orders are not drawn
    /// to. What programs may take by `work.memory` bounds what is offered of it.
    pub fn offer(&self, role: Role) -> Option<Offer> {
        let work = match role {
            Role::Provider => &self.provider,
            Role::Auditor => &self.auditor,
            Role::Validator | Role::Storage => return None,
        };
        let set = self.work.as_ref().and_then(|work| work.memory);
        let memory = set.map_or_else(offered_memory, |size| size.0);
        let offer = work.as_ref().map(|work| work.offer.clone());
        Some(offer.unwrap_or_default().offer(memory))
    }

    /// Whether the configuration says something of what it offers in `role`.
    pub fn sets_offer(&self, role: Role) -> bool {
        let work = match role {
            Role::Provider => &self.provider,
            Role::Auditor => &self.auditor,
            Role::Validator | Role::Storage => return false,
        };
        work.as_ref()
            .is_some_and(|work| work.offer != OfferConfig::default())
    }

    /// Threads for the programs of the roles that compute; all processors if none are set.
    pub fn threads(&self) -> Option<usize> {
        let of = |work: &Option<WorkConfig>| work.as_ref().and_then(|work| work.threads);
        of(&self.provider).max(of(&self.auditor))
    }

    fn anchor(&mut self, base: &Path) -> Result<(), String> {
        let mut paths = vec![
            ("key", &mut self.key),
            ("dir", &mut self.dir),
            ("genesis", &mut self.genesis),
        ];
        let validator = self.validator.as_mut();
        paths.extend(validator.map(|validator| ("validator.share", &mut validator.share)));
        for join in &mut self.join {
            paths.extend([("join.job", &mut join.job), ("join.rows", &mut join.rows)]);
        }
        for (setting, path) in paths {
            if path.as_os_str().is_empty() {
                return Err(format!("`{setting}` is empty: name a path"));
            }
            *path = base.join(at_home(path)?);
        }
        Ok(())
    }
}

/// The path with a leading `~` replaced by the user's home directory, as a shell would.
///
/// # Errors
/// A sentence, for another user's home directory, or where there is none.
pub fn at_home(path: &Path) -> Result<PathBuf, String> {
    let mut parts = path.components();
    let first = parts.next().map(|part| part.as_os_str().to_string_lossy());
    match first.as_deref() {
        Some("~") => {
            let home = std::env::home_dir().filter(|home| home.is_absolute());
            home.map(|home| home.join(parts.as_path())).ok_or_else(|| {
                format!(
                    "{path:?} is in the home directory, and there is none: write the whole path"
                )
            })
        }
        Some(user) if user.starts_with('~') && user.len() > 1 => Err(format!(
            "{path:?} is in another user's home directory: write the whole path, or ./{} for a \
             name that begins with ~",
            path.display()
        )),
        _ => Ok(path.to_owned()),
    }
}

/// Bytes of memory that strangers' programs may take where nothing is set: seven eighths of what is
/// free now. Where the system tells nothing of it there is no limit either.
pub fn free_memory() -> u64 {
    assay_job::available_memory().map_or(u64::MAX, |free| free - free / 8)
}

fn default_block_interval() -> u64 {
    200
}
