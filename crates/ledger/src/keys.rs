//! The layout of the state: one tag byte, then the parts of the key.
//!
//! Each subject names its own keys; together they are:
//!
//! ```text
//! c                                    the chain: id, name, supply, validators, parameters
//! b                                    height, stamp and ledger time of the last block
//! m                                    treasury, pot, and how much other money there is of each sort
//! t kind(1) due(8) ...                 a timer: what happens by itself, and from when on
//!
//! a account(32)                        account                              accounts/keys.rs
//! r role(1) account(32)                registration
//! e node(32)                           owner of a node that consented to have one
//!
//! f file(32) owner(32)                 file record                          files/keys.rs
//! i file(32) owner(32)                 contract under which a file is kept
//! l owner(32) file(32)                 index: the files of an owner
//! g file(32) owner(32) grantee(32)     grant of a file
//! h grantee(32) file(32) owner(32)     index: the grants to an account
//!
//! o order(32)                          head of an order                     orders/keys.rs
//! n order(32) run(4)                   a run
//! s order(32) dispute(2)               a dispute
//! d order(32) list(2)                  what came of a list of those who were asked
//! k order(32) run(4) occasion(3) from(32) to(32)   keys that one party granted another
//! w rank(1) since(8) order(32)         index: orders in line for a draw, with the class of each
//! v rank(1) class(16) since(8) order(32)   index: orders that found nobody, by what they ask
//! u requester(32)                      how many orders of an account are open
//! j order(32)                          index: orders that the validators judge
//! x phase(1) posted(8) order(32)       index: orders by phase
//! p account(32) order(32)              index: orders under way by who takes part
//! q requester(32) posted(8) order(32)  index: orders by who posted them
//! y updated(8) order(32)               index: orders by their last change
//! 1 order(32) number(2)                a trainer of an order with rounds
//! 2 order(32) account(32)              the number of a trainer
//! 3 order(32)                          how far a contest has come
//! 4 order(32) account(32)              a claim in a contest
//! z                                    passes over the orders that found nobody        sweep.rs
//! ```
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers; `posted` and
//! `updated` are subtracted from the largest number, so that the latest comes first.

/// A key from its tag and its parts.
pub(crate) fn join(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
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

/// The 32 bytes with which a key ends.
pub(crate) fn last_32(key: &[u8]) -> Option<[u8; 32]> {
    key.last_chunk().copied()
}

/// The 32 bytes of a key that begin at `from`.
pub(crate) fn bytes_32(key: &[u8], from: usize) -> Option<[u8; 32]> {
    key.get(from..)?.first_chunk().copied()
}
