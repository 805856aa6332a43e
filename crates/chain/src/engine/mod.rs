//! The Byzantine-fault-tolerant engine: simplex agreement, marshal for ordered delivery and
//! backfill, encrypted connections between validators. Nothing of it is visible outside.

mod app;
pub(crate) mod beacons;
pub(crate) mod channels;
pub(crate) mod finalizer;
pub(crate) mod gossip;
mod network;
pub(crate) mod payload;
pub(crate) mod runtime;
mod storage;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use commonware_broadcast::buffered;
use commonware_consensus::marshal::resolver::p2p as backfill;
use commonware_consensus::marshal::standard::{Inline, Standard};
use commonware_consensus::marshal::{self, Start, core::Actor};
use commonware_consensus::simplex::elector::RoundRobin;
use commonware_consensus::simplex::{self, Floor, ForwardPolicy, SkipBudget, SkipPolicy};
use commonware_consensus::types::{FixedEpocher, ViewDelta};
use commonware_cryptography::Sha256;
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::certificate::{ConstantProvider, Scheme as _};
use commonware_macros::select;
use commonware_parallel::Sequential;
use commonware_runtime::Spawner as _;
use commonware_utils::{NZDuration, NZU64, NZUsize};
use tokio::sync::{broadcast, mpsc, watch};

use crate::block::Block;
use crate::config::Pace;
use crate::core::Core;
use crate::finalized::FinalizedBlock;
use crate::scheme::{Committee, EPOCH, Identity, Scheme, engine_digest};
use crate::store::ChainStore;
use beacons::Collector;
use channels::{Incoming, Network, Outgoing, Peers};
use finalizer::{Deliveries, Fatal, Finalizer};
use payload::Payload;
use runtime::Runtime;

/// Views kept below the last finalized one, in memory and in the engine's journal.
const VIEW_RETENTION: ViewDelta = ViewDelta::new(256);
/// Blocks delivered ahead of the one being made durable.
const PENDING_BLOCKS: usize = 16;
/// Missing blocks asked for at a time when catching up.
const BACKFILL_WINDOW: usize = 32;
const MAILBOX: usize = 1_024;
/// How long the finalizer is waited for when another part has ended.
const CAUSE: Duration = Duration::from_millis(500);
/// When a vote to skip a view is sent again, while the view lasts.
const VOTE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Beyond the longest silence that a view has in it, a validator that was not heard of for so long
/// is skipped at once when it leads. Short, since until then each of its views costs the whole
/// time-out; skipping one that lives costs nothing but its block, and nobody is skipped while fewer
/// than a quorum are heard of.
const UNHEARD: Duration = Duration::from_millis(100);
const WRITE_BUFFER: usize = 64 * 1024;

/// What the engine runs with.
pub(crate) struct Parts {
    /// Put before the name of every file of the engine.
    pub(crate) prefix: String,
    pub(crate) core: Arc<Core>,
    pub(crate) store: ChainStore,
    pub(crate) genesis_block: Block,
    pub(crate) scheme: Scheme,
    pub(crate) committee: Committee,
    pub(crate) share: Share,
    pub(crate) me: Identity,
    pub(crate) subscribers: broadcast::Sender<Arc<FinalizedBlock>>,
    pub(crate) local: mpsc::UnboundedReceiver<Arc<Vec<u8>>>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
}

pub(crate) use network::Settings as NetworkSettings;

/// What the handle asks of a running engine.
pub(crate) enum Command {
    /// Metrics in the Prometheus text format.
    Metrics(std::sync::mpsc::SyncSender<String>),
    /// Finish what is being written and stop.
    Stop,
}

/// Runs a validator on sockets and on threads of its own, of which the calling one is one, until it
/// is told to stop (`Ok`) or must stop (`Err`).
pub(crate) fn run_on_sockets(
    dir: &Path,
    parts: Parts,
    settings: NetworkSettings,
) -> Result<(), Fatal> {
    let config = commonware_runtime::tokio::Config::new()
        .with_worker_threads(2)
        .with_storage_directory(dir.join("engine"));
    commonware_runtime::Runner::start(
        commonware_runtime::tokio::Runner::new(config),
        |context| async move {
            let network = network::open(&context, &parts.scheme, settings);
            let result = run(&context, parts, network).await;
            let _ = context.stop(0, Some(Duration::from_secs(10))).await;
            result
        },
    )
}

/// Runs a validator until it is told to stop (`Ok`) or must stop (`Err`).
pub(crate) async fn run<E: Runtime>(
    context: &E,
    parts: Parts,
    network: Network<impl Outgoing, impl Incoming, impl Peers>,
) -> Result<(), Fatal> {
    let running = start(context, parts, network).await?;
    serve(context, running).await
}

type Handle<T> = commonware_runtime::Handle<T>;

