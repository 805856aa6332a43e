//! Proposes two blocks, each to one half of the others, and votes for every block it hears of.
//!
//! Both blocks are valid: they differ in their timestamp, so that everybody who is shown one of them
//! only has every reason to vote for it. When others propose, an equivocator votes for whatever
//! anybody votes for, twice, so that several of them help each other.

use std::collections::{BTreeSet, VecDeque};

use assay_chain::Block;
use assay_chain::validator::{Identity, Member, Payload, PayloadDigest, Scheme};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::Viewable as _;
use commonware_consensus::simplex::types::{Finalize, Notarize, Proposal};
use commonware_consensus::types::View;
use commonware_cryptography::Digestible as _;

use super::{Vote, vote};
use crate::liars::{Channel, Said, Tongue};

/// Views that are remembered.
const KEPT: usize = 64;

pub(super) struct Equivocator {
    scheme: Scheme,
    me: Identity,
    others: Vec<Identity>,
    halves: [Vec<Identity>; 2],
    /// Each block that it proposed in earnest, with the second one.
    pairs: VecDeque<(PayloadDigest, PayloadDigest)>,
    /// Votes for its own block, until it is known what the second one is.
    held: Vec<Notarize<Scheme, PayloadDigest>>,
    /// Its number, and how many there are.
    number: (u64, u64),
    /// What was already seconded, by view and stage.
    voted: BTreeSet<(View, u8, PayloadDigest)>,
}

impl Equivocator {
    pub(super) fn new(member: &Member, names: &[Identity]) -> Self {
        let me = member.identity().clone();
        let number = names.iter().position(|name| *name == me).unwrap_or(0);
        let others: Vec<_> = names.iter().filter(|name| **name != me).cloned().collect();
        let (first, second) = others.split_at(others.len() / 2);
        Self {
            scheme: member.scheme().clone(),
            halves: [first.to_vec(), second.to_vec()],
            me,
            others,
            pairs: VecDeque::new(),
            held: Vec::new(),
            number: (number as u64, names.len() as u64),
            voted: BTreeSet::new(),
        }
    }

    /// One message to each half.
    fn both(&self, channel: Channel, messages: [Vec<u8>; 2]) -> Vec<Said> {
        let each = self.halves.iter().zip(messages);
        each.map(|(half, bytes)| Said {
            channel,
            to: half.clone(),
            bytes: bytes.into(),
        })
        .collect()
    }

    /// Whether it is its turn to propose; leaders take turns.
    fn leads(&self, view: View) -> bool {
        let (number, count) = self.number;
        view.get() % count == number
    }

    /// For each half a vote for the block that it is shown. Held back while the second block is not
    /// made, which is when the first one is sent.
    fn two_votes(&mut self, vote: Notarize<Scheme, PayloadDigest>) -> Vec<Said> {
        let of_mine = |(mine, _): &&(_, _)| *mine == vote.proposal.payload;
        let Some((_, payload)) = self.pairs.iter().find(of_mine) else {
            self.held = vec![vote];
            return Vec::new();
        };
        let proposal = Proposal {
            payload: *payload,
            ..vote.proposal.clone()
        };
        let first = Vote::Notarize(vote).encode().to_vec();
        match Notarize::sign(&self.scheme, proposal) {
            Some(second) => {
                let second = Vote::Notarize(second).encode().to_vec();
                self.both(Channel::Votes, [first, second])
            }
            None => Vec::new(),
        }
    }

    /// The block that is shown to the second half, if `bytes` is one of its own making.
    fn second_block(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let Payload(block) = Payload::decode(Copying(bytes)).ok()?;
        if !self.leads(View::new(block.header.view)) {
            return None;
        }
        let first = Payload(block.clone()).digest();
        let mut header = block.header;
        header.timestamp_ms += 1;
        let second = Payload(Block { header, ..block });
        self.pairs.push_back((first, second.digest()));
        if self.pairs.len() > KEPT {
            self.pairs.pop_front();
        }
        Some(second.encode().to_vec())
    }

    /// The vote that `heard` is, in its own name; once for each block and stage.
    fn second(&mut self, heard: Vote) -> Option<Vote> {
        let (stage, proposal) = match &heard {
            Vote::Notarize(heard) => (0, heard.proposal.clone()),
            Vote::Finalize(heard) => (1, heard.proposal.clone()),
            Vote::Nullify(_) => return None,
        };
        let view = proposal.round.view();
        if !self.voted.insert((view, stage, proposal.payload)) {
            return None;
        }
        while self.voted.len() > 4 * KEPT {
            self.voted.pop_first();
        }
        match stage {
            0 => Notarize::sign(&self.scheme, proposal).map(Vote::Notarize),
            _ => Finalize::sign(&self.scheme, proposal).map(Vote::Finalize),
        }
    }
}

impl Tongue for Equivocator {
    fn say(&mut self, said: Said) -> Vec<Said> {
        let bytes = said.bytes.as_ref();
        match said.channel {
            Channel::Blocks => {
                let Some(second) = self.second_block(bytes) else {
                    return vec![said];
                };
                let mut all = self.both(Channel::Blocks, [bytes.to_vec(), second]);
                for vote in std::mem::take(&mut self.held) {
                    all.extend(self.two_votes(vote));
                }
                all
            }
            Channel::Votes => match vote(bytes) {
                Some(Vote::Notarize(vote)) if self.leads(vote.view()) => self.two_votes(vote),
                _ => vec![said],
            },
            _ => vec![said],
        }
    }

    fn hear(&mut self, from: &Identity, channel: Channel, bytes: &[u8]) -> Vec<Said> {
        if channel != Channel::Votes || *from == self.me {
            return Vec::new();
        }
        let Some(vote) = vote(bytes).and_then(|heard| self.second(heard)) else {
            return Vec::new();
        };
        // To whoever sees that block too; the others are told of their own.
        let half = self.halves.iter().find(|half| half.contains(from));
        vec![Said {
            channel,
            to: half.unwrap_or(&self.others).clone(),
            bytes: vote.encode().into(),
        }]
    }
}
