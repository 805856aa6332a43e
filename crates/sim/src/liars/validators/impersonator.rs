//! Sends under others' names: its own signature with another's number, others' votes and shares as
//! if they came from it, and beacon shares that claim another signer.

use assay_chain::validator::{Identity, Member, decode_share, encode_share};
use commonware_codec::Encode as _;
use commonware_utils::Participant;

use super::{Vote, vote};
use crate::liars::{Channel, Said, Tongue};

pub(super) struct Impersonator {
    me: Identity,
    names: Vec<Identity>,
    /// Whose turn it is to be impersonated.
    next: usize,
    /// Messages heard, of which every few are passed on.
    heard: u64,
}

/// One in so many of what it hears is repeated.
const REPEATED: u64 = 5;

impl Impersonator {
    pub(super) fn new(member: &Member, names: &[Identity]) -> Self {
        Self {
            me: member.identity().clone(),
            names: names.to_vec(),
            next: 0,
            heard: 0,
        }
    }

    /// The number of somebody else.
    fn other(&mut self) -> Participant {
        loop {
            self.next = (self.next + 1) % self.names.len().max(1);
            if self.names.get(self.next) != Some(&self.me) || self.names.len() < 2 {
                return Participant::from_usize(self.next);
            }
        }
    }

    fn forged_vote(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut forged = vote(bytes)?;
        let signer = self.other();
        match &mut forged {
            Vote::Notarize(vote) => vote.attestation.signer = signer,
            Vote::Nullify(vote) => vote.attestation.signer = signer,
            Vote::Finalize(vote) => vote.attestation.signer = signer,
        }
        Some(forged.encode().to_vec())
    }

    fn forged_share(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (height, mut share) = decode_share(bytes)?;
        share.index = self.other();
        Some(encode_share(height, &share))
    }
}

impl Tongue for Impersonator {
    fn say(&mut self, said: Said) -> Vec<Said> {
        let forged = match said.channel {
            Channel::Votes => self.forged_vote(said.bytes.as_ref()),
            Channel::Beacons => self.forged_share(said.bytes.as_ref()),
            _ => None,
        };
        let forged = forged.map(|bytes| Said {
            bytes: bytes.into(),
            ..said.clone()
        });
        // The lie first: whoever believes it never gets to the truth.
        forged.into_iter().chain([said]).collect()
    }

    fn hear(&mut self, from: &Identity, channel: Channel, bytes: &[u8]) -> Vec<Said> {
        if !matches!(channel, Channel::Votes | Channel::Beacons) {
            return Vec::new();
        }
        self.heard += 1;
        if !self.heard.is_multiple_of(REPEATED) {
            return Vec::new();
        }
        let others = self
            .names
            .iter()
            .filter(|name| **name != self.me && *name != from);
        vec![Said {
            channel,
            to: others.cloned().collect(),
            bytes: bytes.to_vec().into(),
        }]
    }
}
