//! File keys on their way to an account.

use assay_crypto::{EncryptionKey, EncryptionSecret, SealError, Sealed, aead::FileKey};
use assay_ledger::{AccountId, FileId};
use borsh::{BorshSerialize, to_vec};

/// What a wrapped key may be used for; an envelope opens only for the purpose it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub enum Purpose {
    /// The owner's own copy, in the file's ledger record.
    Owner,
    /// The copy of an account that the owner lets use the file, in the ledger's grant.
    Grant {
        /// Who owns the file.
        owner: AccountId,
        /// Who may use it.
        grantee: AccountId,
    },
}

/// An envelope did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Sealed to another key, or for another file or purpose, or altered.
    #[error("this envelope is not for this key, file and purpose")]
    Closed,
    /// It opened, but holds no file key.
    #[error("the envelope holds {0} bytes, not a file key of 32")]
    NotAKey(usize),
}

/// Seals `key` to the holder of `to`. `random` must be fresh for every envelope.
///
/// # Errors
/// [`SealError`] when `to` is no usable key.
pub fn wrap(
    key: &FileKey,
    to: &EncryptionKey,
    file: FileId,
    purpose: Purpose,
    random: [u8; 32],
) -> Result<Sealed, SealError> {
    assay_crypto::seal(to, &info(file, purpose), &key.0, random)
}

/// Opens an envelope made by [`wrap`] for the same file and purpose.
///
/// # Errors
/// [`EnvelopeError`] when it is for another key, file or purpose, or holds no key.
pub fn unwrap(
    envelope: &Sealed,
    secret: &EncryptionSecret,
    file: FileId,
    purpose: Purpose,
) -> Result<FileKey, EnvelopeError> {
    let bytes = assay_crypto::open(secret, &info(file, purpose), envelope)
        .map_err(|_| EnvelopeError::Closed)?;
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| EnvelopeError::NotAKey(bytes.len()))?;
    Ok(FileKey(key))
}

fn info(file: FileId, purpose: Purpose) -> Vec<u8> {
    // Writing fixed-size values to memory does not fail.
    to_vec(&("assay/vault/envelope/v1", file, purpose)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use assay_crypto::{Digest, SecretKey};

    use super::*;

    fn secret(n: u8) -> EncryptionSecret {
        SecretKey::from_seed([n; 32]).encryption()
    }

    #[test]
    fn opens_only_for_its_key_file_and_purpose() {
        let file = FileId(Digest([7; 32]));
        let account = |n| SecretKey::from_seed([n; 32]).public();
        let grant = |owner, grantee| Purpose::Grant {
            owner: account(owner),
            grantee: account(grantee),
        };
        let key = FileKey([9; 32]);
        let envelope = wrap(&key, &secret(1).public(), file, grant(2, 1), [3; 32]).unwrap();
        let opened = unwrap(&envelope, &secret(1), file, grant(2, 1)).unwrap();
        assert_eq!(opened, key);

        let other_file = FileId(Digest([8; 32]));
        for (holder, file, purpose) in [
            (2, file, grant(2, 1)),
            (1, other_file, grant(2, 1)),
            (1, file, grant(3, 1)),
            (1, file, grant(2, 3)),
            (1, file, Purpose::Owner),
        ] {
            let refused = unwrap(&envelope, &secret(holder), file, purpose);
            assert_eq!(refused.err(), Some(EnvelopeError::Closed));
        }
    }

    #[test]
    fn a_sealed_non_key_is_named() {
        let file = FileId(Digest([7; 32]));
        let envelope = assay_crypto::seal(
            &secret(1).public(),
            &info(file, Purpose::Owner),
            b"short",
            [3; 32],
        )
        .unwrap();
        let refused = unwrap(&envelope, &secret(1), file, Purpose::Owner);
        assert_eq!(refused.err(), Some(EnvelopeError::NotAKey(5)));
    }
}
