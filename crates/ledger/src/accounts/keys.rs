//! Where accounts and registrations lie in the state.

use assay_crypto::PublicKey;

use crate::keys::{join, last_32};
use crate::{AccountId, Role};

pub(crate) fn account(account: &AccountId) -> Vec<u8> {
    join(b'a', &[&account.0])
}

pub(crate) fn accounts() -> Vec<u8> {
    vec![b'a']
}

pub(crate) fn registration(role: Role, account: &AccountId) -> Vec<u8> {
    join(b'r', &[&[role.byte()], &account.0])
}

pub(crate) fn all_registrations() -> Vec<u8> {
    vec![b'r']
}

pub(crate) fn registrations(role: Role) -> Vec<u8> {
    vec![b'r', role.byte()]
}

pub(crate) fn owner(node: &AccountId) -> Vec<u8> {
    join(b'e', &[&node.0])
}

/// The account named by the last 32 bytes of an `a` or `r` key.
pub(crate) fn account_of(key: &[u8]) -> Option<AccountId> {
    last_32(key).map(PublicKey)
}
