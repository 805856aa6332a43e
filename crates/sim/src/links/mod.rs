//! The links between validators: every message passes here as the bytes that its encoder made.
//!
//! A *port* is a place in the network that somebody speaks from. Each has one name, which the
//! receiver is told, as an authenticated connection would tell it; two ports may have one name, for
//! whoever copied a key. Messages between two ports arrive in the order in which they were sent, as
//! on a stream. What is sent to a port that is down, across a cut, or between two of whom one has
//! blocked the other, is lost. There is no limit on what a port sends: quotas are the transport's.

mod ends;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use assay_chain::validator::{Channels, Identity, Network};
use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use commonware_macros::select;
use commonware_p2p::{PeerSetUpdate, TrackedPeers};
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use commonware_utils::channel::ring;
use commonware_utils::ordered::Set;
use tokio::sync::{Notify, mpsc};

pub use ends::{Neighbours, Receiving, Sending};
use state::{Port, State};

use crate::liars::{Channel, Said, Tongue};
use crate::watch::Watch;

/// How one message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The middle of the time it takes.
    pub latency: Duration,
    /// How far it may be from that, in both directions.
    pub jitter: Duration,
    /// Messages lost in a thousand.
    pub loss: u32,
}

/// How often liars that speak unasked do so.
const TICK: Duration = Duration::from_millis(100);

/// All links of a network. Clones are the same links.
#[derive(Clone)]
pub struct Links {
    state: Arc<Mutex<State>>,
    watch: Watch,
    clock: Arc<Context>,
    earlier: Arc<Notify>,
}

