//! What a late auditor can know from files alone: a chain directory, the storage nodes' disks and
//! the requester's key.
//!
//! Nothing is believed but the genesis, whose digest is the network's name and has to come from
//! elsewhere. The ledger is executed again from its first block to the last that the validators certified; what lies above
//! that is not used. An order's inputs are decrypted from the blobs and its whole run is repeated; what comes out is
//! compared, by the caller, with what it was told.

mod blobs;
mod rounds;

use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use assay_chain::{FinalizedBlock, StoreError, history};
use assay_crypto::{Digest, SecretKey};
use assay_job::keys::{self, KeysError};
use assay_job::{BuildError, Delivery, Inputs};
use assay_ledger::{
    AccountId, Amount, Event, FileId, Genesis, MemoryStore, Order, OrderEvent, OrderId, ReadError,
    Role, SlashReason, TxId, query,
};
use assay_proof::{Audience, StepReport, Task, TaskInput, WorkFailure};

pub use self::blobs::Blobs;
pub use self::rounds::{Remade, remake};
use crate::{
    logs::expecting_panics,
    pace::{Pace, Paces},
};

/// Why something could not be recomputed.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The chain directory cannot be read.
    #[error("the chain in {path} cannot be read")]
    Chain {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Reading the chain's files did not end as it should.
    #[error("the chain in {path} is damaged (its reader said: {reason}): bring back a whole copy")]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The chain is not what its genesis and rules make of it.
    #[error("the chain does not replay")]
    Replay(#[from] assay_chain::replay::ReplayError),
    /// A directory of blobs cannot be read.
    #[error("the blobs in {path} cannot be read")]
    Blobs {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The replayed state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger holds no such order.
    #[error("the chain holds no order {0}")]
    UnknownOrder(OrderId),
    /// The order was never finished.
    #[error("order {0} has no committed run to repeat")]
    NoRun(OrderId),
    /// The key of the result was not released.
    #[error("order {0} ended before its provider released the key of the result")]
    NotReleased(OrderId),
    /// The keys cannot be recovered.
    #[error("the keys of the order cannot be recovered")]
    Keys(#[from] KeysError),
    /// A file is missing or does not open.
    #[error("file {file} cannot be had from the blobs: {reason}")]
    File {
        /// Which.
        file: FileId,
        /// Why.
        reason: String,
    },
    /// The run cannot be repeated.
    #[error("the run cannot be repeated")]
    Run(#[from] WorkFailure),
    /// The result cannot be judged.
    #[error("the result cannot be judged")]
    Build(#[from] BuildError),
}

/// A chain, executed again.
pub struct Ledger {
    state: MemoryStore,
    /// Every bond cut for an order, with the transaction that brought it about, if it was one.
    slashes: Vec<Slash>,
    paces: Paces,
    /// Models of orders with rounds.
    models: rounds::Models,
    genesis: Genesis,
    blocks: u64,
    unproven: u64,
}

/// One bond that was cut.
#[derive(Debug, Clone)]
pub struct Slash {
    /// For which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which role.
    pub role: Role,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub reason: SlashReason,
    /// By which transaction; `None` when a deadline passed.
    pub tx: Option<TxId>,
}

impl Ledger {
    /// Executes the chain in `dir` from its genesis to the last certified block; `progress` hears
    /// the height and where it ends.
    ///
    /// # Errors
    /// [`OfflineError`] names the first block that does not hold.
    pub fn replay(dir: &Path, progress: impl FnMut(u64, u64)) -> Result<Self, OfflineError> {
        // The database panics on pages that are none; what is brought here may be anything.
        let replayed = expecting_panics(|| Self::replayed(dir, progress));
        replayed.unwrap_or_else(|panic| {
            Err(OfflineError::Damaged {
                path: dir.to_owned(),
                reason: crate::worker::said(&*panic).to_owned(),
            })
        })
    }

    fn replayed(dir: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Self, OfflineError> {
        let unreadable = |source| OfflineError::Chain {
            path: dir.to_owned(),
            source,
        };
        let history = history::open(dir).map_err(unreadable)?;
        let proven = history.last_certified().map_err(unreadable)?.0;
        let mut replay = history.replay()?;
        let (mut slashes, mut paces) = (Vec::new(), Paces::default());
        let mut models = rounds::Models::new();
        while replay.header().height.0 < proven
            && let Some(block) = replay.advance()?
        {
            collect(&block, &mut slashes);
            let done = block.receipts.iter().flat_map(|of| &of.events);
            let all = block.events.iter().chain(done.clone());
            rounds::note(&mut models, replay.state(), all)?;
            let time = (block.header.timestamp_ms, block.transactions.len());
            paces.block(time, block.events.iter().chain(done));
            progress(block.header.height.0, proven);
        }
        Ok(Self {
            state: replay.state().clone(),
            slashes,
            paces,
            models,
            genesis: history.genesis().clone(),
            blocks: proven,
            unproven: history.head().0 - proven,
        })
    }

    /// What the chain began with, as its directory has it. The digest is the network's name.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The state after the last certified block.
    pub fn state(&self) -> &MemoryStore {
        &self.state
    }

    /// Blocks executed: all that the validators certified.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Blocks at the end of the directory that no certificate covers; nothing of them is used.
    pub fn unproven(&self) -> u64 {
        self.unproven
    }

    /// An order as the last certified block left it.
    ///
    /// # Errors
    /// [`OfflineError::UnknownOrder`].
    pub fn order(&self, id: OrderId) -> Result<Order, OfflineError> {
        query::order(&self.state, &id)?.ok_or(OfflineError::UnknownOrder(id))
    }

    /// Where the time of an order went.
    pub fn pace(&self, order: OrderId) -> Pace {
        self.paces.of(order).cloned().unwrap_or_default()
    }

    /// The first time a provider was slashed for an order.
    pub fn provider_slash(&self, order: OrderId) -> Option<&Slash> {
        self.slashes
            .iter()
            .find(|slash| slash.order == order && slash.role == Role::Provider)
    }
}

fn collect(block: &FinalizedBlock, slashes: &mut Vec<Slash>) {
    let begun = block.events.iter().map(|event| (event, None));
    let done = block
        .receipts
        .iter()
        .flat_map(|receipt| receipt.events.iter().map(|event| (event, Some(receipt.tx))));
    for (event, tx) in begun.chain(done) {
        if let Event::Order {
            order,
            event:
                OrderEvent::Slashed {
                    account,
                    role,
                    amount,
                    reason,
                },
        } = event
        {
            slashes.push(Slash {
                order: *order,
                account: *account,
                role: *role,
                amount: *amount,
                reason: *reason,
                tx,
            });
        }
    }
}

/// A run repeated from its inputs.
pub struct Rerun {
    /// Whether every leaf of the repeated run lies under the root on the ledger.
    pub trace_agrees: bool,
    /// Digest of the final state, recomputed.
    pub state_digest: Digest,
    /// Whether the stored result holds that state.
    pub result_agrees: bool,
    /// What the requester gets, recomputed.
    pub delivery: Delivery,
    /// Seconds the run took here.
    pub seconds: f64,
}

/// Repeats the whole run whose result was accepted.
///
/// # Errors
/// [`OfflineError`] when something it needs is missing or does not open.
pub fn rerun(
    ledger: &Ledger,
    blobs: &Blobs,
    key: &SecretKey,
    order: &Order,
    mut on_step: impl FnMut(&StepReport),
) -> Result<Rerun, OfflineError> {
    let state = ledger.state();
    let keys = keys::recover(state, key, order)?;
    let run = order.result_run();
    let committed = run.and_then(|run| Some((run, run.trace.as_ref()?)));
    let Some((accepted, trace)) = committed else {
        return Err(OfflineError::NoRun(order.head.id));
    };
    let mut inputs: Inputs = BTreeMap::new();
    let mut task_inputs = Vec::with_capacity(order.head.terms.inputs.len());
    for (input, file_key) in order.head.terms.inputs.iter().zip(keys.inputs()) {
        let content = Some(input.content);
        let owner = order.head.requester;
        let handle = blobs.input(state, input.file, owner, file_key.clone(), content)?;
        inputs.insert(input.name.to_string(), handle.clone());
        task_inputs.push(TaskInput {
            name: input.name.to_string(),
            handle,
        });
    }
    let task = Task {
        kind: order.head.terms.kind.to_string(),
        spec: order.head.terms.spec.to_vec(),
        model: order.head.terms.model.to_vec(),
        memory: order.head.terms.memory,
        inputs: task_inputs,
        seed: accepted.seed.unwrap_or(Digest::ZERO),
        steps: order.head.terms.steps,
        segment_steps: order.head.terms.segment_steps,
        stop: order.head.terms.stop,
    };
    let began = std::time::Instant::now();
    let run = assay_job::run(&task, &mut |report| {
        on_step(report);
        ControlFlow::Continue(())
    })?;
    let seconds = began.elapsed().as_secs_f64();

    let private = private_inputs(state, blobs, key, order)?;
    let result_key = keys.result(accepted);
    let result_key = result_key.ok_or(OfflineError::NotReleased(order.head.id))?;
    let stored = blobs.read(state, trace.result, accepted.provider, result_key)?;
    let kind = assay_job::kind(order.head.terms.kind.as_str())
        .ok_or_else(|| WorkFailure::Refused(format!("unknown kind {}", order.head.terms.kind)))?;
    Ok(Rerun {
        trace_agrees: run.trace_root == trace.root,
        state_digest: run.state_digest,
        result_agrees: stored == run.state,
        delivery: assay_job::deliver(
            kind,
            &order.head.terms.spec,
            (&inputs, &private),
            &run.state,
        )?,
        seconds,
    })
}

/// What the requester stored beside the order for nobody but itself.
fn private_inputs(
    state: &MemoryStore,
    blobs: &Blobs,
    key: &SecretKey,
    order: &Order,
) -> Result<Inputs, OfflineError> {
    let prefix = keys::private_name(order.head.terms.keys, "");
    let mut inputs = Inputs::new();
    for record in query::files_of(state, &order.head.requester, usize::MAX)?.entries {
        let Some(name) = record.name.strip_prefix(&prefix) else {
            continue;
        };
        let file_key =
            keys::open_own(&record, &key.encryption()).map_err(|error| OfflineError::File {
                file: record.id,
                reason: error.to_string(),
            })?;
        let handle = blobs.input(state, record.id, record.owner, file_key, None)?;
        inputs.insert(name.to_owned(), handle.for_audience(Audience::Owner));
    }
    Ok(inputs)
}
