//! A machine that only writes letters: so many to each peer, and an answer to every third one.

use std::collections::BTreeMap;

use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_machine::mailbox::{Acted, Condition, Limits, PostError, Refused, Step};
use assay_machine::{Context, Input, Machine, Mailbox, Millis, Output, Protocol};

pub(crate) const SUBJECT: Digest = Digest([9; 32]);

pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n + 1; 32])
}

pub(crate) enum Gossip {}

impl Protocol for Gossip {
    type View = ();
    type Tag = ();
    type Ask = ();
    type Answer = ();
    type Report = Told;
    type End = ();
}

#[derive(Debug)]
pub(crate) enum Told {
    Refused,
    Condition(Condition),
}

pub(crate) struct Gossiper {
    pub(crate) mail: Mailbox,
    peers: Vec<PublicKey>,
    /// Letters to each peer besides answers.
    plan: u64,
    /// By peer: what was posted, and what was delivered.
    pub(crate) posted: BTreeMap<PublicKey, Vec<Vec<u8>>>,
    pub(crate) delivered: BTreeMap<PublicKey, Vec<Vec<u8>>>,
    /// Answers that did not fit yet, in order.
    owed: Vec<(PublicKey, Vec<u8>)>,
    pub(crate) bad_journal: bool,
}

impl Gossiper {
    pub(crate) fn new(me: u8, all: u8, plan: u64, limits: Limits) -> Self {
        let peers: Vec<_> = (0..all).filter(|n| *n != me).collect();
        let peers: Vec<_> = peers.into_iter().map(|n| key(n).public()).collect();
        Self {
            mail: Mailbox::new(key(me), SUBJECT, peers.clone(), limits),
            peers,
            plan,
            posted: BTreeMap::new(),
            delivered: BTreeMap::new(),
            owed: Vec::new(),
            bad_journal: false,
        }
    }

    /// Own letters to `peer` that were posted; answers begin with another byte.
    fn own(&self, peer: &PublicKey) -> u64 {
        let posted = self.posted.get(peer).into_iter().flatten();
        posted.filter(|letter| letter[0] == b'o').count() as u64
    }

    fn letter(n: u64) -> Vec<u8> {
        let mut letter = vec![b'o'];
        letter.extend(n.to_le_bytes());
        letter.resize(9 + (n * 7 % 50) as usize, n as u8);
        letter
    }

    /// What a step did to the state, in this life or an earlier one.
    fn take(&mut self, step: &Step) {
        if let Acted::Letter { from, bytes } = &step.acted {
            let delivered = self.delivered.entry(*from).or_default();
            delivered.push(bytes.clone());
            if delivered.len().is_multiple_of(3) && bytes[0] == b'o' {
                let answer = [&b"answer to "[..], &bytes[..9]].concat();
                self.owed.push((*from, answer));
            }
        }
        for (to, letter) in &step.posts {
            self.posted.entry(*to).or_default().push(letter.clone());
            if letter[0] == b'a' {
                let at = self
                    .owed
                    .iter()
                    .position(|owed| owed == &(*to, letter.clone()));
                self.owed.remove(at.unwrap());
            }
        }
    }

    /// Posts what there is room for.
    fn post(&mut self) -> Vec<(PublicKey, Vec<u8>)> {
        let mut posts = self.owed.clone();
        for peer in &self.peers {
            let next = (self.own(peer)..self.plan).map(|n| (*peer, Self::letter(n)));
            posts.extend(next.take(5));
        }
        let mut full = Vec::new();
        posts.retain(|(to, letter)| {
            if full.contains(to) {
                return false;
            }
            match self.mail.post(*to, letter.clone()) {
                Ok(()) => true,
                Err(PostError::Full { .. }) => {
                    full.push(*to);
                    false
                }
                Err(error) => panic!("{error}"),
            }
        });
        posts
    }

    fn go_on(&mut self, now: Millis, acted: Acted) -> Vec<Output<Gossip>> {
        let mut step = Step {
            acted,
            ..Step::default()
        };
        self.take(&step);
        let posts = self.post();
        step = Step::default();
        step.posts = posts;
        self.take(&step);
        self.commit(now)
    }

    fn commit(&mut self, now: Millis) -> Vec<Output<Gossip>> {
        let mut outputs = self.mail.commit(now);
        outputs.extend(self.mail.due().map(Output::WakeAt));
        outputs
    }

    pub(crate) fn is_done(&self) -> bool {
        let mut peers = self.peers.iter();
        self.owed.is_empty()
            && peers.all(|peer| self.own(peer) == self.plan && self.mail.under_way(peer) == (0, 0))
    }
}

impl Machine for Gossiper {
    type Protocol = Gossip;

    fn step(&mut self, at: &Context<'_, Gossip>, input: Input<Gossip>) -> Vec<Output<Gossip>> {
        match input {
            Input::Seed(seed) => self.mail.seeded(seed),
            Input::Journal(entry) => match self.mail.recover(&entry) {
                Ok(Some(step)) => self.take(&step),
                Ok(None) => {}
                Err(_) => self.bad_journal = true,
            },
            Input::News => return self.go_on(at.now, Acted::default()),
            Input::Wake => {
                let told = self.mail.wake(at.now);
                let mut outputs = self.go_on(at.now, Acted::default());
                let told = told.into_iter().map(Told::Condition);
                outputs.extend(told.map(Output::Report));
                return outputs;
            }
            Input::Message { from, bytes } => {
                return match self.mail.receive(at.now, from, &bytes) {
                    Ok(received) => {
                        let letter = received.letter.map(|bytes| Acted::Letter { from, bytes });
                        self.go_on(at.now, letter.unwrap_or_default())
                    }
                    Err(refused) => {
                        // Nobody lies here.
                        let honest =
                            matches!(refused, Refused::Replayed { .. } | Refused::Early { .. });
                        assert!(honest, "{refused}");
                        let mut outputs = self.commit(at.now);
                        outputs.push(Output::Report(Told::Refused));
                        outputs
                    }
                };
            }
            Input::Answer((), ()) => {}
        }
        Vec::new()
    }
}
