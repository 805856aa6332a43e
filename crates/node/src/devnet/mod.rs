//! A whole network in one process, for trying things out: the same nodes with the same files as
//! on separate machines, talking over the loopback interface.

mod layout;

use std::path::{Path, PathBuf};

use assay_ledger::Genesis;

pub use self::layout::{LayoutError, Plan, lay_out};
use crate::{
    config::{ConfigError, NodeConfig, RoleName},
    node::{Node, NodeError, Options, read_genesis},
    requester::Requester,
    roles::OnReport,
    worker::Runner,
};

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
    /// The directory holds something else.
    #[error("{path} cannot be read; choose another --dir")]
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
        if !dir.join("genesis.json").exists() {
            lay_out(dir, plan)?;
        }
        let mut nodes = Vec::new();
        let mut peers = Vec::new();
        for (name, config) in configurations(dir)? {
            if config.plays(RoleName::Provider) && peers.is_empty() {
                peers.clone_from(&config.peers);
            }
            let start = Options {
                on_report: options.on_report.clone(),
                runner: (options.runner)(&config),
                ..Options::default()
            };
            let node = Node::start(&config, start)
                .await
                .map_err(|source| DevnetError::Node {
                    name: name.clone(),
                    source,
                })?;
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
            listen: ([127, 0, 0, 1], 0).into(),
            advertise: None,
            http: None,
            http_names: Vec::new(),
            validator: None,
            provider: None,
            auditor: None,
            storage: None,
            work: None,
            peers,
        };
        let start = Options {
            requester: true,
            on_report: options.on_report.clone(),
            runner: (options.runner)(&config),
            ..Options::default()
        };
        let requester = Node::start(&config, start).await.map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            genesis,
            nodes,
            requester,
        })
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
    all.sort_by_key(|(name, config)| (!config.plays(RoleName::Validator), name.clone()));
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
