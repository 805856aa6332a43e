//! One machine of a network: everything its configuration names, started and stopped together.

mod answer;
mod offers;
mod shelves;
mod upkeep;
mod watch;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use assay_chain::{Chain, ChainConfig, Pace, Peer, StartError};
use assay_job::Registry;
use assay_ledger::{AccountId, Genesis, OrderId, Role};
use assay_proof::StepReport;
use assay_vault::upload::UploadConfig;
use tokio::task::{AbortHandle, JoinSet};

use self::{
    answer::Desk,
    offers::{Offers, Reach},
};
use crate::{
    address::Address,
    client::{ChainError, ChainView, Follower, Following, LocalChain, Sender},
    config::{NodeConfig, PeerConfig, RoleName},
    health::Health,
    http::{Api, HttpServer, ServeError},
    keys::{self, KeyError},
    lock::{DirectoryLock, KeyLock, LockError},
    needs::{self, NeedError},
    orders::{Compute, OnWork, Services},
    progress::{LiveProgress, ProgressBoard},
    roles::{OnReport, Part, Stage},
    shares::{self, ShareError},
    storage::{StorageError, StorageRole},
    transport::{BindError, BoxFuture, Limits, ProgressReport, Transport},
    worker::{InProcess, Runner},
};

/// How long a call may take to get into a block before its party hears that it did not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time that each part of a node has to stop.
const STOPPED: Duration = Duration::from_secs(15);

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
    /// Another process has its directory or its key.
    #[error("one process at a time")]
    Lock(#[from] LockError),
    /// The machine does not give what it needs.
    #[error("this machine does not give what the node needs")]
    Need(#[from] NeedError),
    /// An address of the configuration cannot be looked up.
    #[error(
        "`{setting}` = {address} cannot be looked up; write its numeric address, or mend the name"
    )]
    Name {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: Address,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody to learn the chain from.
    #[error("there is nobody to learn the chain from: name a validator under [[peers]]")]
    Alone,
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
    /// The node's directory, where it is taken already.
    pub lock: Option<DirectoryLock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runner: Box::new(InProcess::new(Box::new(Registry))),
            requester: false,
            on_report: Arc::new(|_, _, _| {}),
            min_block_interval: Pace::default().min_interval,
            lock: None,
        }
    }
}

