//! Machines on a virtual clock, with links between them and a disk each.

use std::collections::BTreeMap;

use assay_crypto::stream::Stream;
use assay_crypto::{Digest, PublicKey};
use assay_machine::mailbox::Limits;
use assay_machine::{Context, Input, Machine as _, Millis, Output};

use crate::gossip::{Gossip, Gossiper, Told, key};

/// How bad the world is, in parts of 256 for each packet or output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loses: u64,
    pub(crate) repeats: u64,
    pub(crate) kills: u64,
    /// Longest delay of a packet, in milliseconds.
    pub(crate) delay: u64,
    /// Whether pairs are cut off from each other now and then.
    pub(crate) parts: bool,
}

pub(crate) struct Member {
    pub(crate) machine: Gossiper,
    pub(crate) disk: Vec<Vec<u8>>,
    wake: Option<Millis>,
    /// Lives so far.
    pub(crate) lives: u64,
}

pub(crate) struct World {
    pub(crate) members: Vec<Member>,
    /// By arrival and a counter: to whom, from whom, what.
    under_way: BTreeMap<(Millis, u64), (usize, usize, Vec<u8>)>,
    dice: Stream,
    weather: Weather,
    now: Millis,
    counter: u64,
    plan: u64,
    limits: Limits,
    pub(crate) told: Vec<(usize, Told)>,
    /// The most letters and bytes that any member kept for one peer.
    pub(crate) most: (usize, usize),
    pub(crate) sent: u64,
    /// Outputs so far, and the one at which its member is killed; an entry that it is reaches the
    /// disk if so told.
    pub(crate) outputs: u64,
    pub(crate) kill_at: Option<(u64, bool)>,
}

impl World {
    pub(crate) fn new(seed: u64, members: u8, plan: u64, limits: Limits, weather: Weather) -> Self {
        let mut world = Self {
            members: Vec::new(),
            under_way: BTreeMap::new(),
            dice: Stream::new(Digest::of("mailbox", &[]), "world", seed),
            weather,
            now: Millis(1_000),
            counter: 0,
            plan,
            limits,
            told: Vec::new(),
            most: (0, 0),
            sent: 0,
            outputs: 0,
            kill_at: None,
        };
        for me in 0..members {
            let machine = Gossiper::new(me, members, plan, limits);
            world.members.push(Member {
                machine,
                disk: Vec::new(),
                wake: None,
                lives: 0,
            });
        }
        (0..usize::from(members)).for_each(|at| world.begin(at));
        world
    }

    fn chance(&mut self, parts: u64) -> bool {
        self.dice.below(256) < parts
    }

    /// Makes a member's machine anew from its disk.
    pub(crate) fn begin(&mut self, at: usize) {
        let all = self.members.len() as u8;
        let machine = Gossiper::new(at as u8, all, self.plan, self.limits);
        let member = &mut self.members[at];
        let before = std::mem::replace(&mut member.machine, machine).delivered;
        member.wake = None;
        member.lives += 1;
        let mut seed = [0; 32];
        self.dice.fill(&mut seed);
        let disk = self.members[at].disk.clone();
        let inputs = [Input::Seed(seed)].into_iter();
        for input in inputs.chain(disk.into_iter().map(Input::Journal)) {
            let context = Context {
                now: self.now,
                view: &(),
            };
            let outputs = self.members[at].machine.step(&context, input);
            assert!(
                outputs.is_empty(),
                "seed and journal make it ask for nothing"
            );
        }
        assert!(!self.members[at].machine.bad_journal);
        // What was taken in earlier lives is taken again, in the same order.
        for (peer, letters) in &self.members[at].machine.delivered {
            let before = before.get(peer).map_or(&[][..], Vec::as_slice);
            let both = letters.len().min(before.len());
            assert_eq!(letters[..both], before[..both]);
        }
        self.step(at, Input::News);
    }

    /// Gives a member an input and performs what comes of it, as far as it lives.
    fn step(&mut self, at: usize, input: Input<Gossip>) {
        let context = Context {
            now: self.now,
            view: &(),
        };
        let outputs = self.members[at].machine.step(&context, input);
        for peer in 0..self.members.len() {
            let (letters, bytes) = self.members[at]
                .machine
                .mail
                .under_way(&key(peer as u8).public());
            self.most = (self.most.0.max(letters), self.most.1.max(bytes));
        }
        for output in outputs {
            self.outputs += 1;
            let planned = self.kill_at.filter(|(kill, _)| *kill == self.outputs);
            if planned.is_some() || self.chance(self.weather.kills) {
                // An entry may have reached the disk or not.
                let written = planned.map_or_else(|| self.chance(128), |(_, written)| written);
                if let Output::Journal(entry) = output
                    && written
                {
                    self.members[at].disk.push(entry);
                }
                return self.begin(at);
            }
            match output {
                Output::Journal(entry) => self.members[at].disk.push(entry),
                Output::Send { to, bytes } => self.send(at, to, bytes),
                Output::WakeAt(time) => self.members[at].wake = Some(time),
                Output::Report(told) => self.told.push((at, told)),
                Output::Ask((), ()) | Output::End(()) => panic!("it does not"),
            }
        }
    }

    fn send(&mut self, from: usize, to: PublicKey, bytes: Vec<u8>) {
        let to = (0..self.members.len()).find(|n| key(*n as u8).public() == to);
        let to = to.unwrap();
        self.sent += 1;
        // Pairs take turns in being cut off, seconds at a time.
        let era = self.now.0 / 5_000;
        let cut = self.weather.parts && (era + from as u64 + to as u64).is_multiple_of(3);
        let copies = 1 + u64::from(self.chance(self.weather.repeats));
        for _ in 0..copies {
            if cut || self.chance(self.weather.loses) {
                continue;
            }
            let delay = 1 + self.dice.below(self.weather.delay);
            self.counter += 1;
            let arrival = (self.now + delay, self.counter);
            self.under_way.insert(arrival, (to, from, bytes.clone()));
        }
    }

    /// Runs until nothing is left to do; false if that takes longer than `most` events.
    pub(crate) fn run(&mut self, most: usize) -> bool {
        for _ in 0..most {
            if self.under_way.is_empty() && self.members.iter().all(|m| m.machine.is_done()) {
                return true;
            }
            self.event();
        }
        false
    }

    /// The next thing that happens.
    pub(crate) fn event(&mut self) {
        let wakes = self.members.iter().enumerate();
        let wake = wakes.filter_map(|(at, m)| Some((m.wake?, at))).min();
        let packet = self.under_way.first_key_value().map(|(at, _)| *at);
        match (packet, wake) {
            (Some((time, _)), wake) if wake.is_none_or(|(wake, _)| time <= wake) => {
                self.now = self.now.max(time);
                let (to, from, bytes) = self.under_way.pop_first().unwrap().1;
                let from = key(from as u8).public();
                self.step(to, Input::Message { from, bytes });
            }
            (_, Some((time, at))) => {
                self.now = self.now.max(time);
                self.members[at].wake = None;
                self.step(at, Input::Wake);
            }
            _ => panic!("nobody waits for anything, and it is not over"),
        }
    }
}
