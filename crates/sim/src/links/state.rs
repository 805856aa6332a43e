//! Ports, and what is on its way between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use assay_chain::validator::Identity;
use assay_crypto::stream::Stream;
use commonware_p2p::PeerSetUpdate;
use commonware_runtime::IoBuf;
use commonware_utils::channel::ring;
use commonware_utils::ordered::Set;
use tokio::sync::mpsc;

use super::Link;
use crate::liars::{Channel, Said, Tongue};

pub(super) type Inbox = mpsc::UnboundedSender<(Identity, IoBuf)>;

pub(super) struct Port {
    pub(super) name: Identity,
    /// One for each channel, while it is up.
    pub(super) inboxes: Option<Vec<Inbox>>,
    /// Counts how often it was opened; what was sent to an earlier life does not arrive.
    pub(super) life: u64,
    pub(super) blocked: BTreeSet<Identity>,
    pub(super) watching_blocked: Vec<ring::Sender<Set<Identity>>>,
    pub(super) tongue: Option<Box<dyn Tongue>>,
    /// In which part of a network that is cut it lies.
    pub(super) part: usize,
    /// Ports that it can never reach.
    pub(super) unreachable: BTreeSet<usize>,
}

pub(super) struct Envelope {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) life: u64,
    pub(super) channel: Channel,
    pub(super) bytes: IoBuf,
}

pub(super) struct State {
    pub(super) ports: Vec<Port>,
    pub(super) names: Set<Identity>,
    pub(super) link: Link,
    pub(super) random: Stream,
    /// On the way, by the time of arrival.
    pub(super) moving: BTreeMap<(SystemTime, u64), Envelope>,
    pub(super) sent: u64,
    /// When the last message from one port to another arrives.
    pub(super) last: BTreeMap<(usize, usize), SystemTime>,
    /// Never written to: whoever asks who takes part has been told.
    pub(super) subscribers: Vec<mpsc::UnboundedSender<PeerSetUpdate<Identity>>>,
}

impl State {
    /// Puts a message on its way to every port of that name.
    pub(super) fn post(
        &mut self,
        now: SystemTime,
        from: usize,
        name: &Identity,
        channel: Channel,
        bytes: &IoBuf,
    ) {
        for to in 0..self.ports.len() {
            let Some(port) = self.ports.get(to) else {
                continue;
            };
            if to == from || port.name != *name || port.inboxes.is_none() || !self.reach(from, to) {
                continue;
            }
            let life = port.life;
            if self.random.below(1_000) < u64::from(self.link.loss) {
                continue;
            }
            let jitter = self.link.jitter.as_micros() as u64;
            let drawn = Duration::from_micros(self.random.below(2 * jitter + 1));
            let travel = (self.link.latency + drawn).saturating_sub(self.link.jitter);
            let last = self.last.entry((from, to)).or_insert(now);
            *last = (*last).max(now + travel);
            self.sent += 1;
            let envelope = Envelope {
                from,
                to,
                life,
                channel,
                bytes: bytes.clone(),
            };
            self.moving.insert((*last, self.sent), envelope);
        }
    }

    pub(super) fn reach(&self, from: usize, to: usize) -> bool {
        let (Some(one), Some(other)) = (self.ports.get(from), self.ports.get(to)) else {
            return false;
        };
        one.part == other.part
            && !one.unreachable.contains(&to)
            && !one.blocked.contains(&other.name)
            && !other.blocked.contains(&one.name)
    }

    /// Delivers a message; gives what a liar says to it.
    pub(super) fn hand_over(&mut self, envelope: Envelope) -> Vec<Said> {
        let Envelope {
            from,
            to,
            life,
            channel,
            bytes,
        } = envelope;
        if !self.reach(from, to) {
            return Vec::new();
        }
        let Some(name) = self.ports.get(from).map(|port| port.name.clone()) else {
            return Vec::new();
        };
        let Some(port) = self.ports.get_mut(to).filter(|port| port.life == life) else {
            return Vec::new();
        };
        let Some(inbox) = port
            .inboxes
            .as_ref()
            .and_then(|all| all.get(channel as usize))
        else {
            return Vec::new();
        };
        // An engine that has ended does not listen any more.
        let _ = inbox.send((name.clone(), bytes.clone()));
        match &mut port.tongue {
            Some(tongue) => tongue.hear(&name, channel, bytes.as_ref()),
            None => Vec::new(),
        }
    }
}
