//! Storing a file.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use assay_crypto::{Digest, EncryptionKey, PublicKey, aead::FileKey};
use assay_ledger::{FileCall, FileRecord};
use assay_vault::{
    Coding, Label, RecordError, SLICE_BYTES, SealError, SealedFile, Sealer, TAG_BYTES,
    envelope::{self, Purpose},
    placement::Candidate,
    upload::{Answer, Ask, Need, NodeFailed, Storing, Upload, UploadConfig, UploadError},
    wire::Request,
};
use tracing::debug;

use super::{Kept, agree::agreements, ask, fresh_seed, source::Source};
use crate::{
    drive::{self, DriveError, Memory, Nothing, Perform},
    transport::Transport,
};

/// What the ledger is to say about a file, apart from what follows from its bytes.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Who records it.
    pub owner: PublicKey,
    /// A name for people, at most 128 bytes.
    pub name: String,
    /// What it is, as a media type, at most 64 bytes.
    pub media_type: String,
    /// Plaintext length in bytes, to find nodes with room.
    pub length: u64,
    /// The content digest that it must turn out to have, where that was told to somebody before.
    pub content: Option<Digest>,
    /// Its key: fresh, or used for exactly these bytes before.
    pub key: FileKey,
    /// How its slices become pieces; part of what its name says.
    pub coding: Coding,
    /// To whom the key is sealed in the record; nobody, if the owner can derive the key.
    pub envelope_to: Option<EncryptionKey>,
    /// Until when it is recorded, and what that may cost.
    pub kept: Kept,
}

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The machine gave up.
    #[error("the file was not stored")]
    Upload(#[from] UploadError),
    /// What was read has another content than it had before.
    #[error("what is stored changed since it was looked at; begin again when nothing writes to it")]
    OtherContent,
    /// A name or type does not fit the ledger's record.
    #[error("the file cannot be described on the ledger")]
    Record(#[from] RecordError),
    /// The owner's encryption key is none.
    #[error("the file's key could not be sealed to its owner")]
    Envelope(#[source] assay_crypto::SealError),
    /// There is no randomness to choose nodes and seal keys with.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// It could not be driven to its end; without its journal it could seal two texts with one
    /// nonce.
    #[error("the upload was broken off")]
    Drive(#[from] DriveError),
}

/// A file that is stored and recorded.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its record.
    pub record: FileRecord,
    /// Bytes sent to storage nodes in this life of the upload.
    pub sent: u64,
}

/// Encrypts `source` and brings `config.copies` copies of it to nodes among `candidates`; then
/// hands the record, and the call with what the nodes signed, to `record`, which brings it to the
/// ledger (again: success) or says why not.
///
/// Memory stays within a few slices whatever the file. A storage node that fails is replaced. With
/// a `memory` the upload goes on where an earlier life of it was: what nodes have is not sent
/// again. Without one, nothing is recorded if this future is dropped, and the nodes collect what
/// they got.
///
/// # Errors
/// [`StoreError`], naming what each storage node did. Nothing is recorded then, unless `record`
/// failed without knowing.
pub async fn upload<S, F>(
    transport: &Transport,
    config: UploadConfig,
    candidates: &[Candidate],
    file: NewFile,
    source: S,
    memory: Option<Memory>,
    record: impl FnOnce(FileRecord, FileCall) -> F + Send,
) -> Result<Stored, StoreError>
where
    S: Source,
    F: Future<Output = Result<(), String>> + Send,
{
    let coding = file.coding;
    let bytes = sealed_length(file.length);
    let mut machine = Upload::new(config, &file.key, bytes, candidates);
    let sealer = Sealer::new(source, file.key.clone(), coding);
    let doer = ForUpload {
        transport,
        file,
        sealing: tokio::sync::Mutex::new(Sealing::new(sealer)),
        record: Mutex::new(Some(record)),
        recorded: Mutex::new(None),
        sent: AtomicU64::new(0),
    };
    let report = |NodeFailed { node, fault }| debug!(%node, %fault, "storage node failed");
    let end = drive::run(&mut machine, memory, Nothing::default(), &doer, report).await?;
    let recorded = doer.recorded.into_inner();
    let recorded = recorded.unwrap_or_else(PoisonError::into_inner);
    match (end, recorded) {
        // The ledger was not even asked.
        (_, Some(Err(error))) => Err(error),
        (Err(error), _) => Err(error.into()),
        (Ok(_), Some(Ok(record))) => Ok(Stored {
            record,
            sent: doer.sent.into_inner(),
        }),
        (Ok(_), None) => {
            let missing = "no record was made".to_owned();
            Err(UploadError::NotRecorded(missing).into())
        }
    }
}

/// Does for an upload what it asks for.
struct ForUpload<'a, S, R> {
    transport: &'a Transport,
    file: NewFile,
    sealing: tokio::sync::Mutex<Sealing<S>>,
    record: Mutex<Option<R>>,
    recorded: Mutex<Option<Result<FileRecord, StoreError>>>,
    sent: AtomicU64,
}

impl<S, R, F> Perform<Storing> for ForUpload<'_, S, R>
where
    S: Source,
    R: FnOnce(FileRecord, FileCall) -> F + Send,
    F: Future<Output = Result<(), String>> + Send,
{
    async fn perform(&self, asked: Ask) -> Answer {
        match asked {
            Ask::Need(need) => self.sealing.lock().await.satisfy(need).await,
            Ask::Send { to, request } => {
                if let Request::Put { piece, .. } = &request {
                    let length = piece.len() as u64;
                    self.sent.fetch_add(length, Ordering::Relaxed);
                }
                Answer::Reply(ask(self.transport, to, request).await)
            }
            Ask::Record {
                file: id,
                placement,
            } => {
                let made = match &self.sealing.lock().await.file {
                    Some(sealed) if sealed.id == id => describe(&self.file, sealed, &placement),
                    _ => return Answer::Recorded(Err("it is of another file".to_owned())),
                };
                let call = match &made {
                    Ok(made) => match agreements(self.transport, &self.file.kept, made).await {
                        Ok(agreed) => Some(self.file.kept.call(made.clone(), &agreed)),
                        Err(failed) => return Answer::Unaccepted(failed),
                    },
                    Err(_) => None,
                };
                let record = self.record.lock();
                let record = record.unwrap_or_else(PoisonError::into_inner).take();
                let result = match (&made, call, record) {
                    (Ok(made), Some(call), Some(record)) => record(made.clone(), call).await,
                    (Err(error), ..) => Err(error.to_string()),
                    _ => Err("it was recorded before".to_owned()),
                };
                let mut recorded = self.recorded.lock();
                *recorded
                    .as_deref_mut()
                    .unwrap_or_else(|poisoned| poisoned.get_mut()) = Some(made);
                Answer::Recorded(result)
            }
        }
    }
}

fn describe(
    file: &NewFile,
    sealed: &SealedFile,
    placement: &[PublicKey],
) -> Result<FileRecord, StoreError> {
    if file
        .content
        .is_some_and(|content| content != sealed.manifest.content)
    {
        return Err(StoreError::OtherContent);
    }
    let envelope = match &file.envelope_to {
        None => None,
        Some(to) => {
            let random = fresh_seed().map_err(StoreError::Randomness)?.0;
            let sealed = envelope::wrap(&file.key, to, sealed.id, Purpose::Owner, random);
            Some(sealed.map_err(StoreError::Envelope)?)
        }
    };
    let label = Label {
        name: file.name.clone(),
        media_type: file.media_type.clone(),
    };
    Ok(sealed.record(file.owner, &label, placement, envelope.as_ref())?)
}

/// Bytes that a node needs to hold a file of `length` bytes: its slices, each with its tag, and a
/// manifest that lists them.
pub fn sealed_length(length: u64) -> u64 {
    let slices = length.div_ceil(SLICE_BYTES as u64).max(1);
    // 46 bytes before the list, 33 before the ciphertext, and in the row that joins the pieces the
    // list again.
    length + slices * (TAG_BYTES as u64 + 64) + 256
}

/// A sealer that works on a thread of its own, since reading and encrypting block.
struct Sealing<S> {
    sealer: Option<Sealer<S>>,
    file: Option<SealedFile>,
}

impl<S: Source> Sealing<S> {
    fn new(sealer: Sealer<S>) -> Self {
        Self {
            sealer: Some(sealer),
            file: None,
        }
    }

    async fn satisfy(&mut self, need: Need) -> Answer {
        let Some(mut sealer) = self.sealer.take() else {
            return Answer::SourceFailed("an earlier read did not end".to_owned());
        };
        let worked = tokio::task::spawn_blocking(move || {
            let sealed = match need {
                Need::Slice(index) => sealer.slice(index).map(|slice| slice.map(Answer::Slice)),
                // What changed while it was read is noticed before anything is recorded.
                Need::Manifest => sealer.finish().and_then(|file| {
                    sealer.source_mut().check().map_err(std::io::Error::from)?;
                    Ok(Some(Answer::Manifest(Box::new(file))))
                }),
            };
            (sealer, sealed)
        });
        match worked.await {
            Ok((sealer, sealed)) => {
                self.sealer = Some(sealer);
                let answer = told(sealed);
                if let Answer::Manifest(file) = &answer {
                    self.file = Some((**file).clone());
                }
                answer
            }
            Err(error) => Answer::SourceFailed(error.to_string()),
        }
    }
}

fn told(sealed: Result<Option<Answer>, SealError>) -> Answer {
    match sealed {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::SourceFailed("it ended before the slice asked for".to_owned()),
        Err(SealError::Source(error)) => Answer::SourceFailed(error.to_string()),
        Err(error) => Answer::SourceFailed(error.to_string()),
    }
}
