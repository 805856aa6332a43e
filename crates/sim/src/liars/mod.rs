//! Those who do not keep to the protocol, one file each.
//!
//! [`providers`], [`auditors`], [`requesters`] and [`judges`] break the rules of an order, [`trainers`] and
//! [`mergers`] those of an order with rounds, [`storage`] nodes those of the vault, and [`validators`] those of consensus. Such a validator runs the engine
//! that everybody runs, and between that engine and its links sits its [`Tongue`]: it sees all that
//! the engine wants to say and all that is said to it, and decides what is really said. So a liar
//! speaks on the channels that honest validators speak on, in messages that decode, and keeps up with
//! the chain.

pub mod auditors;
mod in_rounds;
pub mod judges;
mod kinds;
pub mod mergers;
pub mod parties;
pub mod providers;
pub mod requesters;
pub mod storage;
pub mod trainers;
pub mod validators;

use assay_chain::validator::Identity;
use commonware_runtime::IoBuf;

/// Kinds of traffic, each with a channel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Votes of each view.
    Votes,
    /// Complete certificates.
    Certificates,
    /// Questions for missed certificates, and answers.
    Resolver,
    /// Blocks, from whoever proposes them.
    Blocks,
    /// Questions for missed blocks, and answers.
    Backfill,
    /// Waiting transactions.
    Transactions,
    /// Shares of beacons.
    Beacons,
}

impl Channel {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Votes,
        Self::Certificates,
        Self::Resolver,
        Self::Blocks,
        Self::Backfill,
        Self::Transactions,
        Self::Beacons,
    ];
}

/// A message and whom it goes to.
#[derive(Clone, Debug)]
pub struct Said {
    /// On which channel.
    pub channel: Channel,
    /// To whom.
    pub to: Vec<Identity>,
    /// As encoded.
    pub bytes: IoBuf,
}

/// What a liar makes of what its engine says and hears.
pub trait Tongue: Send {
    /// What is said in place of `said`.
    fn say(&mut self, said: Said) -> Vec<Said>;

    /// What is said to a message of `from`, which the engine gets too.
    fn hear(&mut self, _from: &Identity, _channel: Channel, _bytes: &[u8]) -> Vec<Said> {
        Vec::new()
    }

    /// Whether [`Self::tick`] is to be asked, ten times a second.
    fn speaks_unasked(&self) -> bool {
        false
    }

    /// What is said now, unasked.
    fn tick(&mut self) -> Vec<Said> {
        Vec::new()
    }
}
