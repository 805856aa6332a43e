//! Where records of files, and grants of them, lie in the state.

use assay_crypto::{Digest, PublicKey};

use crate::keys::{bytes_32, join};
use crate::{AccountId, FileId};

pub(crate) fn file(file: &FileId, owner: &AccountId) -> Vec<u8> {
    join(b'f', &[&file.0.0, &owner.0])
}

pub(crate) fn owners(file: &FileId) -> Vec<u8> {
    join(b'f', &[&file.0.0])
}

pub(crate) fn files() -> Vec<u8> {
    vec![b'f']
}

pub(crate) fn owned(owner: &AccountId, file: &FileId) -> Vec<u8> {
    join(b'l', &[&owner.0, &file.0.0])
}

pub(crate) fn all_owned(owner: &AccountId) -> Vec<u8> {
    join(b'l', &[&owner.0])
}

/// The file of an `l` key.
pub(crate) fn file_of_owned(key: &[u8]) -> Option<FileId> {
    bytes_32(key, 33).map(|bytes| FileId(Digest(bytes)))
}

/// Under what a recorded file is kept.
pub(crate) fn contract(file: &FileId, owner: &AccountId) -> Vec<u8> {
    join(b'i', &[&file.0.0, &owner.0])
}

pub(crate) fn contracts() -> Vec<u8> {
    vec![b'i']
}

/// By owner first, so that all grants of an owner's files lie together.
pub(crate) fn grant(file: &FileId, owner: &AccountId, grantee: &AccountId) -> Vec<u8> {
    join(b'g', &[&owner.0, &file.0.0, &grantee.0])
}

pub(crate) fn grants(file: &FileId, owner: &AccountId) -> Vec<u8> {
    join(b'g', &[&owner.0, &file.0.0])
}

pub(crate) fn all_grants(owner: &AccountId) -> Vec<u8> {
    join(b'g', &[&owner.0])
}

pub(crate) fn granted(grantee: &AccountId, file: &FileId, owner: &AccountId) -> Vec<u8> {
    join(b'h', &[&grantee.0, &file.0.0, &owner.0])
}

pub(crate) fn all_granted(grantee: &AccountId) -> Vec<u8> {
    join(b'h', &[&grantee.0])
}

/// File and owner of an `h` key.
pub(crate) fn file_of_granted(key: &[u8]) -> Option<(FileId, AccountId)> {
    let file = FileId(Digest(bytes_32(key, 33)?));
    Some((file, PublicKey(bytes_32(key, 65)?)))
}
