//! What a node does for the parties of orders.

mod examine;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use assay_api::ChainView;
use assay_crypto::{Digest, EncryptionKey, SecretKey, aead::FileKey};
use assay_job::Lengths;
use assay_ledger::{AccountId, FileCall, FileId, FileRecord, Order, OrderId, query, rules};
use assay_proof::{
    Answer, Ask, FetchFailure, Handle, Identity, MAX_STATE_BYTES, StepReport, Traced, WorkFailure,
    holders,
};
use assay_vault::{
    Coding, Sealer, UnsealError,
    download::{DownloadConfig, DownloadError},
    length,
    upload::{UploadConfig, leftover},
};
use tracing::warn;

use super::fits::{file_fits, makes_sense, run_fits};
use super::{Compute, Due, ForOrder};
use crate::{
    client::Sender,
    drive::{Memory, Perform},
    files::{self, NewFile},
    inputs::InputStore,
    told,
    transport::Transport,
};

/// Media type of the states that parties store.
const STATE_TYPE: &str = "application/x-assay-state";

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
    /// Where uploads under derived keys are written down.
    pub uploads: PathBuf,
    /// The inputs that are here.
    pub inputs: InputStore,
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

    /// Refuses the work of an order whose terms say less of it than it is: a judge's time is bounded by
    /// what they say.
    fn as_told(&self, order: OrderId) -> Result<(), WorkFailure> {
        let head = query::head(&*self.chain.state(), &order);
        match head.map_err(|error| WorkFailure::Local(told(&error)))? {
            Some(head) => makes_sense(&head.terms, &Lengths::new()).map_err(WorkFailure::Refused),
            None => Ok(()),
        }
    }

    /// When work for an order is due: before the time of its present phase is over.
    fn due(&self, order: OrderId) -> Due {
        let chain = self.chain.clone();
        Box::new(move || {
            let state = chain.state();
            let read =
                query::head(&*state, &order).and_then(|head| Ok((head, query::now(&*state)?)));
            match read {
                Ok((Some(head), now)) if !head.deadline.is_over(now) => head.deadline.time.0,
                _ => u64::MAX,
            }
        })
    }

    /// Refuses an order of which the public terms tell that it cannot be done here, or nowhere.
    fn weigh(&self, order: OrderId) -> Result<(), FetchFailure> {
        let unread = |error| FetchFailure::Unavailable(told(&error));
        let found = query::order(&*self.chain.state(), &order).map_err(unread)?;
        if let Some(order) = &found {
            let (_, lengths) = self.lengths(order)?;
            makes_sense(&order.head.terms, &lengths).map_err(FetchFailure::Corrupt)?;
        }
        self.check_sizes(order)
    }

    /// The length classes of an order's inputs, by their records on the ledger, and the least that
    /// each can have.
    fn lengths(&self, order: &Order) -> Result<(Vec<u64>, Lengths), FetchFailure> {
        let unread = |error| FetchFailure::Unavailable(told(&error));
        let state = self.chain.state();
        let (mut classes, mut lengths) = (Vec::new(), Lengths::new());
        for input in &order.head.terms.inputs {
            // The requester's record, or in a round that of whoever keeps the model.
            let mut class = None;
            for owner in holders(order, self.sender.account()) {
                let record = query::file(&*state, &input.file, &owner).map_err(unread)?;
                class = class.or(record.map(|record| record.length_class));
            }
            lengths.insert(input.name.to_string(), length::at_least(class.unwrap_or(0)));
            classes.extend(class);
        }
        Ok((classes, lengths))
    }

    /// Refuses an order whose inputs are longer, by their records on the ledger, than the network
    /// allows, and one whose run takes more than there is here. No ledger takes the former, so that is
    /// said on every machine alike.
    fn check_sizes(&self, order: OrderId) -> Result<(), FetchFailure> {
        let unread = |error| FetchFailure::Unavailable(told(&error));
        let Some(order) = query::order(&*self.chain.state(), &order).map_err(unread)? else {
            return Ok(());
        };
        let (classes, lengths) = self.lengths(&order)?;
        self.allows(&classes)?;
        run_fits(&order.head.terms, &lengths, self.memory)
    }

    fn allows(&self, classes: &[u64]) -> Result<(), FetchFailure> {
        let parameters = query::parameters(&*self.chain.state());
        let parameters = parameters.map_err(|error| FetchFailure::Unavailable(told(&error)))?;
        let problem = rules::length_problem(classes, &parameters.unwrap_or_default());
        problem.map_or(Ok(()), |problem| Err(FetchFailure::Corrupt(problem)))
    }

    /// A handle on an input that the first of `owners` brought, which is fetched unless it is here, from
    /// wherever any of them has it. One that is longer than the network
    /// allows is known by its record, and nothing of it is fetched.
    ///
    /// # Errors
    /// [`FetchFailure`]: whether trying again can help.
    pub async fn fetch_input(
        &self,
        (file, owners): (FileId, &[AccountId]),
        key: FileKey,
        content: Option<Digest>,
    ) -> Result<Handle, FetchFailure> {
        let record = self.record(file, owners)?;
        self.allows(&[record.length_class])?;
        self.inputs
            .fetch(&self.transport, &record, key, content)
            .await
    }

    /// Lets go of an order's inputs: a part in it is over. Another part that needs them holds them.
    pub(super) async fn release_inputs(&self, order: OrderId) {
        match query::order(&*self.chain.state(), &order) {
            Ok(Some(order)) => {
                let inputs = order.head.terms.inputs.iter();
                let files: Vec<FileId> = inputs.map(|input| input.file).collect();
                self.inputs.release(order.head.requester, &files).await;
            }
            Ok(None) => {}
            Err(error) => warn!(%order, reason = told(&error), "an order's inputs stay here"),
        }
    }

    /// Reads a file of at most `most` bytes from the vault into memory. A longer one is known by its
    /// record, and nothing of it is fetched.
    ///
    /// # Errors
    /// [`FetchFailure`]: whether trying again can help.
    pub async fn fetch(
        &self,
        file: FileId,
        owner: AccountId,
        key: FileKey,
        most: u64,
    ) -> Result<Vec<u8>, FetchFailure> {
        let record = self.record(file, &[owner])?;
        file_fits(record.length_class, most)?;
        let mut bytes = Held::default();
        let config = DownloadConfig::default();
        let read = files::download(&self.transport, config, &record, key, &mut bytes).await;
        match read {
            Ok(_) => Ok(bytes.0),
            Err(DownloadError::Unseal(UnsealError::Sink(error))) => {
                Err(FetchFailure::Unavailable(told(&error)))
            }
            Err(error @ DownloadError::Missing { .. }) => {
                Err(FetchFailure::Unavailable(told(&error)))
            }
            Err(error) => Err(FetchFailure::Corrupt(told(&error))),
        }
    }

    /// Brings a file to the vault and records it for so many milliseconds, with its key sealed to
    /// `envelope_to` if given; to none of the storage nodes `apart` if there are enough others.
    ///
    /// Without an envelope the key is derived, and may come again after a crash with other bytes
    /// than before; so what was sent under it is written down, and nothing else is ever sent under
    /// it.
    ///
    /// # Errors
    /// A sentence that says why it is not there.
    pub async fn store(
        &self,
        name: String,
        media_type: &str,
        (key, envelope_to): (FileKey, Option<EncryptionKey>),
        bytes: Handle,
        (ms, apart): (u64, &BTreeSet<AccountId>),
    ) -> Result<FileId, String> {
        let owner = self.sender.account();
        let memory = match &envelope_to {
            Some(_) => None,
            None => {
                let memory =
                    files::unfinished::Uploads::new(&self.uploads).remember(&key, &self.key)?;
                if let Some(file) = self.stored_before(&memory, owner, &key, &bytes)? {
                    return Ok(file);
                }
                Some(memory)
            }
        };
        let candidates = self.candidates(apart).await?;
        let coding = Coding::Replicated {
            copies: self.upload.copies,
        };
        let file = NewFile {
            owner,
            name,
            media_type: media_type.to_owned(),
            length: bytes.length(),
            content: Some(bytes.content()),
            key,
            coding,
            envelope_to,
            kept: self.kept(ms)?,
        };
        let source = bytes.reader();
        let record = async |_: FileRecord, call: FileCall| self.put(call).await;
        files::upload(
            &self.transport,
            self.upload,
            &candidates,
            file,
            source,
            memory,
            record,
        )
        .await
        .map(|stored| stored.record.id)
        .map_err(|error| told(&error))
    }

    /// The file, if an earlier life has brought exactly these bytes as far as the ledger.
    fn stored_before(
        &self,
        memory: &Memory,
        owner: AccountId,
        key: &FileKey,
        bytes: &Handle,
    ) -> Result<Option<FileId>, String> {
        let left = leftover(&memory.past, key).map_err(|error| told(&error))?;
        let Some(file) = left.file else {
            return Ok(None);
        };
        let recorded = query::file(&*self.chain.state(), &file, &owner);
        if recorded.map_err(|error| told(&error))?.is_none() {
            return Ok(None);
        }
        let coding = Coding::Replicated {
            copies: self.upload.copies,
        };
        let sealed = Sealer::new(bytes.reader(), key.clone(), coding).finish();
        match sealed {
            Ok(sealed) if sealed.id == file => Ok(Some(file)),
            Ok(_) => Err(format!(
                "other bytes were stored under this key before, as file {file}: the work did not \
                 give the same result again"
            )),
            Err(error) => Err(told(&error)),
        }
    }
}

