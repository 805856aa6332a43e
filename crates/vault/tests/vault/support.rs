//! Accounts, keys and bytes that follow from numbers.

use std::io::Cursor;

use assay_crypto::{Digest, SecretKey, aead::FileKey, stream::Stream};
use assay_ledger::AccountId;
use assay_vault::{Coding, Expected, Piece, Sealer, UnsealError};

pub(crate) fn account(n: u8) -> AccountId {
    SecretKey::from_seed([n; 32]).public()
}

pub(crate) fn key(n: u8) -> FileKey {
    FileKey([n; 32])
}

/// `length` bytes that nothing compresses or confuses, the same for equal arguments.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Stream::new(Digest([seed; 32]), "test bytes", 0).fill(&mut bytes);
    bytes
}

pub(crate) const COPIES: Coding = Coding::Replicated { copies: 2 };

pub(crate) fn sealer(plain: &[u8], key: FileKey) -> Sealer<Cursor<Vec<u8>>> {
    Sealer::new(Cursor::new(plain.to_vec()), key, COPIES)
}

/// Opens a file whose pieces are at hand.
pub(crate) fn open(
    expected: &Expected,
    key: FileKey,
    manifest: &Piece,
    slices: Vec<Piece>,
) -> Result<Vec<u8>, UnsealError> {
    let mut bytes = Vec::new();
    assay_vault::unseal(expected, key, manifest, slices, &mut bytes)?;
    Ok(bytes)
}
