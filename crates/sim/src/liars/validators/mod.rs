//! Validators that lie.

mod equivocator;
mod garbage;
mod impersonator;
mod outdated;
mod silent;
mod twins;
mod withholder;

use std::fmt::{Display, Formatter, Result as Written};

use assay_chain::validator::{Identity, Member, PayloadDigest, Scheme};
use commonware_codec::DecodeExt as _;
use commonware_consensus::simplex::types::Vote as EngineVote;
use serde::{Deserialize, Serialize};

use super::Tongue;

pub(crate) use twins::sides;

/// A vote, as the engine reads and writes it.
pub(crate) type Vote = EngineVote<Scheme, PayloadDigest>;

/// In which way a validator lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiarKind {
    /// Proposes two blocks, each to one half, and votes for every block it hears of.
    Equivocator,
    /// Takes part in everything but sends no vote.
    VoteWithholder,
    /// Takes part in everything but sends no share of a beacon.
    BeaconWithholder,
    /// Sends votes and shares under others' names, others' under its own.
    Impersonator,
    /// Votes for blocks of old views, over and over.
    Outdated,
    /// Two validators with one key, each of which speaks with one half of the others.
    Twins,
    /// Sends bytes that are nothing, and messages with flipped bits, on every channel.
    Garbage,
    /// Hears everything and says nothing.
    Silent,
}

impl LiarKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equivocator,
        Self::VoteWithholder,
        Self::BeaconWithholder,
        Self::Impersonator,
        Self::Outdated,
        Self::Twins,
        Self::Garbage,
        Self::Silent,
    ];

    /// As scenario files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocator => "equivocator",
            Self::VoteWithholder => "vote-withholder",
            Self::BeaconWithholder => "beacon-withholder",
            Self::Impersonator => "impersonator",
            Self::Outdated => "outdated",
            Self::Twins => "twins",
            Self::Garbage => "garbage",
            Self::Silent => "silent",
        }
    }

    /// The tongue of `member`, one of `names`. Twins have none: both of them speak as they are.
    pub(crate) fn tongue(
        self,
        member: &Member,
        names: &[Identity],
        seed: u64,
    ) -> Option<Box<dyn Tongue>> {
        Some(match self {
            Self::Equivocator => Box::new(equivocator::Equivocator::new(member, names)),
            Self::VoteWithholder => Box::new(withholder::Withholder::of_votes()),
            Self::BeaconWithholder => Box::new(withholder::Withholder::of_beacons()),
            Self::Impersonator => Box::new(impersonator::Impersonator::new(member, names)),
            Self::Outdated => Box::new(outdated::Outdated::new(member)),
            Self::Garbage => Box::new(garbage::Garbage::new(member, names, seed)),
            Self::Silent => Box::new(silent::Silent),
            Self::Twins => return None,
        })
    }
}

impl Display for LiarKind {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        out.write_str(self.name())
    }
}

/// Reads a vote; `None` if it is none.
pub(crate) fn vote(bytes: &[u8]) -> Option<Vote> {
    Vote::decode(commonware_codec::Copying(bytes)).ok()
}
