//! What a driver does for its party.

use std::{
    io::{self, Cursor, Write},
    sync::Arc,
};

use assay_crypto::{Digest, EncryptionKey, SecretKey, aead::FileKey};
use assay_job::Bytes;
use assay_ledger::{AccountId, Call, FileId, OrderId, Role, query};
use assay_proof::{
    FetchFailure, Identity, Input, MAX_STATE_BYTES, MAX_TASK_BYTES, Output, StepReport,
};
use assay_vault::{
    UnsealError,
    download::{DownloadConfig, DownloadError},
    length,
    upload::UploadConfig,
};

use super::Compute;
use crate::{
    client::{ChainView, Sender},
    files::{self, NewFile},
    told,
    transport::Transport,
};

/// Media type of the states that parties store.
const STATE_TYPE: &str = "application/x-assay-state";

/// The most bytes of one input of an order, or of one state.
fn most_bytes(is_input: bool) -> u64 {
    match is_input {
        true => assay_job::MAX_INPUT_BYTES,
        false => MAX_STATE_BYTES as u64,
    }
}

/// Bytes in memory; where there is none left, an error and not the end of the process.
#[derive(Default)]
struct Held(Vec<u8>);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_reserve(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Called after every step of work done for an order.
pub type OnWork = Arc<dyn Fn(OrderId, &StepReport, u64) + Send + Sync>;

/// Everything a party's requests need. One for each account that a node acts for.
pub struct Services {
    /// The chain as this node has verified it.
    pub chain: Arc<dyn ChainView>,
    /// Puts the account's calls on the chain.
    pub sender: Sender,
    /// The way to storage nodes.
    pub transport: Transport,
    /// Where work is done.
    pub compute: Compute,
    /// The account's key.
    pub key: SecretKey,
    /// How files are stored.
    pub upload: UploadConfig,
    /// Bytes of memory that strangers' programs may take together.
    pub memory: u64,
    /// Told about every step of work.
    pub on_work: OnWork,
}

impl Services {
    /// Who the account is to its parties.
    pub fn identity(&self) -> Identity {
        Identity {
            account: self.key.public(),
            encryption: self.key.encryption(),
        }
    }

    /// Performs one request of a party; the answer carries the request's tag. `None` for what is
    /// no request.
    pub(super) async fn perform(self: Arc<Self>, order: OrderId, request: Output) -> Option<Input> {
        Some(match request {
            Output::Submit { tag, call } => {
                let result = self.sender.call(*call).await.map(drop);
                Input::Submitted {
                    tag,
                    result: result.map_err(|error| told(&error)),
                }
            }
            Output::Fetch {
                tag,
                file,
                owner,
                key,
                content,
            } => Input::Fetched {
                tag,
                result: match self.room(order, content.is_some()) {
                    Ok(()) => {
                        let most = most_bytes(content.is_some());
                        self.fetch(file, owner, key, content, most).await
                    }
                    Err(failure) => Err(failure),
                },
            },
            Output::Store {
                tag,
                name,
                key,
                bytes,
            } => Input::Stored {
                tag,
                result: self.store(name, STATE_TYPE, key, None, bytes).await,
            },
            Output::Work { tag, work } => {
                let (tell, steps) = (self.on_work.clone(), work.task.steps);
                let on_step = Box::new(move |report: &StepReport| tell(order, report, steps));
                Input::Worked {
                    tag,
                    result: self.compute.run(*work, on_step).await,
                }
            }
            Output::Journal(_) | Output::Progress(_) | Output::Finished(_) => return None,
        })
    }

    /// Whether an order's inputs are few enough bytes, by their records on the ledger, to be
    /// fetched and worked on here.
    fn room(&self, order: OrderId, is_input: bool) -> Result<(), FetchFailure> {
        let state = self.chain.state();
        let Some(order) = query::order(&*state, &order).filter(|_| is_input) else {
            return Ok(());
        };
        let records = order
            .terms
            .inputs
            .iter()
            .filter_map(|input| query::file(&*state, &input.file, &order.requester));
        let bytes = records.fold(0, |sum: u64, record| {
            sum.saturating_add(record.length_class)
        });
        if bytes > MAX_TASK_BYTES {
            // The same on every machine, whatever it has.
            return Err(FetchFailure::Corrupt(format!(
                "the order's inputs hold up to {}, more than the {} of any order",
                Bytes(bytes),
                Bytes(MAX_TASK_BYTES)
            )));
        }
        // They are here, and in the worker, and there is what is made of them.
        if bytes > self.memory / 2 {
            return Err(FetchFailure::TooLarge(format!(
                "they hold up to {}, and this machine gives {} to a job",
                Bytes(bytes),
                Bytes(self.memory)
            )));
        }
        Ok(())
    }

    /// Reads a file of at most `most` bytes from the vault. A longer one is known by its record, and
    /// nothing of it is fetched.
    ///
    /// # Errors
    /// [`FetchFailure`]: whether trying again can help.
    pub async fn fetch(
        &self,
        file: FileId,
        owner: AccountId,
        key: FileKey,
        content: Option<Digest>,
        most: u64,
    ) -> Result<Vec<u8>, FetchFailure> {
        let record = match query::file(&*self.chain.state(), &file, &owner) {
            Ok(Some(record)) => record,
            Ok(None) => {
                let text = format!("{owner} has recorded no file {file}");
                return Err(FetchFailure::Unavailable(text));
            }
            Err(error) => return Err(FetchFailure::Unavailable(told(&error))),
        };
        if record.length_class > length::class(most) {
            return Err(FetchFailure::Corrupt(format!(
                "its record says up to {}, and it may hold {}",
                Bytes(record.length_class),
                Bytes(most)
            )));
        }
        let mut bytes = Held::default();
        let config = DownloadConfig::default();
        let read = files::download(&self.transport, config, &record, key, &mut bytes).await;
        match read {
            Ok(found) if content.is_none_or(|digest| digest == found.digest) => Ok(bytes.0),
            Err(DownloadError::Unseal(UnsealError::Sink(error))) => {
                Err(FetchFailure::Unavailable(told(&error)))
            }
            Ok(_) => Err(FetchFailure::Corrupt(
                "its content is not the one named".to_owned(),
            )),
            Err(error @ DownloadError::Missing { .. }) => {
                Err(FetchFailure::Unavailable(told(&error)))
            }
            Err(error) => Err(FetchFailure::Corrupt(told(&error))),
        }
    }

    /// Brings a file to the vault and records it, with its key sealed to `envelope_to` if given.
    ///
    /// # Errors
    /// A sentence that says why it is not there.
    pub async fn store(
        &self,
        name: String,
        media_type: &str,
        key: FileKey,
        envelope_to: Option<EncryptionKey>,
        bytes: Vec<u8>,
    ) -> Result<FileId, String> {
        let owner = self.sender.account();
        let nodes: Vec<AccountId> = query::registrations(&*self.chain.state(), Role::Storage)
            .map_err(|error| told(&error))?
            .into_iter()
            .filter(|(_, registration)| !registration.leaving)
            .map(|(account, _)| account)
            .collect();
        let candidates =
            files::candidates(&self.transport, &nodes, self.upload.copies.into()).await;
        let file = NewFile {
            owner,
            name,
            media_type: media_type.to_owned(),
            length: bytes.len() as u64,
            key,
            envelope_to,
        };
        let source = Cursor::new(bytes);
        let record = |record: assay_ledger::FileRecord| async move {
            let call = Call::PutFile(Box::new(record));
            self.sender
                .call(call)
                .await
                .map(drop)
                .map_err(|error| told(&error))
        };
        files::upload(
            &self.transport,
            self.upload,
            &candidates,
            file,
            source,
            record,
        )
        .await
        .map(|record| record.id)
        .map_err(|error| told(&error))
    }
}
