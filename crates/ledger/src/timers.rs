//! What happens by itself, and from when on: one index for the whole ledger.
//!
//! A block begins with the timers that are due, oldest first and at most
//! [`Parameters::max_timers`](crate::Parameters::max_timers) of them; the rest is carried over. So
//! nobody can make one block do unbounded work by letting much fall due in it.

use assay_crypto::{Digest, PublicKey};
use borsh::BorshDeserialize;

use crate::keys::{bytes_32, join};
use crate::{AccountId, FileId, Height, OrderId, Role};

const TAG: u8 = b't';

/// What a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A bond comes free; the value under the key is how much.
    Bond(Role, AccountId),
    /// A phase of an order ends.
    Order(OrderId),
    /// A grant of a file of an owner to a grantee expires.
    Grant(FileId, AccountId, AccountId),
}

impl Timer {
    /// The key of this timer, due at the beginning of block `due`.
    pub(crate) fn key(&self, due: Height) -> Vec<u8> {
        let due = due.0.to_be_bytes();
        match self {
            Timer::Bond(role, account) => join(TAG, &[&due, &[0, role.byte()], &account.0]),
            Timer::Order(order) => join(TAG, &[&due, &[1], &order.0.0]),
            Timer::Grant(file, owner, grantee) => {
                join(TAG, &[&due, &[2], &file.0.0, &owner.0, &grantee.0])
            }
        }
    }

    /// When it is due and what it is about.
    pub(crate) fn of(key: &[u8]) -> Option<(Height, Timer)> {
        let due = u64::from_be_bytes(key.get(1..)?.first_chunk().copied()?);
        let timer = match key.get(9)? {
            0 => Timer::Bond(
                Role::try_from_slice(key.get(10..11)?).ok()?,
                PublicKey(bytes_32(key, 11)?),
            ),
            1 => Timer::Order(OrderId(Digest(bytes_32(key, 10)?))),
            2 => Timer::Grant(
                FileId(Digest(bytes_32(key, 10)?)),
                PublicKey(bytes_32(key, 42)?),
                PublicKey(bytes_32(key, 74)?),
            ),
            _ => return None,
        };
        Some((Height(due), timer))
    }
}

/// Every timer, ascending by when it is due.
pub(crate) fn all() -> Vec<u8> {
    vec![TAG]
}
