//! A whole network in one process, for trying things out: the same nodes with the same files as
//! on separate machines, talking over the loopback interface.

mod layout;
mod plan;
mod ports;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use assay_api::ChainView;
use assay_ledger::{Genesis, Role};

pub use self::{
    layout::{LayoutError, Plan, lay_out},
    plan::Wish,
};
use crate::{
    client::protocol::Request,
    config::{ConfigError, NodeConfig},
    inputs::InputStore,
    lock::{DirectoryLock, LockError},
    needs::{self, NeedError},
    node::{Listening, Node, NodeError, Options, Shared, VAULT, count, read_genesis},
    requester::Requester,
    roles::OnReport,
    storage::Neighbours,
    worker::Runner,
};

/// Where the nodes of a network keep the inputs of orders, in its directory.
const INPUTS: &str = "inputs";

/// Pause between two looks at whether the network works.
const LOOK: Duration = Duration::from_millis(500);

/// Why a development network did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// Its files could not be made.
    #[error("the network could not be laid out")]
    Layout(#[from] LayoutError),
    /// A node's configuration cannot be used.
    #[error("a node's configuration cannot be used")]
    Config(#[from] ConfigError),
    /// A node did not start.
    #[error("{name} did not start")]
    Node {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: NodeError,
    },
    /// Another process works in the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The machine does not give what the network needs.
    #[error(transparent)]
    Need(#[from] NeedError),
    /// A flag contradicts what is laid out.
    #[error("{0}")]
    Contradiction(String),
    /// The directory holds something else.
    #[error("{path} is no devnet's directory; choose another --dir")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Makes what one node runs strangers' programs in.
pub type MakeRunner = Box<dyn Fn(&NodeConfig) -> Box<dyn Runner> + Send>;

/// What the nodes of a development network are started with.
pub struct DevnetOptions {
    /// Makes what each node runs strangers' programs in.
    pub runner: MakeRunner,
    /// Told what the parties report.
    pub on_report: OnReport,
}

/// A running development network.
pub struct Devnet {
    dir: PathBuf,
    genesis: Genesis,
    nodes: Vec<(String, Node)>,
    requester: Node,
    /// Given up last.
    _lock: DirectoryLock,
}

impl Devnet {
    /// Starts the network in `dir`, laying it out first where there is none.
    ///
    /// # Errors
    /// [`DevnetError`] names the node that did not start.
    pub async fn start(
        dir: &Path,
        plan: &Plan,
        options: DevnetOptions,
    ) -> Result<Self, DevnetError> {
        Self::start_as(dir, &Wish::from(plan), options).await
    }

    /// Starts the network in `dir` as it is wished, laying it out first where there is none.
    ///
    /// # Errors
    /// [`DevnetError`]: also when the wish contradicts what is laid out.
    pub async fn start_as(
        dir: &Path,
        wish: &Wish,
        options: DevnetOptions,
    ) -> Result<Self, DevnetError> {
        // Before a directory is made for it.
        if !dir.exists() {
            needs::enough_room(dir)?;
        }
        let lock = DirectoryLock::take(dir)?;
        if dir.join("genesis.json").exists() {
            layout::remove(&dir.join(layout::MARKER))?;
            wish.apply(dir)?;
        } else {
            lay_out(dir, &wish.plan())?;
        }
        let configurations = configurations(dir)?;
        // All directories first: a node that runs by itself is a clearer reason than its port.
        let mut locks = Vec::new();
        for (_, config) in &configurations {
            locks.push(DirectoryLock::take(&config.dir)?);
        }
        let sums = configurations.iter().map(|(_, config)| count(config));
        let (validators, others) = sums.fold((0, 1), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        needs::files(validators, others)?;
        for (name, config) in &configurations {
            let failed = |source| DevnetError::Node {
                name: name.clone(),
                source,
            };
            let listening = Listening::of(config).await.map_err(failed)?;
            listening.check().map_err(NodeError::from).map_err(failed)?;
        }
        // Equal files are on the disk once, whichever nodes have them.
        let inputs = InputStore::new(dir.join(INPUTS));
        let storing = configurations.iter().filter(|(_, of)| of.storage.is_some());
        let vaults = storing.map(|(_, of)| of.dir.join(VAULT)).collect();
        let neighbours = Arc::new(Neighbours::new(vaults));
        let shared = |chain, inputs| {
            Some(Shared {
                chain,
                inputs,
                neighbours: neighbours.clone(),
            })
        };
        // Validators come first.
        let mut chain: Option<Arc<dyn ChainView>> = None;
        let mut nodes = Vec::new();
        let mut peers = Vec::new();
        for ((name, config), node_lock) in configurations.into_iter().zip(locks) {
            if config.plays(Role::Provider) && peers.is_empty() {
                peers.clone_from(&config.peers);
            }
            let start = Options {
                on_report: options.on_report.clone(),
                lock: Some(node_lock),
                runner: (options.runner)(&config),
                shared: shared(chain.clone(), inputs.beside()),
                ..Options::default()
            };
            let node = Node::start(&config, start)
                .await
                .map_err(|source| DevnetError::Node {
                    name: name.clone(),
                    source,
                })?;
            chain.get_or_insert_with(|| node.services().chain.clone());
            nodes.push((name, node));
        }
        let genesis_file = dir.join("genesis.json");
        let failed = |source| DevnetError::Node {
            name: "requester".to_owned(),
            source,
        };
        let genesis = read_genesis(&genesis_file).map_err(failed)?;
        let config = NodeConfig {
            roles: vec![],
            key: dir.join("requester/key.json"),
            dir: dir.join("requester/data"),
            genesis: genesis_file,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
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
        let start = Options {
            requester: true,
            on_report: options.on_report.clone(),
            runner: (options.runner)(&config),
            shared: shared(chain, inputs),
            ..Options::default()
        };
        let requester = Node::start(&config, start).await.map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            genesis,
            nodes,
            requester,
            _lock: lock,
        })
    }

    /// Waits until everything works that a command may ask for next: blocks come and can be
    /// proved, every node follows them and is offered, and the storage nodes answer.
    ///
    /// `waiting` hears now and then for whom it is waited.
    ///
    /// # Errors
    /// Why the network ends instead.
    pub async fn ready(&self, mut waiting: impl FnMut(&str)) -> Result<(), String> {
        let all = self.nodes().chain([("requester", &self.requester)]);
        for (name, node) in all {
            loop {
                if let Some(failure) = self.failure() {
                    return Err(failure);
                }
                let patience = tokio::time::timeout(LOOK, node.health().ready());
                if patience.await.is_ok() {
                    break;
                }
                waiting(name);
            }
        }
        let services = self.requester.services();
        for (name, node) in self
            .nodes()
            .filter(|(name, _)| name.starts_with("storage-"))
        {
            while services
                .transport
                .request(node.account(), &Request::Head)
                .await
                .is_err()
            {
                if let Some(failure) = self.failure() {
                    return Err(failure);
                }
                waiting(name);
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Why the network must end, if it must: one of its nodes has to.
    pub fn failure(&self) -> Option<String> {
        let all = self.nodes().chain([("requester", &self.requester)]);
        all.filter_map(|(name, node)| Some(format!("{name}: {}", node.failure()?)))
            .next()
    }

    /// Acts for the requester's account.
    pub fn requester(&self) -> Requester {
        Requester::new(self.requester.services().clone())
    }

    /// What the network began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The nodes by name, validators first.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// The chain as the first validator keeps it.
    pub fn chain_dir(&self) -> PathBuf {
        chain_dir(&self.dir)
    }

    /// Stops every node; the network can be started again from its directory.
    pub async fn stop(self) {
        self.requester.stop().await;
        for (_, node) in self.nodes.into_iter().rev() {
            node.stop().await;
        }
    }
}

/// Where the first validator of a network in `dir` keeps the chain.
pub fn chain_dir(dir: &Path) -> PathBuf {
    dir.join("nodes/validator-0/data/chain")
}

/// Where the storage nodes of a network in `dir` keep their blobs.
///
/// # Errors
/// [`DevnetError::Directory`].
pub fn blob_dirs(dir: &Path) -> Result<Vec<PathBuf>, DevnetError> {
    let names = node_names(dir)?
        .into_iter()
        .filter(|name| name.starts_with("storage-"));
    Ok(names
        .map(|name| dir.join("nodes").join(name).join("data/vault"))
        .collect())
}

/// Name and configuration of every node, validators first, since the others follow them.
fn configurations(dir: &Path) -> Result<Vec<(String, NodeConfig)>, DevnetError> {
    let mut all = Vec::new();
    for name in node_names(dir)? {
        let config = NodeConfig::load(&dir.join("nodes").join(&name).join("node.toml"))?;
        all.push((name, config));
    }
    all.sort_by_key(|(name, config)| (!config.plays(Role::Validator), name.clone()));
    Ok(all)
}

fn node_names(dir: &Path) -> Result<Vec<String>, DevnetError> {
    let path = dir.join("nodes");
    let failed = |source| DevnetError::Directory {
        path: path.clone(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
