//! The chain of a directory, executed again.

use std::path::Path;

use assay_chain::{FinalizedBlock, history};
use assay_ledger::{
    AccountId, Amount, Event, Genesis, MemoryStore, Order, OrderEvent, OrderId, Role, SlashReason,
    TxId, query,
};

use super::error::OfflineError;
use super::gathered::Gathered;
use crate::{
    logs::expecting_panics,
    pace::{Pace, Paces},
};

/// A chain, executed again.
pub struct Ledger {
    state: MemoryStore,
    /// Every bond cut for an order, with the transaction that brought it about, if it was one.
    slashes: Vec<Slash>,
    paces: Paces,
    pub(super) gathered: Gathered,
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
        let mut stored = history.replay()?;
        let (mut slashes, mut paces) = (Vec::new(), Paces::default());
        let mut gathered = Gathered::default();
        while stored.replay().header().height.0 < proven
            && let Some(block) = stored.advance()?
        {
            collect(&block, &mut slashes);
            gathered.block(&block, stored.replay().state())?;
            let done = block.receipts.iter().flat_map(|of| &of.events);
            let time = (block.header.timestamp_ms, block.transactions.len());
            paces.block(time, block.events.iter().chain(done));
            progress(block.header.height.0, proven);
        }
        Ok(Self {
            state: stored.replay().state().clone(),
            slashes,
            paces,
            gathered,
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
