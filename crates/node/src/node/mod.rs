//! One machine of a network: everything its configuration names, started and stopped together.

mod answer;
mod shelves;
mod upkeep;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use assay_chain::{Chain, ChainConfig, Pace, Peer, StartError};
use assay_job::Registry;
use assay_ledger::{AccountId, Genesis, OrderId, Role};
use assay_proof::StepReport;
use assay_vault::upload::UploadConfig;
use tokio::task::JoinSet;

use self::answer::Desk;
use crate::{
    client::{ChainError, ChainView, Follower, Following, LocalChain, Sender},
    config::{NodeConfig, RoleName},
    driver::{Compute, OnWork, Services},
    http::{Api, HttpServer, ServeError},
    keys::{self, KeyError},
    progress::{LiveProgress, ProgressBoard},
    roles::{OnReport, Part, Stage},
    shares::{self, ShareError},
    storage::{StorageError, StorageRole},
    transport::{BindError, BoxFuture, Limits, ProgressReport, Transport},
    worker::{InProcess, Runner},
};

/// How long a call may take to get into a block before its party hears that it did not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis file cannot be used.
    #[error("cannot use the genesis file {path}; copy it from another node of the network")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The account key cannot be used.
    #[error("the node's key cannot be used")]
    Key(#[from] KeyError),
    /// The validator's share cannot be used.
    #[error("the validator's share cannot be used")]
    Share(#[from] ShareError),
    /// The validator did not start.
    #[error("the validator did not start")]
    Validator(#[from] StartError),
    /// The peers' port cannot be opened.
    #[error("the node cannot listen for peers")]
    Bind(#[from] BindError),
    /// The chain cannot be followed.
    #[error("the chain cannot be followed")]
    Chain(#[from] ChainError),
    /// The storage role did not start.
    #[error("the storage role did not start")]
    Storage(#[from] StorageError),
    /// The JSON API did not start.
    #[error("the JSON API did not start")]
    Http(#[from] ServeError),
    /// The machine gives wrong bits, or cannot compute at all.
    #[error("the node must not take part in jobs")]
    Machine(#[from] assay_job::MachineError),
    /// The computing thread did not start.
    #[error("the computing thread did not start")]
    Compute(#[source] io::Error),
}

/// What a node is started with besides its configuration file.
pub struct Options {
    /// Where the node runs strangers' programs: in a worker process, for whoever has the program to
    /// start it from. The demo and tests put a cheater here; a configuration file cannot.
    pub runner: Box<dyn Runner>,
    /// Whether the account may post orders from here.
    pub requester: bool,
    /// Told what parties report.
    pub on_report: OnReport,
    /// Least time between blocks with transactions, if this node validates.
    pub min_block_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runner: Box::new(InProcess::new(Box::new(Registry))),
            requester: false,
            on_report: Arc::new(|_, _, _| {}),
            min_block_interval: Pace::default().min_interval,
        }
    }
}

/// A running node.
pub struct Node {
    services: Arc<Services>,
    validator: Option<Chain>,
    http: Option<HttpServer>,
    board: ProgressBoard,
    storage: Option<StorageRole>,
    tasks: JoinSet<()>,
    _following: Option<Following>,
}

/// Reads a genesis file.
///
/// # Errors
/// [`NodeError::Genesis`].
pub fn read_genesis(path: &Path) -> Result<Genesis, NodeError> {
    let wrong = |source| NodeError::Genesis {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(wrong)?.len();
    // JSON writes each byte of the canonical form as at most a few characters.
    if length > 8 * Genesis::MAX_BYTES as u64 {
        return Err(wrong(io::Error::other("it is too large for a genesis")));
    }
    let bytes = fs::read(path).map_err(wrong)?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.into()))
}

impl Node {
    /// Starts everything that `config` names.
    ///
    /// # Errors
    /// [`NodeError`] says which part did not start and why; what had started is stopped.
    pub async fn start(config: &NodeConfig, options: Options) -> Result<Self, NodeError> {
        // A node that would be slashed for wrong bits does not join.
        if !parts(config).is_empty() {
            assay_job::self_test()?;
        }
        let key = keys::load(&config.key)?;
        let genesis = read_genesis(&config.genesis)?;
        let desk = Arc::new(Desk::default());
        let transport = Transport::bind(
            &key,
            config.listen,
            Limits::default(),
            Arc::new(desk.clone()),
            Arc::new(desk.clone()),
        )
        .await?;
        for peer in &config.peers {
            transport.book().set(peer.key, [peer.address]);
        }
        if let Some(settings) = &config.storage {
            let limits = assay_vault::storage::StorageConfig::new(settings.quota.0);
            let role = StorageRole::open(&config.dir.join("vault"), limits)?;
            let _ = desk.storage.set(role);
        }
        let pace = options.min_block_interval;
        let validator = start_validator(config, &genesis, &key, pace)?;
        let (chain, following): (Arc<dyn ChainView>, _) = match &validator {
            Some(validator) => (LocalChain::new(validator.clone(), genesis), None),
            None => {
                let nodes = config.peers.iter().map(|peer| peer.key).collect();
                let follower = Follower::new(genesis, transport.clone(), nodes)?;
                let following = follower.follow();
                (follower, Some(following))
            }
        };
        let _ = desk.chain.set(chain.clone());

        let name = key.public().to_string();
        let compute = Compute::start(&name[..8.min(name.len())], options.runner)
            .map_err(NodeError::Compute)?;
        let services = Arc::new(Services {
            sender: Sender::new(chain.clone(), key.clone(), PATIENCE),
            chain: chain.clone(),
            transport: transport.clone(),
            compute,
            key,
            upload: UploadConfig::default(),
            uploads: config.dir.join("uploads"),
            memory: config.memory(),
            on_work: watch_work(desk.board.clone()),
        });
        let mut tasks = JoinSet::new();
        // Whoever starts a node may use it at once, so it must know whom to call.
        upkeep::learn_addresses(&services).map_err(ChainError::from)?;
        tasks.spawn(upkeep::address_book(services.clone()));
        // What acts on the chain waits until what it sees of it is new.
        let after = |work: BoxFuture<'static, ()>| {
            let chain = chain.clone();
            async move {
                chain.caught_up().await;
                work.await;
            }
        };
        if let Some(storage) = desk.storage.get() {
            tasks.spawn(after(Box::pin(upkeep::storage(
                services.clone(),
                storage.clone(),
            ))));
        }
        tasks.spawn(after(Box::pin(upkeep::registrations(
            services.clone(),
            offers(config),
            config.public_address(),
        ))));
        let mut parts = parts(config);
        parts.extend(options.requester.then_some(Part::Requester));
        let stage = Stage {
            services: services.clone(),
            parts,
            dir: config.dir.clone(),
            on_report: options.on_report,
        };
        tasks.spawn(after(Box::pin(stage.run())));
        let http = match config.http {
            None => None,
            Some(listen) => {
                let api = Api {
                    chain,
                    account: services.key.public(),
                    roles: config.roles.clone(),
                    progress: Arc::new(LiveProgress {
                        board: desk.board.clone(),
                        transport: transport.clone(),
                    }),
                    book: transport.book().clone(),
                    names: config.http_names.clone(),
                };
                Some(HttpServer::start(listen, api.routes()).await?)
            }
        };
        let board = desk.board.clone();
        Ok(Self {
            services,
            validator,
            http,
            board,
            storage: desk.storage.get().cloned(),
            tasks,
            _following: following,
        })
    }

    /// What the node acts through.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The node's account.
    pub fn account(&self) -> AccountId {
        self.services.sender.account()
    }

    /// How far the orders are that it works on.
    pub fn board(&self) -> &ProgressBoard {
        &self.board
    }

    /// Where the JSON API is served.
    pub fn http(&self) -> Option<std::net::SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// Why the validator stopped by itself, if it did.
    pub fn failure(&self) -> Option<String> {
        self.validator.as_ref().and_then(Chain::failure)
    }

    /// Stops everything; parties take up their parts again at the next start.
    pub async fn stop(mut self) {
        self.services.compute.stop();
        self.tasks.shutdown().await;
        if let Some(http) = self.http.take() {
            http.stop().await;
        }
        self.services.transport.close().await;
        if let Some(storage) = self.storage.take() {
            // Whoever starts on the directory next finds it free.
            storage.close().await;
        }
        if let Some(validator) = self.validator.take() {
            // Joins the engine's thread.
            let _ = tokio::task::spawn_blocking(move || validator.stop()).await;
        }
    }
}

fn start_validator(
    config: &NodeConfig,
    genesis: &Genesis,
    key: &assay_crypto::SecretKey,
    min_interval: Duration,
) -> Result<Option<Chain>, NodeError> {
    let Some(settings) = &config.validator else {
        return Ok(None);
    };
    let peers = genesis
        .validators
        .iter()
        .map(|v| Peer {
            key: v.account,
            address: v.address.to_string(),
        })
        .collect();
    let chain = assay_chain::start(ChainConfig {
        dir: config.dir.join("chain"),
        genesis: genesis.clone(),
        secret: key.clone(),
        share: shares::load(&settings.share)?,
        listen: settings.listen,
        peers,
        pace: Pace {
            min_interval,
            block_interval: Duration::from_millis(settings.block_interval_ms),
            ..Pace::default()
        },
    })?;
    Ok(Some(chain))
}

fn parts(config: &NodeConfig) -> Vec<Part> {
    let part = |role: &RoleName| match role {
        RoleName::Validator => Some(Part::Validator),
        RoleName::Provider => Some(Part::Provider),
        RoleName::Auditor => Some(Part::Auditor),
        RoleName::Storage => None,
    };
    config.roles.iter().filter_map(part).collect()
}

/// The roles the node offers on the ledger, each with the bond its configuration names.
fn offers(config: &NodeConfig) -> Vec<(Role, Option<u64>)> {
    let bond = |role: &RoleName| match role {
        // The validators are those of the genesis.
        RoleName::Validator => None,
        RoleName::Provider => Some((Role::Provider, config.provider.as_ref()?.bond)),
        RoleName::Auditor => Some((Role::Auditor, config.auditor.as_ref()?.bond)),
        RoleName::Storage => Some((Role::Storage, config.storage.as_ref()?.bond)),
    };
    let offer = |role: &RoleName| match (role, bond(role)) {
        (RoleName::Provider, None) => Some((Role::Provider, None)),
        (RoleName::Auditor, None) => Some((Role::Auditor, None)),
        (_, offer) => offer,
    };
    config.roles.iter().filter_map(offer).collect()
}

/// Turns step reports into progress reports.
fn watch_work(board: ProgressBoard) -> OnWork {
    let began = std::sync::Mutex::new((None::<OrderId>, Instant::now(), 0u64, 0u64));
    Arc::new(move |order: OrderId, report: &StepReport, steps: u64| {
        let mut began = began
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if began.0 != Some(order) {
            *began = (Some(order), Instant::now(), 0, 0);
        }
        began.2 += report.units;
        began.3 += u64::from(!report.valid);
        let seconds = began.1.elapsed().as_secs_f32().max(1e-3);
        board.set(
            order,
            ProgressReport {
                step: report.step.0,
                steps,
                invalid: began.3,
                loss: report.loss_micro.map(|loss| loss as f32 / 1e6),
                per_second: Some(began.2 as f32 / seconds),
            },
        );
    })
}