impl Links {
    /// Links between ports with these names, the first of each name first; carried by a task of
    /// `context`.
    pub(crate) fn new(context: &Context, seed: u64, names: Vec<Identity>, watch: Watch) -> Self {
        let ports = names.iter().map(|name| Port {
            name: name.clone(),
            inboxes: None,
            life: 0,
            blocked: BTreeSet::new(),
            watching_blocked: Vec::new(),
            tongue: None,
            part: 0,
            unreachable: BTreeSet::new(),
        });
        let state = State {
            ports: ports.collect(),
            names: Set::from_iter_dedup(names),
            link: Link {
                latency: Duration::ZERO,
                jitter: Duration::ZERO,
                loss: 0,
            },
            random: Stream::new(Digest::of("assay/sim/v1", &[]), "links", seed),
            moving: BTreeMap::new(),
            sent: 0,
            last: BTreeMap::new(),
            subscribers: Vec::new(),
        };
        let links = Self {
            state: Arc::new(Mutex::new(state)),
            watch,
            clock: Arc::new(context.child("clock")),
            earlier: Arc::default(),
        };
        let carrier = links.clone();
        context
            .child("links")
            .spawn(|context| async move { carrier.carry(context).await });
        links
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how messages travel from now on.
    pub(crate) fn set(&self, link: Link) {
        self.lock().link = link;
    }

    /// Cuts the network: ports in different parts do not reach each other.
    pub(crate) fn part(&self, part_of: impl Fn(usize) -> usize) {
        for (index, port) in self.lock().ports.iter_mut().enumerate() {
            port.part = part_of(index);
        }
    }

    /// Cuts one port off from another for good, in both directions.
    pub(crate) fn keep_apart(&self, one: usize, other: usize) {
        let mut state = self.lock();
        for (from, to) in [(one, other), (other, one)] {
            if let Some(port) = state.ports.get_mut(from) {
                port.unreachable.insert(to);
            }
        }
    }

    /// Gives a port to a liar: `tongue` decides what it says.
    pub(crate) fn give(&self, port: usize, tongue: Box<dyn Tongue>) {
        if let Some(port) = self.lock().ports.get_mut(port) {
            port.tongue = Some(tongue);
        }
    }

    /// Brings a port up, with nothing blocked and nothing on the way to it. `None` if there is no
    /// such port.
    pub(crate) fn open(
        &self,
        port: usize,
        context: &Context,
    ) -> Option<Network<Sending, Receiving, Neighbours>> {
        let mut channels = Vec::new();
        let mut inboxes = Vec::new();
        for channel in Channel::ALL {
            let (inbox, receiver) = mpsc::unbounded_channel();
            inboxes.push(inbox);
            let sending = Sending::new(self.clone(), port, channel);
            channels.push((sending, Receiving(receiver)));
        }
        let mut state = self.lock();
        let opened = state.ports.get_mut(port)?;
        opened.inboxes = Some(inboxes);
        opened.life += 1;
        opened.blocked.clear();
        opened.watching_blocked.clear();
        let speaks_unasked = opened.tongue.as_ref().is_some_and(|t| t.speaks_unasked());
        drop(state);
        let mut channels = channels.into_iter();
        let mut next = || channels.next();
        let channels = Channels {
            votes: next()?,
            certificates: next()?,
            resolver: next()?,
            blocks: next()?,
            backfill: next()?,
            transactions: next()?,
            beacons: next()?,
        };
        let links = self.clone();
        let speaking = context.child("speaking");
        let connect = move || {
            speaking.spawn(move |context| async move {
                if !speaks_unasked {
                    return std::future::pending().await;
                }
                loop {
                    context.sleep(TICK).await;
                    links.tick(port);
                }
            })
        };
        Some(Network {
            channels,
            peers: Neighbours::new(self.clone(), port),
            connect: Box::new(connect),
        })
    }

    /// Takes a port down.
    pub(crate) fn close(&self, port: usize) {
        if let Some(port) = self.lock().ports.get_mut(port) {
            port.inboxes = None;
        }
    }

    fn name(&self, port: usize) -> Option<Identity> {
        self.lock().ports.get(port).map(|port| port.name.clone())
    }

    /// Everybody but the port itself.
    fn others(&self, port: usize) -> Vec<Identity> {
        let state = self.lock();
        let me = state.ports.get(port).map(|port| &port.name);
        let others = state.names.iter().filter(|name| Some(*name) != me);
        others.cloned().collect()
    }

    /// What the engine of a port wants to say; a liar says something else.
    fn say(&self, port: usize, said: Said) {
        let mut state = self.lock();
        let all = match state.ports.get_mut(port).and_then(|p| p.tongue.as_mut()) {
            Some(tongue) => tongue.say(said),
            None => vec![said],
        };
        self.send(&mut state, port, all);
    }

    fn tick(&self, port: usize) {
        let mut state = self.lock();
        let Some(tongue) = state.ports.get_mut(port).and_then(|p| p.tongue.as_mut()) else {
            return;
        };
        let all = tongue.tick();
        self.send(&mut state, port, all);
    }

    fn send(&self, state: &mut State, from: usize, all: Vec<Said>) {
        let now = self.clock.current();
        let first = state.moving.keys().next().map(|(at, _)| *at);
        for Said { channel, to, bytes } in all {
            self.watch.said(from, channel, bytes.as_ref());
            for name in to {
                state.post(now, from, &name, channel, &bytes);
            }
        }
        let now_first = state.moving.keys().next().map(|(at, _)| *at);
        if now_first.is_some_and(|at| first.is_none_or(|first| at < first)) {
            self.earlier.notify_one();
        }
    }

    /// Delivers what is due, for ever.
    async fn carry(self, context: Context) {
        loop {
            let next = self.lock().moving.keys().next().map(|(at, _)| *at);
            match next {
                None => self.earlier.notified().await,
                Some(at) => select! {
                    _ = self.earlier.notified() => {},
                    _ = context.sleep_until(at) => {},
                },
            }
            self.deliver(context.current());
        }
    }

    fn deliver(&self, now: SystemTime) {
        let mut state = self.lock();
        while let Some(entry) = state.moving.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let envelope = entry.remove();
            let (to, all) = (envelope.to, state.hand_over(envelope));
            self.send(&mut state, to, all);
        }
    }

    fn block(&self, port: usize, name: Identity) {
        let mut state = self.lock();
        let all = state.names.clone();
        let Some(blocker) = state.ports.get_mut(port) else {
            return;
        };
        if blocker.blocked.insert(name.clone()) {
            let blocked = Set::from_iter_dedup(blocker.blocked.iter().cloned());
            blocker
                .watching_blocked
                .retain(|watcher| watcher.send_lossy(blocked.clone()));
            self.watch.blocked(port, all.position(&name));
        }
    }

    fn watch_blocked(&self, port: usize, watcher: ring::Sender<Set<Identity>>) {
        if let Some(port) = self.lock().ports.get_mut(port) {
            let blocked = Set::from_iter_dedup(port.blocked.iter().cloned());
            if watcher.send_lossy(blocked) {
                port.watching_blocked.push(watcher);
            }
        }
    }

    fn everybody(&self) -> TrackedPeers<Identity> {
        TrackedPeers::primary(self.lock().names.clone())
    }

    fn subscribe(&self) -> mpsc::UnboundedReceiver<PeerSetUpdate<Identity>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let all = self.everybody();
        let _ = sender.send(PeerSetUpdate {
            index: 0,
            latest: all.clone(),
            all,
        });
        self.lock().subscribers.push(sender);
        receiver
    }
}
