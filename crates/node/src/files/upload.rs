//! Storing a file.

use std::{collections::VecDeque, future::Future, time::Duration};

use assay_crypto::{EncryptionKey, PublicKey, aead::FileKey};
use assay_ledger::FileRecord;
use assay_vault::{
    Coding, Label, RecordError, SLICE_BYTES, SealError, SealedFile, Sealer, TAG_BYTES,
    envelope::{self, Purpose},
    placement::Candidate,
    upload::{Input, Need, Output, ResumeError, Upload, UploadConfig, UploadError},
    wire::Request,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::debug;

use super::{ask, fresh_seed, source::Source};
use crate::{clock, driver::Journal, transport::Transport};

/// How long an upload that failed waits for what it has sent.
const SETTLE: Duration = Duration::from_secs(5);

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
    /// Its key: fresh, or used for exactly these bytes before.
    pub key: FileKey,
    /// To whom the key is sealed in the record; nobody, if the owner can derive the key.
    pub envelope_to: Option<EncryptionKey>,
}

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The machine gave up.
    #[error("the file was not stored")]
    Upload(#[from] UploadError),
    /// A name or type does not fit the ledger's record.
    #[error("the file cannot be described on the ledger")]
    Record(#[from] RecordError),
    /// The owner's encryption key is none.
    #[error("the file's key could not be sealed to its owner")]
    Envelope(#[source] assay_crypto::SealError),
    /// There is no randomness to choose nodes and seal keys with.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// An earlier life of the upload wrote something that cannot be gone on with.
    #[error("the upload cannot go on from where it was")]
    Resume(#[from] ResumeError),
    /// The journal cannot be written; going on without it could seal two texts with one nonce.
    #[error("the upload's journal cannot be written; free disk space or mend the disk")]
    Journal(#[source] std::io::Error),
}

/// The memory of an upload that can go on after its process is gone.
#[derive(Debug)]
pub struct Memory {
    /// Where the machine writes.
    pub journal: Journal,
    /// What it wrote in earlier lives.
    pub past: Vec<Vec<u8>>,
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
/// hands the record to `record`, which brings it to the ledger (again: success) or says why not.
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
    record: impl FnOnce(FileRecord) -> F,
) -> Result<Stored, StoreError>
where
    S: Source,
    F: Future<Output = Result<(), String>>,
{
    let seed = fresh_seed().map_err(StoreError::Randomness)?;
    let coding = Coding::Replicated {
        copies: config.copies,
    };
    let mut sealing = Sealing::new(Sealer::new(source, file.key.clone(), coding));
    let (mut journal, past) = match memory {
        Some(Memory { journal, past }) => (Some(journal), past),
        None => (None, Vec::new()),
    };
    let bytes = sealed_length(file.length);
    let mut machine = Upload::resume(config, &file.key, bytes, candidates, seed, &past)?;
    let mut sent = 0;
    let mut replies = JoinSet::new();
    let mut wake = None;
    let mut record = Some(record);
    let mut recorded = None;
    let mut outputs = VecDeque::from(machine.step(clock::now(), Input::Tick));
    loop {
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Need(need) => {
                    let input = sealing.satisfy(need).await;
                    outputs.extend(machine.step(clock::now(), input));
                }
                Output::Journal(entry) => {
                    if let Some(journal) = &mut journal {
                        journal.append(&entry).map_err(StoreError::Journal)?;
                    }
                }
                Output::Send { tag, to, request } => {
                    if let Request::Put { piece, .. } = &request {
                        sent += piece.len() as u64;
                    }
                    let transport = transport.clone();
                    replies.spawn(async move {
                        Input::Reply {
                            tag,
                            reply: ask(&transport, to, request).await,
                        }
                    });
                }
                Output::WakeAt(at) => wake = Some(at),
                Output::Report { node, fault } => debug!(%node, %fault, "storage node failed"),
                Output::Record {
                    file: id,
                    placement,
                } => {
                    let result = match (&sealing.file, record.take()) {
                        (Some(sealed), Some(record)) if sealed.id == id => {
                            let made = describe(&file, sealed, &placement)?;
                            recorded = Some(made.clone());
                            record(made).await
                        }
                        _ => Err("the upload was recorded out of order".to_owned()),
                    };
                    outputs.extend(machine.step(clock::now(), Input::Recorded(result)));
                }
                Output::Finished(result) => {
                    if let Err(error) = result {
                        // Whoever cleans up after us must not be overtaken by what is on its way.
                        let settled = async { while replies.join_next().await.is_some() {} };
                        let _ = timeout(SETTLE, settled).await;
                        return Err(error.into());
                    }
                    let missing = UploadError::NotRecorded("no record was made".to_owned());
                    let record = recorded.ok_or(missing)?;
                    return Ok(Stored { record, sent });
                }
            }
        }
        let pause = wake.map_or(1_000, |at| at.0.saturating_sub(clock::now().0).max(1));
        let input = tokio::select! {
            Some(reply) = replies.join_next() => reply.unwrap_or(Input::Tick),
            () = sleep(Duration::from_millis(pause)) => Input::Tick,
        };
        outputs.extend(machine.step(clock::now(), input));
    }
}

fn describe(
    file: &NewFile,
    sealed: &SealedFile,
    placement: &[PublicKey],
) -> Result<FileRecord, StoreError> {
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

    async fn satisfy(&mut self, need: Need) -> Input {
        let Some(mut sealer) = self.sealer.take() else {
            return Input::SourceFailed("an earlier read did not end".to_owned());
        };
        let worked = tokio::task::spawn_blocking(move || {
            let input = match need {
                Need::Slice(index) => sealer.slice(index).map(|slice| slice.map(Input::Slice)),
                // What changed while it was read is noticed before anything is recorded.
                Need::Manifest => sealer.finish().and_then(|file| {
                    sealer.source_mut().check().map_err(std::io::Error::from)?;
                    Ok(Some(Input::Manifest(Box::new(file))))
                }),
            };
            (sealer, input)
        });
        match worked.await {
            Ok((sealer, input)) => {
                self.sealer = Some(sealer);
                let input = told(input);
                if let Input::Manifest(file) = &input {
                    self.file = Some((**file).clone());
                }
                input
            }
            Err(error) => Input::SourceFailed(error.to_string()),
        }
    }
}

fn told(input: Result<Option<Input>, SealError>) -> Input {
    match input {
        Ok(Some(input)) => input,
        Ok(None) => Input::SourceFailed("it ended before the slice asked for".to_owned()),
        Err(SealError::Source(error)) => Input::SourceFailed(error.to_string()),
        Err(error) => Input::SourceFailed(error.to_string()),
    }
}
