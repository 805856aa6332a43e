//! One machine of a network: everything its configuration names, started and stopped together.

mod about;
mod answer;
mod error;
mod listening;
mod offers;
mod shelves;
mod start;
mod upkeep;
mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use assay_api::{ChainView, HttpServer};
use assay_chain::{Chain, Pace};
use assay_job::Registry;
use assay_ledger::AccountId;
use tokio::task::{AbortHandle, JoinSet};

pub use self::{error::NodeError, start::read_genesis};
pub(crate) use self::{
    listening::Listening,
    start::{VAULT, count},
};
use crate::{
    client::Following,
    health::Health,
    inputs::InputStore,
    lock::{DirectoryLock, KeyLock},
    orders::Services,
    progress::ProgressBoard,
    roles::OnReport,
    storage::{Neighbours, StorageRole},
    worker::{InProcess, Runner},
};

/// Time that each part of a node has to stop.
const STOPPED: Duration = Duration::from_secs(15);

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
    /// What it has in common with other nodes of this process.
    pub shared: Option<Shared>,
}

/// What the nodes of one process have in common: what one of them has, the others need not have again.
pub struct Shared {
    /// The chain of a validator among them, for those that are none: what it has verified nobody else has to
    /// verify again.
    pub chain: Option<Arc<dyn ChainView>>,
    /// The inputs of orders.
    pub inputs: InputStore,
    /// The storage nodes.
    pub neighbours: Arc<Neighbours>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runner: Box::new(InProcess::new(Box::new(Registry))),
            requester: false,
            on_report: Arc::new(|_, _, _| {}),
            min_block_interval: Pace::default().min_interval,
            lock: None,
            shared: None,
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

impl Node {
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
    pub fn http(&self) -> Option<SocketAddr> {
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
