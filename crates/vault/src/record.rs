//! Between the ledger's file record and what the vault's machines need of it.

use assay_crypto::{EncryptionSecret, SealError, Sealed, aead::FileKey};
use assay_ledger::{
    AccountId, BoundedBytes, BoundedString, BoundedVec, FileGrant, FileRecord, OutOfBounds,
};

use crate::envelope::{self, EnvelopeError, Purpose};
use crate::placement::{Coding, Placement};
use crate::seal::SealedFile;
use crate::storage::Record;
use crate::unseal::Expected;

/// How people find a file: public, on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// A name, at most 128 bytes.
    pub name: String,
    /// A media type, at most 64 bytes.
    pub media_type: String,
}

/// A file cannot be described on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file's {field} does not fit its ledger record")]
pub struct RecordError {
    /// Which part.
    pub field: &'static str,
    /// Why.
    #[source]
    pub source: OutOfBounds,
}

impl SealedFile {
    /// The record to put on the ledger once [`Ask::Record`](crate::upload::Ask::Record)
    /// names the nodes. `envelope` is the file key for `owner`, wrapped for [`Purpose::Owner`], or
    /// `None` when the owner derives its keys.
    ///
    /// # Errors
    /// [`RecordError`] when a part is longer than the ledger allows.
    pub fn record(
        &self,
        owner: AccountId,
        label: &Label,
        placement: &[AccountId],
        envelope: Option<&Sealed>,
    ) -> Result<FileRecord, RecordError> {
        let named = |field| move |source| RecordError { field, source };
        let expected = self.expected();
        let envelope = envelope.map(|e| e.0.as_slice()).unwrap_or_default();
        Ok(FileRecord {
            id: expected.id,
            owner,
            name: BoundedString::new(label.name.as_str()).map_err(named("name"))?,
            length_class: expected.length_class,
            slices: expected.slices,
            root: expected.root,
            placement: BoundedVec::new(placement).map_err(named("placement"))?,
            media_type: BoundedString::new(label.media_type.as_str())
                .map_err(named("media type"))?,
            key_envelope: BoundedBytes::new(envelope).map_err(named("key envelope"))?,
        })
    }
}

impl From<&FileRecord> for Expected {
    fn from(record: &FileRecord) -> Self {
        Self {
            id: record.id,
            root: record.root,
            slices: record.slices,
            length_class: record.length_class,
        }
    }
}

impl From<&FileRecord> for Placement {
    fn from(record: &FileRecord) -> Self {
        // A record holds at most 16 nodes.
        let copies = u8::try_from(record.placement.len()).unwrap_or(u8::MAX);
        Self {
            coding: Coding::Replicated { copies },
            nodes: record.placement.to_vec(),
        }
    }
}

impl From<&FileRecord> for Record {
    fn from(record: &FileRecord) -> Self {
        Self {
            file: record.id,
            root: record.root,
            owner: record.owner,
        }
    }
}

/// A file's key, sealed to an account that its owner lets use it: what
/// [`FileCall::ApproveGrant`](assay_ledger::FileCall) hands over. `random` must be fresh.
///
/// # Errors
/// [`SealError`] when the key that was asked with is no usable one.
pub fn seal_for_grantee(
    key: &FileKey,
    grant: &FileGrant,
    random: [u8; 32],
) -> Result<Sealed, SealError> {
    let to = &grant.encryption_key;
    envelope::wrap(key, to, grant.file, purpose(grant), random)
}

/// The key of another's file, from an approved grant of it.
///
/// # Errors
/// [`EnvelopeError`] when the grant is another's, or its owner sealed something else.
pub fn granted_key(grant: &FileGrant, secret: &EncryptionSecret) -> Result<FileKey, EnvelopeError> {
    let envelope = Sealed(grant.sealed.as_bytes().to_vec());
    envelope::unwrap(&envelope, secret, grant.file, purpose(grant))
}

fn purpose(grant: &FileGrant) -> Purpose {
    Purpose::Grant {
        owner: grant.owner,
        grantee: grant.grantee,
    }
}

/// The owner's key from its own record.
///
/// # Errors
/// [`EnvelopeError`] when the record is another's, or has no envelope.
pub fn owner_key(record: &FileRecord, secret: &EncryptionSecret) -> Result<FileKey, EnvelopeError> {
    let envelope = Sealed(record.key_envelope.as_bytes().to_vec());
    envelope::unwrap(&envelope, secret, record.id, Purpose::Owner)
}

#[cfg(test)]
mod tests {
    use assay_crypto::SecretKey;

    use super::*;
    use crate::Sealer;

    fn sealed() -> SealedFile {
        let coding = Coding::Replicated { copies: 1 };
        let mut sealer = Sealer::new(b"rows".as_slice(), FileKey([5; 32]), coding);
        sealer.finish().unwrap()
    }

    fn label() -> Label {
        Label {
            name: "rows.csv".to_owned(),
            media_type: "text/csv".to_owned(),
        }
    }

    #[test]
    fn a_record_says_what_its_readers_need() {
        let owner = SecretKey::from_seed([1; 32]);
        let nodes = [2, 3].map(|n| SecretKey::from_seed([n; 32]).public());
        let file = sealed();
        let to = owner.encryption().public();
        let key = FileKey([5; 32]);
        let envelope = envelope::wrap(&key, &to, file.id, Purpose::Owner, [9; 32]).unwrap();
        let record = file
            .record(owner.public(), &label(), &nodes, Some(&envelope))
            .unwrap();

        assert_eq!(Expected::from(&record), file.expected());
        assert_eq!(Placement::from(&record).holders(0), nodes);
        assert_eq!(Record::from(&record).root, file.manifest.root());
        assert_eq!(owner_key(&record, &owner.encryption()), Ok(key));
        let stranger = SecretKey::from_seed([4; 32]).encryption();
        assert_eq!(owner_key(&record, &stranger), Err(EnvelopeError::Closed));
        let bare = file.record(owner.public(), &label(), &nodes, None).unwrap();
        assert_eq!(
            owner_key(&bare, &owner.encryption()),
            Err(EnvelopeError::Closed)
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let owner = SecretKey::from_seed([1; 32]).public();
        let long = Label {
            name: "x".repeat(129),
            ..label()
        };
        let error = sealed().record(owner, &long, &[owner], None).unwrap_err();
        assert_eq!(error.field, "name");
        let many = vec![owner; 17];
        let error = sealed().record(owner, &label(), &many, None).unwrap_err();
        assert_eq!(error.field, "placement");
    }
}