struct Running {
    commands: mpsc::UnboundedReceiver<Command>,
    finalizer: Handle<Result<(), Fatal>>,
    /// The parts that run as long as the validator does.
    parts: Vec<(&'static str, Handle<()>)>,
}

async fn serve(context: &impl Runtime, mut running: Running) -> Result<(), Fatal> {
    let parts = running.parts.into_iter().map(|(name, handle)| {
        Box::pin(async move {
            // How it ended is in the log; that it ended is what counts.
            let _ = handle.await;
            name
        })
    });
    let mut ended = futures::future::select_all(parts);
    loop {
        select! {
            command = running.commands.recv() => match command {
                Some(Command::Metrics(answer)) => {
                    let _ = answer.send(context.encode());
                }
                Some(Command::Stop) | None => return Ok(()),
            },
            finished = &mut running.finalizer => {
                return finished.unwrap_or(Err(Fatal::Ended { part: "finalizer" }));
            },
            (part, ..) = &mut ended => {
                // A finalizer that fails takes other parts with it, and knows why.
                return select! {
                    cause = &mut running.finalizer => match cause {
                        Ok(Err(fatal)) => Err(fatal),
                        _ => Err(Fatal::Ended { part }),
                    },
                    _ = context.sleep(CAUSE) => Err(Fatal::Ended { part }),
                };
            },
        }
    }
}

async fn start<E: Runtime>(
    context: &E,
    parts: Parts,
    network: Network<impl Outgoing, impl Incoming, impl Peers>,
) -> Result<Running, Fatal> {
    let Parts {
        core,
        scheme,
        store,
        prefix,
        ..
    } = parts;
    let Network {
        channels,
        peers,
        connect,
    } = network;
    let participants = scheme.participants().clone();
    let page_cache = storage::page_cache();

    let (buffer_engine, buffer) = buffered::Engine::new(
        context.child("buffer"),
        buffered::Config {
            public_key: parts.me.clone(),
            mailbox_size: NZUsize!(MAILBOX),
            deque_size: 16,
            priority: true,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    let buffering = buffer_engine.start(channels.blocks);

    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: parts.me,
            peer_provider: peers.clone(),
            blocker: peers.clone(),
            mailbox_size: NZUsize!(MAILBOX),
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );

    let epocher = FixedEpocher::new(NZU64!(u64::MAX));
    let (certificates, blocks) = storage::archives(context, &prefix, &page_cache).await?;
    let (marshal, mailbox, _floor) = Actor::<_, Standard<Payload>, _, _, _, _, _, _>::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: ConstantProvider::new(scheme.clone()),
            epocher: epocher.clone(),
            start: Start::Genesis(Payload::digested(parts.genesis_block.clone())),
            partition_prefix: format!("{prefix}marshal"),
            mailbox_size: NZUsize!(MAILBOX),
            view_retention: VIEW_RETENTION,
            prunable_items_per_section: NZU64!(1_024),
            page_cache: page_cache.clone(),
            replay_buffer: NZUsize!(WRITE_BUFFER),
            key_write_buffer: NZUsize!(WRITE_BUFFER),
            value_write_buffer: NZUsize!(WRITE_BUFFER),
            block_codec_config: (),
            max_repair: NZUsize!(BACKFILL_WINDOW),
            max_pending_acks: NZUsize!(PENDING_BLOCKS),
            strategy: Sequential,
        },
    )
    .await;

    let (deliver, deliveries) = mpsc::unbounded_channel();
    let (head, watch_head) = watch::channel(core.speculation.base().header().height.0);
    let finalizer = Finalizer {
        head,
        core: core.clone(),
        store,
        marshal: mailbox.clone(),
        subscribers: parts.subscribers,
    };
    let finalizer = context
        .child("finalizer")
        .dedicated()
        .spawn(move |_| finalizer.run(deliveries));
    let marshalling = marshal.start(Deliveries(deliver), buffer, resolver);

    let app = Inline::new(
        context.child("application"),
        app::App::new(core.clone()),
        mailbox,
        epocher,
    );
    let consensus = simplex::Engine::new(
        context.child("consensus"),
        simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker: peers,
            automaton: app.clone(),
            relay: app.clone(),
            reporter: app,
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{prefix}consensus"),
            mailbox_size: NZUsize!(MAILBOX),
            epoch: EPOCH,
            floor: Floor::Genesis(engine_digest(parts.genesis_block.header.digest())),
            replay_buffer: NZUsize!(WRITE_BUFFER),
            write_buffer: NZUsize!(WRITE_BUFFER),
            page_cache,
            leader_timeout: leader_timeout(&core.pace),
            certification_timeout: certification_timeout(&core.pace),
            timeout_retry: VOTE_AGAIN_AFTER,
            view_retention: VIEW_RETENTION,
            skip: SkipPolicy::Enabled {
                timeout: certification_timeout(&core.pace).max(VOTE_AGAIN_AFTER) + UNHEARD,
                budget: SkipBudget::Participants,
            },
            fetch_timeout: NZDuration!(Duration::from_secs(1)),
            fetch_retry_delay: Duration::from_millis(100),
            forward: ForwardPolicy::SilentVoters,
        },
    );
    let agreeing = consensus.start(channels.votes, channels.certificates, channels.resolver);

    let collector = Collector {
        verifier: core.verifier.clone(),
        committee: parts.committee,
        participants,
        share: parts.share,
        beacons: core.beacons.clone(),
        head: watch_head,
    };
    let signing = context
        .child("beacons")
        .spawn(move |runtime| collector.run(runtime, channels.beacons));

    let gossip = core.clone();
    let gossiping = context
        .child("gossip")
        .spawn(move |runtime| gossip::run(runtime, gossip, parts.local, channels.transactions));
    let connecting = connect();
    Ok(Running {
        commands: parts.commands,
        finalizer,
        parts: vec![
            ("buffer", buffering),
            ("marshal", marshalling),
            ("consensus", agreeing),
            ("beacons", signing),
            ("gossip", gossiping),
            ("network", connecting),
        ],
    })
}

fn leader_timeout(pace: &Pace) -> Duration {
    pace.block_interval + pace.leader_timeout
}

fn certification_timeout(pace: &Pace) -> Duration {
    leader_timeout(pace) + pace.leader_timeout
}
