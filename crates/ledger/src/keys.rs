//! The layout of the state: one tag byte, then the parts of the key.
//!
//! ```text
//! c                                the chain: id, name, supply, validators, parameters
//! b                                height and time of the last block
//! m                                treasury and pot
//! a account(32)                    account
//! r role(1) account(32)            registration
//! u height(8, BE) role account     bond that comes free at that height
//! f file(32) owner(32)             file record
//! o order(32)                      order
//! d height(8, BE) order(32)        an order's deadline
//! w order(32)                      an order that waits for a draw
//! x order(32)                      an order that is not final
//! ```
//!
//! Heights are big-endian, so that the order of keys is the order of heights.

use assay_crypto::Digest;
use borsh::BorshDeserialize;

use crate::{AccountId, FileId, Height, OrderId, Role};

fn join(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn role_byte(role: Role) -> u8 {
    match role {
        Role::Validator => 0,
        Role::Provider => 1,
        Role::Auditor => 2,
        Role::Storage => 3,
    }
}

pub(crate) fn chain() -> Vec<u8> {
    vec![b'c']
}

pub(crate) fn block() -> Vec<u8> {
    vec![b'b']
}

pub(crate) fn pools() -> Vec<u8> {
    vec![b'm']
}

pub(crate) fn account(account: &AccountId) -> Vec<u8> {
    join(b'a', &[&account.0])
}

pub(crate) fn accounts() -> Vec<u8> {
    vec![b'a']
}

pub(crate) fn registration(role: Role, account: &AccountId) -> Vec<u8> {
    join(b'r', &[&[role_byte(role)], &account.0])
}

pub(crate) fn registrations(role: Role) -> Vec<u8> {
    vec![b'r', role_byte(role)]
}

pub(crate) fn unbonding(at: Height, role: Role, account: &AccountId) -> Vec<u8> {
    join(b'u', &[&at.0.to_be_bytes(), &[role_byte(role)], &account.0])
}

pub(crate) fn unbonding_at(at: Height) -> Vec<u8> {
    join(b'u', &[&at.0.to_be_bytes()])
}

pub(crate) fn all_unbonding() -> Vec<u8> {
    vec![b'u']
}

pub(crate) fn file(file: &FileId, owner: &AccountId) -> Vec<u8> {
    join(b'f', &[&file.0.0, &owner.0])
}

pub(crate) fn file_owners(file: &FileId) -> Vec<u8> {
    join(b'f', &[&file.0.0])
}

pub(crate) fn files() -> Vec<u8> {
    vec![b'f']
}

pub(crate) fn order(order: &OrderId) -> Vec<u8> {
    join(b'o', &[&order.0.0])
}

pub(crate) fn orders() -> Vec<u8> {
    vec![b'o']
}

pub(crate) fn deadline(at: Height, order: &OrderId) -> Vec<u8> {
    join(b'd', &[&at.0.to_be_bytes(), &order.0.0])
}

pub(crate) fn deadlines_at(at: Height) -> Vec<u8> {
    join(b'd', &[&at.0.to_be_bytes()])
}

pub(crate) fn waiting(order: &OrderId) -> Vec<u8> {
    join(b'w', &[&order.0.0])
}

pub(crate) fn all_waiting() -> Vec<u8> {
    vec![b'w']
}

pub(crate) fn active(order: &OrderId) -> Vec<u8> {
    join(b'x', &[&order.0.0])
}

pub(crate) fn all_active() -> Vec<u8> {
    vec![b'x']
}

/// The order named by the last 32 bytes of a `d`, `w` or `x` key.
pub(crate) fn order_of(key: &[u8]) -> Option<OrderId> {
    last_32(key).map(|bytes| OrderId(Digest(bytes)))
}

/// The account named by the last 32 bytes of an `a`, `r` or `u` key.
pub(crate) fn account_of(key: &[u8]) -> Option<AccountId> {
    last_32(key).map(assay_crypto::PublicKey)
}

/// The role of a `u` key.
pub(crate) fn role_of_unbonding(key: &[u8]) -> Option<Role> {
    Role::try_from_slice(key.get(9..10)?).ok()
}

fn last_32(key: &[u8]) -> Option<[u8; 32]> {
    key.last_chunk().copied()
}