/// A running node.
pub struct Node {
    services: Arc<Services>,
    validator: Option<Chain>,
    http: Option<HttpServer>,
    board: ProgressBoard,
    health: Health,
    storage: Option<StorageRole>,
    tasks: JoinSet<()>,
    /// What each task does, for saying which one has ended.
    running: Vec<(&'static str, AbortHandle)>,
    following: Option<Following>,
    _key: Option<KeyLock>,
    /// Given up last, when nothing of the node runs any more.
    directory: DirectoryLock,
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
    pub async fn start(config: &NodeConfig, mut options: Options) -> Result<Self, NodeError> {
        // A node that would be slashed for wrong bits does not join.
        if !parts(config).is_empty() {
            assay_job::self_test()?;
        }
        let directory = match options.lock.take() {
            Some(lock) => lock,
            None => DirectoryLock::take(&config.dir)?,
        };
        let key = keys::load(&config.key)?;
        // Commands act for an account too, several at once if need be; they register nothing.
        let serves = !config.roles.is_empty();
        let key_lock = serves.then(|| KeyLock::take(&key)).transpose()?;
        let genesis = read_genesis(&config.genesis)?;
        let (validators, others) = count(config);
        needs::files(validators, others)?;
        if serves {
            needs::enough_room(&config.dir)?;
        }
        let listening = Listening::of(config).await?;
        listening.check()?;
        let desk = Arc::new(Desk::default());
        let transport = Transport::bind(
            &key,
            listening.peers,
            Limits::default(),
            Arc::new(desk.clone()),
            Arc::new(desk.clone()),
        )
        .await?;
        let opened = Opened {
            key,
            key_lock,
            genesis,
            directory,
            listening,
            desk,
            transport: transport.clone(),
        };
        let started = Self::assemble(config, options, opened).await;
        if started.is_err() {
            transport.close().await;
        }
        started
    }

    async fn assemble(
        config: &NodeConfig,
        options: Options,
        opened: Opened,
    ) -> Result<Self, NodeError> {
        let Opened {
            key,
            key_lock,
            genesis,
            directory,
            listening,
            desk,
            transport,
        } = opened;
        let health = Health::default();
        let serves = !config.roles.is_empty();
        let others: Vec<_> = config
            .peers
            .iter()
            .filter(|peer| peer.key != key.public())
            .collect();
        for peer in &others {
            transport.book().pin(peer.key, peer.address.clone());
        }
        if let Some(settings) = &config.storage {
            let limits = assay_vault::storage::StorageConfig::new(settings.quota.0);
            let role = StorageRole::open(&config.dir.join("vault"), limits)?;
            let _ = desk.storage.set(role);
        }
        let pace = options.min_block_interval;
        let validator = start_validator(config, &listening, &genesis, &key, pace)?;
        let (chain, following): (Arc<dyn ChainView>, _) = match &validator {
            Some(validator) => (LocalChain::new(validator.clone(), genesis), None),
            None => {
                let nodes = sources(&genesis, &others, key.public(), &transport);
                if nodes.is_empty() {
                    return Err(NodeError::Alone);
                }
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
        // Whoever starts a node may use it at once, so it must know whom to call.
        upkeep::learn_addresses(&services).map_err(ChainError::from)?;
        let mut work: Vec<(&'static str, BoxFuture<'static, ()>)> = vec![(
            "address book",
            Box::pin(upkeep::address_book(services.clone())),
        )];
        // What acts on the chain waits until what it sees of it is new.
        let after = |work: BoxFuture<'static, ()>| -> BoxFuture<'static, ()> {
            let chain = chain.clone();
            Box::pin(async move {
                chain.caught_up().await;
                work.await;
            })
        };
        if let Some(storage) = desk.storage.get() {
            let storage = upkeep::storage(services.clone(), storage.clone());
            work.push(("storage", after(Box::pin(storage))));
        }
        let offers = Offers {
            services: services.clone(),
            desk: desk.clone(),
            health: health.clone(),
            roles: offers(config),
            reach: Reach {
                advertise: config.advertise.clone(),
                listen: transport.address(),
                toward: others.iter().map(|peer| peer.address.clone()).collect(),
            },
        };
        work.push(("registration", after(Box::pin(offers.run()))));
        let mut parts = parts(config);
        parts.extend(options.requester.then_some(Part::Requester));
        let stage = Stage {
            services: services.clone(),
            parts,
            dir: config.dir.clone(),
            on_report: options.on_report,
        };
        work.push(("orders", after(Box::pin(stage.run()))));
        let watch = watch::Watch {
            chain: chain.clone(),
            validator: validator.clone(),
            dir: serves.then(|| config.dir.clone()),
            health: health.clone(),
            transport: transport.clone(),
        };
        work.push(("watch", Box::pin(watch.run())));
        let mut tasks = JoinSet::new();
        let running = work
            .into_iter()
            .map(|(name, work)| (name, tasks.spawn(work)));
        let running = running.collect();
        let http = match listening.http {
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
                    health: health.clone(),
                    names: names(config),
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
            health,
            storage: desk.storage.get().cloned(),
            tasks,
            running,
            following,
            _key: key_lock,
            directory,
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

    /// How the node is.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Why the node must end, if it must: one of its parts has, and the rest would only look alive.
    pub fn failure(&self) -> Option<String> {
        if let Some(reason) = self.validator.as_ref().and_then(Chain::failure) {
            let dir = self.directory.dir();
            self.health.fail(watch::stopped(&reason, Some(dir)));
        }
        let ended =
            |(name, task): &(&'static str, AbortHandle)| task.is_finished().then_some(*name);
        let following = self.following.as_ref().is_some_and(Following::has_ended);
        let serving = self.http.as_ref().is_some_and(HttpServer::has_ended);
        let part = following
            .then_some("follower")
            .or(serving.then_some("JSON API"))
            .or_else(|| self.running.iter().find_map(ended));
        if let Some(part) = part {
            self.health.fail(format!(
                "a part of the node has ended by itself: {part}; the log says why"
            ));
        }
        self.health.failure()
    }

    /// Stops everything; parties take up their parts again at the next start. A part that does not
    /// end in time is left behind and told in the log: what is on disk is whole at any moment.
    pub async fn stop(mut self) {
        self.services.compute.stop();
        within("parts", self.tasks.shutdown()).await;
        if let Some(http) = self.http.take() {
            within("JSON API", http.stop()).await;
        }
        within("transport", self.services.transport.close()).await;
        if let Some(storage) = self.storage.take() {
            // Whoever starts on the directory next finds it free.
            within("storage", storage.close()).await;
        }
        if let Some(validator) = self.validator.take() {
            // Joins the engine's thread.
            let joined = tokio::task::spawn_blocking(move || validator.stop());
            within("validator", joined).await;
        }
    }
}

/// Gives a part of a node time to stop.
async fn within(part: &str, stopped: impl Future) {
    if tokio::time::timeout(STOPPED, stopped).await.is_err() {
        tracing::warn!(part, "does not stop and is left behind");
    }
}

/// What a node holds before its parts are put together.
struct Opened {
    key: assay_crypto::SecretKey,
    key_lock: Option<KeyLock>,
    genesis: Genesis,
    directory: DirectoryLock,
    listening: Listening,
    desk: Arc<Desk>,
    transport: Transport,
}

/// The numeric addresses that a node listens on.
pub(crate) struct Listening {
    peers: SocketAddr,
    http: Option<SocketAddr>,
    consensus: Option<SocketAddr>,
}

impl Listening {
    /// Looks up what the configuration names.
    ///
    /// # Errors
    /// [`NodeError::Name`].
    pub(crate) async fn of(config: &NodeConfig) -> Result<Self, NodeError> {
        let validator = config.validator.as_ref().map(|validator| &validator.listen);
        Ok(Self {
            peers: look_up("listen", &config.listen).await?,
            http: match &config.http {
                Some(address) => Some(look_up("http", address).await?),
                None => None,
            },
            consensus: match validator {
                Some(address) => Some(look_up("validator.listen", address).await?),
                None => None,
            },
        })
    }

    /// Whether every port is free, before anything is opened.
    ///
    /// # Errors
    /// [`NeedError::Port`].
    pub(crate) fn check(&self) -> Result<(), NeedError> {
        needs::udp("listen", self.peers)?;
        if let Some(http) = self.http {
            needs::tcp("http", http)?;
        }
        if let Some(consensus) = self.consensus {
            needs::tcp("validator.listen", consensus)?;
        }
        Ok(())
    }
}

async fn look_up(setting: &'static str, address: &Address) -> Result<SocketAddr, NodeError> {
    let found = address.resolve().await.map_err(|source| NodeError::Name {
        setting,
        address: address.clone(),
        source,
    })?;
    Ok(found[0])
}

/// The host names that are the API's own: those that the configuration lists, and the one in
/// `http` itself.
fn names(config: &NodeConfig) -> Vec<String> {
    let mut names = config.http_names.clone();
    if let Some(Address::Name { host, .. }) = &config.http {
        names.push(host.clone());
    }
    names
}

/// Whether the node is a validator, and whether it is not.
pub(crate) fn count(config: &NodeConfig) -> (usize, usize) {
    match config.validator {
        Some(_) => (1, 0),
        None => (0, 1),
    }
}

/// Whom to learn the chain from: the configured peers, else the validators that the genesis says
/// where to find.
fn sources(
    genesis: &Genesis,
    peers: &[&PeerConfig],
    me: AccountId,
    transport: &Transport,
) -> Vec<AccountId> {
    if !peers.is_empty() {
        return peers.iter().map(|peer| peer.key).collect();
    }
    let validators = genesis
        .registrations
        .iter()
        .filter(|registered| registered.role == Role::Validator && registered.account != me);
    let mut found = Vec::new();
    for validator in validators {
        if let Ok(address) = validator.address.parse() {
            transport.book().set(validator.account, [address]);
            found.push(validator.account);
        }
    }
    found
}

fn start_validator(
    config: &NodeConfig,
    listening: &Listening,
    genesis: &Genesis,
    key: &assay_crypto::SecretKey,
    min_interval: Duration,
) -> Result<Option<Chain>, NodeError> {
    let (Some(settings), Some(listen)) = (&config.validator, listening.consensus) else {
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
        listen,
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

/// The roles the node offers on the ledger, each with the bond its configuration names. The
/// validators are those of the genesis; one only keeps its address right.
fn offers(config: &NodeConfig) -> Vec<(Role, Option<u64>)> {
    let offer = |role: &RoleName| match role {
        RoleName::Validator => (Role::Validator, None),
        RoleName::Provider => (
            Role::Provider,
            config.provider.as_ref().and_then(|of| of.bond),
        ),
        RoleName::Auditor => (
            Role::Auditor,
            config.auditor.as_ref().and_then(|of| of.bond),
        ),
        RoleName::Storage => (
            Role::Storage,
            config.storage.as_ref().and_then(|of| of.bond),
        ),
    };
    config.roles.iter().map(offer).collect()
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
