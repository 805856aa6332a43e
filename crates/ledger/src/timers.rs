//! What happens by itself, and from when on: one index for the whole ledger.
//!
//! A block begins with the timers that are due, oldest first and of each kind at most
//! [`Parameters::max_timers`](crate::Parameters::max_timers); the rest is carried over. So nobody
//! can make one block do unbounded work by letting much fall due in it, nor hold up deadlines with
//! timers of another, cheaper kind.

use assay_crypto::{Digest, PublicKey};
use borsh::BorshDeserialize;

use crate::keys::{bytes_32, join};
use crate::{AccountId, FileId, OrderId, Role, RunIndex};

const TAG: u8 = b't';
const BOND: u8 = 0;
const ORDER: u8 = 1;
const GRANT: u8 = 2;
const KEYS: u8 = 3;
const BLOCKS: u8 = 4;
const POSTED: u8 = 5;
const FILE: u8 = 6;

/// What tells that a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Ledger time, in milliseconds.
    Time,
    /// The height.
    Height,
}

/// What a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A bond comes free; the value under the key is how much.
    Bond(Role, AccountId),
    /// The time of an order's phase is over.
    Order(OrderId),
    /// The time of an order on which nobody works is over.
    Posted(OrderId),
    /// A phase whose time is over has had its least number of blocks.
    Blocks(OrderId),
    /// A grant of a file of an owner to a grantee expires.
    Grant(FileId, AccountId, AccountId),
    /// The time for which a file of an owner is kept is over.
    File(FileId, AccountId),
    /// The keys that parties of a run handed each other are forgotten.
    Keys(OrderId, RunIndex),
}

impl Timer {
    /// The key of this timer, due at the beginning of the first block that is at `due` by the clock of
    /// its kind.
    pub(crate) fn key(&self, due: u64) -> Vec<u8> {
        let due = due.to_be_bytes();
        match self {
            Timer::Bond(role, account) => join(TAG, &[&[BOND], &due, &[role.byte()], &account.0]),
            Timer::Order(order) => join(TAG, &[&[ORDER], &due, &order.0.0]),
            Timer::Posted(order) => join(TAG, &[&[POSTED], &due, &order.0.0]),
            Timer::Blocks(order) => join(TAG, &[&[BLOCKS], &due, &order.0.0]),
            Timer::Grant(file, owner, grantee) => {
                join(TAG, &[&[GRANT], &due, &file.0.0, &owner.0, &grantee.0])
            }
            Timer::File(file, owner) => join(TAG, &[&[FILE], &due, &file.0.0, &owner.0]),
            Timer::Keys(order, run) => {
                join(TAG, &[&[KEYS], &due, &order.0.0, &run.0.to_be_bytes()])
            }
        }
    }

    /// When it is due and what it is about.
    pub(crate) fn of(key: &[u8]) -> Option<(u64, Timer)> {
        let due = u64::from_be_bytes(key.get(2..)?.first_chunk().copied()?);
        let timer = match *key.get(1)? {
            BOND => Timer::Bond(
                Role::try_from_slice(key.get(10..11)?).ok()?,
                PublicKey(bytes_32(key, 11)?),
            ),
            ORDER => Timer::Order(OrderId(Digest(bytes_32(key, 10)?))),
            POSTED => Timer::Posted(OrderId(Digest(bytes_32(key, 10)?))),
            BLOCKS => Timer::Blocks(OrderId(Digest(bytes_32(key, 10)?))),
            GRANT => Timer::Grant(
                FileId(Digest(bytes_32(key, 10)?)),
                PublicKey(bytes_32(key, 42)?),
                PublicKey(bytes_32(key, 74)?),
            ),
            FILE => Timer::File(
                FileId(Digest(bytes_32(key, 10)?)),
                PublicKey(bytes_32(key, 42)?),
            ),
            KEYS => Timer::Keys(
                OrderId(Digest(bytes_32(key, 10)?)),
                RunIndex(u32::from_be_bytes(key.get(42..)?.first_chunk().copied()?)),
            ),
            _ => return None,
        };
        Some((due, timer))
    }
}

/// The timer under any key of the state, if it is one.
pub(crate) fn of_key(key: &[u8]) -> Option<(u64, Timer)> {
    (key.first() == Some(&TAG))
        .then(|| Timer::of(key))
        .flatten()
}

/// The timers of each kind with what tells that they are due, in the order in which a block looks at
/// the kinds; each ascending by when it is due. What spreads work over blocks counts blocks.
pub(crate) fn kinds() -> [(Vec<u8>, Clock); 7] {
    [
        (BOND, Clock::Time),
        (ORDER, Clock::Time),
        (BLOCKS, Clock::Height),
        (POSTED, Clock::Time),
        (GRANT, Clock::Time),
        (FILE, Clock::Time),
        (KEYS, Clock::Height),
    ]
    .map(|(kind, clock)| (vec![TAG, kind], clock))
}
