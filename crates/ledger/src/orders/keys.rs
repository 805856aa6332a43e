//! Where orders, their runs, disputes and grants lie in the state, and the indexes of orders.

use assay_crypto::Digest;

use super::demand::{Class, Rank};
use crate::keys::{join, last_32};
use crate::{AccountId, Height, OrderId, Phase, Place, RunIndex};

pub(crate) fn head(order: &OrderId) -> Vec<u8> {
    join(b'o', &[&order.0.0])
}

pub(crate) fn heads() -> Vec<u8> {
    vec![b'o']
}

pub(crate) fn run(order: &OrderId, run: RunIndex) -> Vec<u8> {
    join(b'n', &[&order.0.0, &run.0.to_be_bytes()])
}

pub(crate) fn dispute(order: &OrderId, number: u16) -> Vec<u8> {
    join(b's', &[&order.0.0, &number.to_be_bytes()])
}

/// What came of a list of those who were asked.
pub(crate) fn list(order: &OrderId, number: u16) -> Vec<u8> {
    join(b'd', &[&order.0.0, &number.to_be_bytes()])
}

pub(crate) fn grant(at: &Place, from: &AccountId, to: &AccountId) -> Vec<u8> {
    let occasion = at.occasion.bytes();
    let run = at.run.0.to_be_bytes();
    join(b'k', &[&at.order.0.0, &run, &occasion, &from.0, &to.0])
}

pub(crate) fn grants(order: &OrderId, run: RunIndex) -> Vec<u8> {
    join(b'k', &[&order.0.0, &run.0.to_be_bytes()])
}

pub(crate) fn in_line(rank: Rank, since: Height, order: &OrderId) -> Vec<u8> {
    join(b'w', &[&[rank.byte()], &since.0.to_be_bytes(), &order.0.0])
}

pub(crate) fn line(rank: Rank) -> Vec<u8> {
    vec![b'w', rank.byte()]
}

pub(crate) fn lines() -> Vec<u8> {
    vec![b'w']
}

pub(crate) fn aside(rank: Rank, class: &Class, since: Height, order: &OrderId) -> Vec<u8> {
    let (class, since) = (class.bytes(), since.0.to_be_bytes());
    join(b'v', &[&[rank.byte()], &class, &since, &order.0.0])
}

pub(crate) fn all_aside(rank: Rank) -> Vec<u8> {
    vec![b'v', rank.byte()]
}

/// The class of an order that lies aside.
pub(crate) fn class_aside(key: &[u8]) -> Option<Class> {
    Class::from_bytes(key.get(2..)?)
}

/// Above the keys of all orders of a class that lie aside.
pub(crate) fn beyond_class(rank: Rank, class: &Class) -> Vec<u8> {
    join(b'v', &[&[rank.byte()], &class.bytes(), &[u8::MAX; 41]])
}

/// The trainer with a number, of an order with rounds.
pub(crate) fn trainer(order: &OrderId, number: u16) -> Vec<u8> {
    join(b'1', &[&order.0.0, &number.to_be_bytes()])
}

pub(crate) fn all_trainers(order: &OrderId) -> Vec<u8> {
    join(b'1', &[&order.0.0])
}

/// The number of an account that is, or was, a trainer of an order.
pub(crate) fn trains(order: &OrderId, account: &AccountId) -> Vec<u8> {
    join(b'2', &[&order.0.0, &account.0])
}

/// How far a contest has come.
pub(crate) fn contest(order: &OrderId) -> Vec<u8> {
    join(b'3', &[&order.0.0])
}

/// An account's claim in a contest.
pub(crate) fn claim(order: &OrderId, account: &AccountId) -> Vec<u8> {
    join(b'4', &[&order.0.0, &account.0])
}

pub(crate) fn all_claims(order: &OrderId) -> Vec<u8> {
    join(b'4', &[&order.0.0])
}

pub(crate) fn open_orders(requester: &AccountId) -> Vec<u8> {
    join(b'u', &[&requester.0])
}

pub(crate) fn judged(order: &OrderId) -> Vec<u8> {
    join(b'j', &[&order.0.0])
}

pub(crate) fn all_judged() -> Vec<u8> {
    vec![b'j']
}

pub(crate) fn in_phase(phase: Phase, posted: Height, order: &OrderId) -> Vec<u8> {
    join(b'x', &[&[phase.byte()], &latest_first(posted), &order.0.0])
}

pub(crate) fn all_in_phase(phase: Phase) -> Vec<u8> {
    vec![b'x', phase.byte()]
}

pub(crate) fn with_part(account: &AccountId, order: &OrderId) -> Vec<u8> {
    join(b'p', &[&account.0, &order.0.0])
}

pub(crate) fn all_with_part(account: &AccountId) -> Vec<u8> {
    join(b'p', &[&account.0])
}

pub(crate) fn posted_by(requester: &AccountId, posted: Height, order: &OrderId) -> Vec<u8> {
    join(b'q', &[&requester.0, &latest_first(posted), &order.0.0])
}

pub(crate) fn all_posted_by(requester: &AccountId) -> Vec<u8> {
    join(b'q', &[&requester.0])
}

pub(crate) fn updated(at: Height, order: &OrderId) -> Vec<u8> {
    join(b'y', &[&latest_first(at), &order.0.0])
}

/// A height in a key, so that higher ones come first.
fn latest_first(height: Height) -> [u8; 8] {
    (u64::MAX - height.0).to_be_bytes()
}

pub(crate) fn all_updated() -> Vec<u8> {
    vec![b'y']
}

/// The order named by the last 32 bytes of an index key.
pub(crate) fn order_of(key: &[u8]) -> Option<OrderId> {
    last_32(key).map(|bytes| OrderId(Digest(bytes)))
}
