//! The keys of an order, recovered from nothing but the requester's own key and the ledger.
//!
//! A file's key lies in its ledger record, sealed to its owner. The order's secret is derived from
//! the requester's key and those file keys:
//!
//! ```text
//! secret = H("assay/order secret/v1", seed, file key 1, file key 2, ...)
//! ```
//!
//! File keys are fresh for every order that is posted, so no two orders share a secret, and a
//! requester that loses its disk but not its key file loses no order and no result.

use assay_crypto::{Digest, EncryptionSecret, Sealed, SecretKey, aead::FileKey};
use assay_ledger::{AccountId, FileId, FileRecord, Order, ReadError, Store, query};
use assay_proof::OrderKeys;
use assay_vault::envelope::{self, Purpose};

/// Why an order's keys could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The order is another account's.
    #[error("the order was posted by {0}: use that account's key")]
    NotOurs(AccountId),
    /// An input was not recorded by the requester.
    #[error("the ledger has no record of input {0:?} by the requester")]
    NoRecord(String),
    /// The record holds no key that opens.
    #[error("the key of input {name:?} does not open with this account's key")]
    Closed {
        /// Which input.
        name: String,
        /// Why.
        #[source]
        source: envelope::EnvelopeError,
    },
    /// The records could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They do not match the terms: the order was posted by another program.
    #[error("the recovered keys are not those the order commits to")]
    Mismatch,
}

/// The keys of an order about to be posted with freshly keyed inputs, in the terms' sequence.
pub fn derive(key: &SecretKey, inputs: Vec<FileKey>) -> OrderKeys {
    let seed = key.seed();
    let mut parts: Vec<&[u8]> = vec![&seed[..]];
    parts.extend(inputs.iter().map(|input| &input.0[..]));
    let secret = Digest::of("assay/order secret/v1", &parts);
    OrderKeys::new(inputs, secret.0)
}

/// Name of the file that holds a private input of the order with these keys.
pub fn private_name(commitment: Digest, input: &str) -> String {
    format!("{commitment}/{input}")
}

/// The key in the record of one of our own files.
///
/// # Errors
/// [`envelope::EnvelopeError`] when the record holds no key that opens with ours.
pub fn open_own(
    record: &FileRecord,
    secret: &EncryptionSecret,
) -> Result<FileKey, envelope::EnvelopeError> {
    let sealed = Sealed(record.key_envelope.as_bytes().to_vec());
    envelope::unwrap(&sealed, secret, record.id, Purpose::Owner)
}

/// The key of a file that the holder of `key` recorded, called by a name for people.
///
/// # Errors
/// [`KeysError`] when there is no record of it, or it does not open.
pub fn own_file(
    state: &dyn Store,
    key: &SecretKey,
    (name, file): (&str, FileId),
) -> Result<FileKey, KeysError> {
    let record = query::file(state, &file, &key.public())?;
    let record = record.ok_or_else(|| KeysError::NoRecord(name.to_owned()))?;
    open_own(&record, &key.encryption()).map_err(|source| KeysError::Closed {
        name: name.to_owned(),
        source,
    })
}

/// The keys of an order that the holder of `key` posted.
///
/// # Errors
/// [`KeysError`] says which part is missing.
pub fn recover(state: &dyn Store, key: &SecretKey, order: &Order) -> Result<OrderKeys, KeysError> {
    recover_by(|file, owner| query::file(state, file, owner), key, order)
}

/// [`recover`] where records of files are found elsewhere, such as by who audits an order whose files nobody keeps any more.
///
/// # Errors
/// [`KeysError`] says which part is missing.
pub fn recover_by(
    record: impl Fn(&FileId, &AccountId) -> Result<Option<FileRecord>, ReadError>,
    key: &SecretKey,
    order: &Order,
) -> Result<OrderKeys, KeysError> {
    if order.head.requester != key.public() {
        return Err(KeysError::NotOurs(order.head.requester));
    }
    let secret = key.encryption();
    let mut inputs = Vec::with_capacity(order.head.terms.inputs.len());
    for input in &order.head.terms.inputs {
        let name = || input.name.to_string();
        let record = record(&input.file, &order.head.requester)?;
        let record = record.ok_or_else(|| KeysError::NoRecord(name()))?;
        let opened = open_own(&record, &secret);
        inputs.push(opened.map_err(|source| KeysError::Closed {
            name: name(),
            source,
        })?);
    }
    let keys = derive(key, inputs);
    let terms = &order.head.terms;
    // Without inputs there are none to commit to; the terms have a name in their place.
    let named = terms.inputs.is_empty() || keys.commitment() == terms.keys;
    if named && keys.delivery_key() == terms.delivery_key {
        Ok(keys)
    } else {
        Err(KeysError::Mismatch)
    }
}
