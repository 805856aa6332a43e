//! A requester: brings a job's inputs to the vault, posts its order and fetches the result.

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_api::ChainError;
use assay_crypto::{Digest, aead::FileKey};
use assay_job::keys::{self, KeysError};
use assay_job::{BuildError, Draft, Inputs, Job, JobError, Network, Sizes};
use assay_ledger::{
    AccountId, Amount, Counts, Event, Examined, FileId, Order, OrderCall, OrderEvent, OrderId,
    Phase, SegmentIndex, StateFile, query, query::Which,
};
use assay_proof::{Audience, FetchFailure, Handle, MAX_STATE_BYTES};

use crate::{client::CallError, files, orders::Services, rounds};

/// Media type of a job's inputs in the vault.
const INPUT_TYPE: &str = "application/octet-stream";
/// About as long as the record of a stored input is.
const RECORD_BYTES: usize = 800;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// What a transaction has around its call: sender, number, fee, signature.
const ENVELOPE_BYTES: usize = 200;

/// Why an order could not be posted or its result not be had.
#[derive(Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The job cannot become an order.
    #[error("the job cannot be posted")]
    Job(#[from] JobError),
    /// The account cannot pay for it.
    #[error(
        "account {account} has {balance}, and this order takes {escrow} for the price and the \
         auditors' fees and about {fees} for storage and in fees of the network; nothing was sent: \
         pay more into the account, or lower market.price or market.auditor_fee"
    )]
    Funds {
        /// Which account.
        account: AccountId,
        /// What it has.
        balance: Amount,
        /// What goes into escrow.
        escrow: Amount,
        /// What storage and the transactions cost.
        fees: Amount,
    },
    /// An input did not reach the vault.
    #[error("input {name:?} did not reach the vault: {reason}")]
    Upload {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The order's keys could not be recovered.
    #[error("the keys of the order cannot be recovered")]
    Keys(#[from] KeysError),
    /// The order did not get onto the ledger.
    #[error("the order was not posted; what was stored of its inputs stays in the vault")]
    Post(#[from] CallError),
    /// The chain could not be followed.
    #[error("the order could not be followed")]
    Chain(#[from] ChainError),
    /// There is no such order.
    #[error("the chain knows no order {0}")]
    Unknown(OrderId),
    /// The order has no result to fetch.
    #[error("order {order} is {phase}: there is no result to fetch")]
    NoResult {
        /// Which.
        order: OrderId,
        /// Its phase.
        phase: Phase,
    },
    /// The result could not be read.
    #[error("the result could not be fetched")]
    Fetch(#[from] FetchFailure),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
}

/// Posts orders for one account. Its part in them (granting keys, judging the delivery) is played
/// by a [`Stage`](crate::roles::Stage) with [`Part::Requester`](assay_job::Part::Requester).
#[derive(Clone)]
pub struct Requester {
    services: Arc<Services>,
}

impl Requester {
    /// A requester that acts through `services`.
    pub fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    /// What it acts through.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// An order of this account that is under way and the same work, as one is that a command posted
    /// which was then interrupted.
    ///
    /// # Errors
    /// [`RequestFailure::Job`], or [`RequestFailure::Chain`] when the state cannot be read.
    pub fn under_way(&self, job: &Job, inputs: &Inputs) -> Result<Option<OrderId>, RequestFailure> {
        let account = self.services.sender.account();
        let state = self.services.chain.state();
        let own = query::listed(&*state, Which::WithPart(account), usize::MAX);
        let mut own = own.map_err(ChainError::from)?.entries;
        own.retain(|order| order.head.requester == account);
        if own.is_empty() {
            // Inputs may be large, and are read through only where there is something to compare.
            return Ok(None);
        }
        let model = job.told_model(inputs)?;
        let contents = assay_job::contents(inputs);
        let sizes = Sizes::of(inputs).map_err(JobError::from)?;
        let draft = Draft::new(job, (&model, &sizes), contents, None)?;
        let same = own
            .iter()
            .find(|order| draft.is_same_work(&order.head.terms));
        Ok(same.map(|order| order.head.id))
    }

    /// Stores the inputs and posts the order. Private inputs are stored too, for nobody but
    /// ourselves, so that the result can be judged again with the key file alone. `on_input` is
    /// told of every stored input.
    ///
    /// # Errors
    /// [`RequestFailure`]; no money is spent but fees.
    pub async fn post(
        &self,
        job: &Job,
        inputs: &Inputs,
        private: &Inputs,
        mut on_input: impl FnMut(&str, u64),
    ) -> Result<OrderId, RequestFailure> {
        let mut file_keys: Vec<FileKey> = Vec::with_capacity(inputs.len());
        for source in &job.inputs {
            match inputs.get(source.name) {
                Some(input) if input.audience() == Audience::Granted => {}
                _ => return Err(JobError::from(BuildError::MissingInput(source.name)).into()),
            }
            file_keys.push(files::fresh_key().map_err(RequestFailure::Randomness)?);
        }
        let keys = keys::derive(&self.services.key, file_keys);
        let contents = assay_job::contents(inputs);
        let model = job.told_model(inputs)?;
        let sizes = Sizes::of(inputs).map_err(JobError::from)?;
        let mut draft = Draft::new(job, (&model, &sizes), contents, Some(&keys))?;
        let mut name = keys.commitment();
        if job.inputs.is_empty() {
            name = files::fresh_seed().map_err(RequestFailure::Randomness)?;
            draft = draft.named(name);
        }
        // Whatever can be known to fail fails here, before the first byte leaves.
        let lasting = self.check(job, &draft, inputs, private)?;

        let mut placed = Vec::with_capacity(inputs.len());
        // In the job's own sequence, which is the one its kind's ledger rule asks for.
        for (source, key) in job.inputs.iter().zip(keys.inputs()) {
            let Some(bytes) = inputs.get(source.name) else {
                continue;
            };
            let title = format!("{}/{}", job.name, source.name);
            let file = self
                .store(source.name, title, (key.clone(), lasting), bytes)
                .await?;
            on_input(source.name, bytes.length());
            placed.push(file);
        }
        for (input, bytes) in private {
            let key = files::fresh_key().map_err(RequestFailure::Randomness)?;
            let title = keys::private_name(name, input);
            self.store(input, title, (key, lasting), bytes).await?;
            on_input(input, bytes.length());
        }
        let terms = draft.place(placed);
        let included = self
            .services
            .sender
            .call(OrderCall::Post(Box::new(terms)))
            .await?;
        let posted = included
            .receipt
            .events
            .iter()
            .find_map(|event| match event {
                Event::Order {
                    order,
                    event: OrderEvent::OrderPosted { .. },
                } => Some(*order),
                _ => None,
            });
        posted.ok_or_else(|| {
            ChainError::Untrue("a receipt for a posted order names no order".to_owned()).into()
        })
    }

    /// Whether the ledger would take this order from this account; how long its inputs are recorded then,
    /// in milliseconds.
    fn check(
        &self,
        job: &Job,
        draft: &Draft,
        inputs: &Inputs,
        private: &Inputs,
    ) -> Result<u64, RequestFailure> {
        let state = self.services.chain.state();
        let parameters = query::parameters(&*state).map_err(ChainError::from)?;
        let parameters = parameters.unwrap_or_default();
        let network = Network {
            parameters: parameters.clone(),
            supply: query::genesis_supply(&*state).map_err(ChainError::from)?,
        };
        job.check_terms(&network)?;
        job.check_lengths(inputs, &network)?;
        let account = self.services.sender.account();
        let balance = query::account(&*state, &account).map_err(ChainError::from)?;
        let balance = balance.balance;
        // Refused above, if there is none.
        let escrow = draft.escrow(&parameters).unwrap_or(Amount(u64::MAX));
        let post = parameters.min_fee(draft.length() + ENVELOPE_BYTES);
        let record = parameters.min_fee(RECORD_BYTES + ENVELOPE_BYTES);
        // A day more than it must be, for bringing it there.
        let lasting = draft.inputs_ms(&parameters).saturating_add(DAY_MS);
        let copies = u64::from(self.services.upload.copies);
        let all = || inputs.values().chain(private.values());
        let kept = all().map(|input| {
            let bytes = files::sealed_length(input.length());
            let each = files::STANDARD_PRICE.for_keeping(bytes, lasting);
            each.0.saturating_mul(copies)
        });
        let kept = Amount(kept.fold(0, u64::saturating_add));
        let fees = record.checked_mul(all().count() as u64);
        let fees = fees.and_then(|fees| fees.checked_add(kept));
        let fees = fees.and_then(|fees| fees.checked_add(post));
        let fees = fees.unwrap_or(Amount(u64::MAX));
        match escrow.checked_add(fees) {
            Some(needed) if needed <= balance => Ok(lasting),
            _ => Err(RequestFailure::Funds {
                account,
                balance,
                escrow,
                fees,
            }),
        }
    }

    async fn store(
        &self,
        name: &str,
        title: String,
        (key, lasting): (FileKey, u64),
        bytes: &Handle,
    ) -> Result<FileId, RequestFailure> {
        let own = Some(self.services.key.encryption().public());
        let anywhere = BTreeSet::new();
        let stored = self
            .services
            .store(
                title,
                INPUT_TYPE,
                (key, own),
                bytes.clone(),
                (lasting, &anywhere),
            )
            .await;
        stored.map_err(|reason| RequestFailure::Upload {
            name: name.to_owned(),
            reason,
        })
    }

    /// Follows an order to its end; `on_change` sees every state of it.
    ///
    /// # Errors
    /// [`RequestFailure::Unknown`], or [`RequestFailure::Chain`] when the chain stops.
    pub async fn follow(
        &self,
        id: OrderId,
        mut on_change: impl FnMut(&Order),
    ) -> Result<Order, RequestFailure> {
        let mut heights = self.services.chain.heights();
        let mut last = None;
        loop {
            let order = query::order(&*self.services.chain.state(), &id)
                .map_err(ChainError::from)?
                .ok_or(RequestFailure::Unknown(id))?;
            if last != Some(order.head.updated) {
                last = Some(order.head.updated);
                on_change(&order);
            }
            if order.head.phase.is_final() {
                return Ok(order);
            }
            let stopped = |_| ChainError::Local("the chain has stopped".to_owned());
            heights.changed().await.map_err(stopped)?;
        }
    }

    /// Fetches the inputs of one of our orders.
    ///
    /// # Errors
    /// [`RequestFailure`] when its keys cannot be recovered or the vault lost one.
    pub async fn inputs(&self, order: &Order) -> Result<Inputs, RequestFailure> {
        let keys = keys::recover(&*self.services.chain.state(), &self.services.key, order)?;
        let mut inputs = Inputs::new();
        for (input, key) in order.head.terms.inputs.iter().zip(keys.inputs()) {
            let file = (input.file, order.head.requester);
            let content = Some(input.content);
            let handle = self.fetch_own(file, key.clone(), content).await?;
            inputs.insert(input.name.to_string(), handle);
        }
        Ok(inputs)
    }

    /// Fetches and decrypts what we stored beside an order for nobody but ourselves.
    ///
    /// # Errors
    /// [`RequestFailure`] when a key does not open or the vault lost a file.
    pub async fn private(&self, order: &Order) -> Result<Inputs, RequestFailure> {
        let prefix = keys::private_name(order.head.terms.keys, "");
        let state = self.services.chain.state();
        let records = query::files_of(&*state, &order.head.requester, usize::MAX);
        let mut inputs = Inputs::new();
        for record in &records.map_err(ChainError::from)?.entries {
            let Some(name) = record.name.strip_prefix(&prefix) else {
                continue;
            };
            let key =
                keys::open_own(record, &self.services.key.encryption()).map_err(|source| {
                    KeysError::Closed {
                        name: name.to_owned(),
                        source,
                    }
                })?;
            let file = (record.id, record.owner);
            let handle = self.fetch_own(file, key, None).await?;
            inputs.insert(name.to_owned(), handle.for_audience(Audience::Owner));
        }
        Ok(inputs)
    }

    /// A handle on a file of our own, which is here for as long as the handle is held.
    async fn fetch_own(
        &self,
        file: (FileId, AccountId),
        key: FileKey,
        content: Option<Digest>,
    ) -> Result<Handle, FetchFailure> {
        let services = &self.services;
        let owned = (file.0, &[file.1][..]);
        let handle = services.fetch_input(owned, key, content).await?;
        services.inputs.release(file.1, &[file.0]).await;
        Ok(handle)
    }

    /// Fetches and decrypts the final state of a settled order: its file, put together anew where not all of it
    /// opens but the state does. Of an order with rounds, the last model.
    ///
    /// # Errors
    /// [`RequestFailure`] when there is none, its keys are not here, or the vault lost it.
    pub async fn result(&self, order: &Order) -> Result<Vec<u8>, RequestFailure> {
        let nothing = || RequestFailure::NoResult {
            order: order.head.id,
            phase: order.head.phase,
        };
        if order.head.rounds.is_some() {
            let model = rounds::model(&self.services, order).await?;
            // What its steps came to stands in each trainer's trace.
            return Ok(StateFile::encode(
                &Counts::default(),
                model.ok_or_else(nothing)?,
            ));
        }
        let run = order.result_run().ok_or_else(nothing)?;
        let last = SegmentIndex(order.head.terms.segments());
        let file = run.state_file(last).ok_or_else(nothing)?;
        let keys = keys::recover(&*self.services.chain.state(), &self.services.key, order)?;
        let key = keys.result(run).ok_or_else(nothing)?;
        let Some((state, trace)) = run.last.zip(run.trace.as_ref()) else {
            // Nobody audited it, so nothing is known of what it should be.
            let most = MAX_STATE_BYTES as u64;
            return Ok(self.services.fetch(file, run.provider, key, most).await?);
        };
        let services = &self.services;
        match services.examine((file, run.provider), key, state).await? {
            Examined::Good(state) => Ok(StateFile::encode(&trace.counts, state)),
            Examined::Bad(_) => Err(nothing()),
        }
    }
}