impl Perform<Traced> for ForOrder<'_> {
    async fn perform(&self, ask: Ask) -> Answer {
        let (services, order) = (self.services, self.order);
        match ask {
            Ask::Submit(call) => {
                let result = services.sender.call(*call).await.map(drop);
                Answer::Submitted(result.map_err(|error| told(&error)))
            }
            Ask::Fetch { file, owner, key } => {
                let most = MAX_STATE_BYTES as u64;
                Answer::Fetched(services.fetch(file, owner, key, most).await)
            }
            Ask::Examine {
                file,
                owner,
                key,
                state,
            } => Answer::Examined(services.examine((file, owner), key, state).await),
            Ask::FetchInput {
                file,
                owners,
                key,
                content,
            } => Answer::Input(match services.check_sizes(order) {
                Ok(()) => {
                    let (file, content) = ((file, &owners[..]), Some(content));
                    services.fetch_input(file, key, content).await
                }
                Err(failure) => Err(failure),
            }),
            Ask::Keep {
                name,
                file,
                key,
                bytes,
                again,
            } => Answer::Stored(services.keep(order, name, (file, key), bytes, again).await),
            Ask::Store { name, key, bytes } => {
                let bytes = Handle::in_memory(bytes);
                let place = services
                    .of_the_requester(order)
                    .map_err(|error| told(&error))
                    .and_then(|apart| Ok((services.order_ms(order)?, apart)));
                Answer::Stored(match place {
                    Ok((ms, apart)) => {
                        let key = (key, None);
                        services
                            .store(name, STATE_TYPE, key, bytes, (ms, &apart))
                            .await
                    }
                    Err(error) => Err(error),
                })
            }
            Ask::Weigh => Answer::Weighed(services.weigh(order).map_err(|error| told(&error))),
            Ask::Work(work) => {
                let (tell, steps) = (services.on_work.clone(), work.task.steps);
                let on_step = Box::new(move |report: &StepReport| tell(order, report, steps));
                let due = services.due(order);
                Answer::Worked(match services.as_told(order) {
                    Ok(()) => services.compute.run(*work, due, on_step).await,
                    Err(failure) => Err(failure),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_find_no_memory_are_an_error_and_no_end() {
        let mut held = Held::default();
        held.write_all(b"some").unwrap();
        assert!(held.0.try_reserve(usize::MAX / 2).is_err());
        held.write_all(b" more").unwrap();
        assert_eq!(held.0, b"some more");
    }
}
