//! Puts a node together from its configuration.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use assay_api::{Api, ChainError, ChainView, HttpServer};
use assay_chain::{Chain, ChainConfig, Pace, Peer};
use assay_job::Part;
use assay_ledger::{AccountId, Amount, Genesis, Role};
use assay_vault::upload::UploadConfig;
use tokio::task::JoinSet;

use super::{
    Node, NodeError, Options,
    about::About,
    answer::Desk,
    listening::Listening,
    offers::{self, Offers, Reach},
    upkeep, watch,
};
use crate::{
    address::Address,
    client::{Follower, LocalChain, Sender},
    config::{NodeConfig, PeerConfig},
    files::STANDARD_PRICE,
    health::Health,
    inputs::InputStore,
    keys,
    lock::{DirectoryLock, KeyLock},
    needs,
    orders::{Compute, Services},
    progress::{LiveProgress, watch_work},
    roles::Stage,
    shares,
    storage::StorageRole,
    transport::{BoxFuture, Limits, Transport},
};

/// How long a call may take to get into a block before its party hears that it did not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a storage node keeps its pieces, in its directory.
pub(crate) const VAULT: &str = "vault";

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

impl Node {
    /// Starts everything that `config` names.
    ///
    /// # Errors
    /// [`NodeError`] says which part did not start and why; what had started is stopped.
    pub async fn start(config: &NodeConfig, mut options: Options) -> Result<Self, NodeError> {
        // A node that would be slashed for wrong bits does not join.
        if !parts(config, false).is_empty() {
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
            desk.clone(),
            desk.protocols(),
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
            let shared = options.shared.as_ref();
            let neighbours = shared.map(|of| of.neighbours.clone()).unwrap_or_default();
            let role = StorageRole::open_among(&config.dir.join(VAULT), limits, neighbours)?;
            let _ = desk.storage.set(role);
        }
        let pace = options.min_block_interval;
        let validator = start_validator(config, &listening, &genesis, &key, pace)?;
        let beside = options.shared.as_ref().and_then(|of| of.chain.clone());
        let (chain, following): (Arc<dyn ChainView>, _) = match (&validator, beside) {
            (Some(validator), _) => (LocalChain::new(validator.clone(), genesis), None),
            (None, Some(chain)) => (chain, None),
            (None, None) => {
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
            inputs: options.shared.map_or_else(
                || InputStore::new(config.dir.join("inputs")),
                |of| of.inputs,
            ),
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
            let price = config.storage.as_ref().and_then(|of| of.price);
            let price = price.map_or(STANDARD_PRICE, Amount);
            let storage = upkeep::storage(services.clone(), storage.clone(), price);
            work.push(("storage", after(Box::pin(storage))));
        }
        let offers = Offers {
            services: services.clone(),
            desk: desk.clone(),
            health: health.clone(),
            roles: offers::wanted(config),
            reach: Reach {
                advertise: config.advertise.clone(),
                listen: transport.address(),
                toward: others.iter().map(|peer| peer.address.clone()).collect(),
            },
        };
        work.push(("registration", after(Box::pin(offers.run()))));
        for join in &config.join {
            let joining = upkeep::join(services.clone(), join.clone());
            work.push(("joining", after(Box::pin(joining))));
        }
        let stage = Stage {
            services: services.clone(),
            parts: parts(config, options.requester),
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
                let about = About {
                    chain: chain.clone(),
                    health: health.clone(),
                    progress: LiveProgress {
                        board: desk.board.clone(),
                        transport: transport.clone(),
                    },
                };
                let api = Api {
                    chain,
                    node: Arc::new(about),
                    account: services.key.public(),
                    roles: config.roles.clone(),
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

/// The parts in orders that the node's roles may be given, and the requester's if it plays that.
fn parts(config: &NodeConfig, requester: bool) -> Vec<Part> {
    let plays = |part: &Part| match part.roles() {
        [] => requester,
        roles => roles.iter().any(|role| config.plays(*role)),
    };
    Part::ALL.into_iter().filter(plays).collect()
}
