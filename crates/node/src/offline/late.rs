//! A history from an archive, executed again.

use assay_chain::{Checkpoint, CheckpointError, Header, light::CertifiedHeader, replay::Replay};
use assay_ledger::{Genesis, Height, MemoryStore, Order, query};

use super::error::OfflineError;
use super::gathered::Gathered;
use super::kept::Kept;
use crate::archive::Archive;

/// Where executing begins.
pub enum Start {
    /// With the genesis.
    Genesis,
    /// With a state that somebody handed out: nothing of it is believed but what validators signed. What was done
    /// before is not looked at.
    Checkpoint(Box<Checkpoint>),
}

impl Start {
    /// With the state in these bytes, as [`Executed::checkpoint`] gives them.
    ///
    /// # Errors
    /// [`CheckpointError`] when they are no checkpoint.
    pub fn checkpoint(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Checkpoint::decode(bytes).map(|of| Self::Checkpoint(Box::new(of)))
    }
}

/// A history that was executed to its end.
pub struct Executed {
    state: MemoryStore,
    gathered: Gathered,
    orders: Vec<Order>,
    genesis: Genesis,
    /// The height it began at, and its last block.
    from: Height,
    last: CertifiedHeader,
    supply_conserved: bool,
}

impl Executed {
    /// What the chain began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Height of the state it began with; 0 for the genesis.
    pub fn from(&self) -> Height {
        self.from
    }

    /// The last block.
    pub fn head(&self) -> &Header {
        &self.last.header
    }

    /// The state after the last block.
    pub fn state(&self) -> &MemoryStore {
        &self.state
    }

    /// Every order that the state holds.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Transactions in the blocks that were executed.
    pub fn transactions(&self) -> u64 {
        self.gathered.transactions
    }

    /// Whether there is as much money as in the beginning, counted at the end.
    pub fn supply_conserved(&self) -> bool {
        self.supply_conserved
    }

    /// The bytes of a checkpoint at the end, for another audit to begin with.
    pub fn checkpoint(&self) -> Vec<u8> {
        let checkpoint = Checkpoint {
            header: self.last.clone(),
            state: self.state.pairs().clone(),
        };
        checkpoint.to_bytes()
    }

    pub(super) fn gathered(&self) -> &Gathered {
        &self.gathered
    }
}

/// Executes the history in an archive, to its last block; `progress` hears the height and where it ends. With `kept`, from
/// where an earlier process came to.
///
/// # Errors
/// [`OfflineError`] names the first block that does not hold.
pub fn execute(
    archive: &Archive,
    genesis: &Genesis,
    start: Start,
    mut kept: Option<&mut Kept>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Executed, OfflineError> {
    let (mut replay, mut gathered) = match start {
        Start::Genesis => (Replay::begin(genesis)?, Gathered::default()),
        Start::Checkpoint(checkpoint) => {
            let replay = Replay::resume(genesis, *checkpoint)?;
            let gathered = Gathered::at(replay.state())?;
            (replay, gathered)
        }
    };
    let from = replay.header().height;
    if let Some(kept) = &kept
        && let Some((checkpoint, noted)) = kept.load(from)
        && let Ok(resumed) = Replay::resume(genesis, checkpoint)
    {
        (replay, gathered) = (resumed, noted);
    }
    let (stretches, _) = archive.stretches()?;
    let ahead = stretches.iter().skip(1).copied().map(Some);
    let ahead = ahead.chain([None]);
    let end = match stretches.last() {
        Some(first) => archive.stretch(*first)?.last(),
        None => return Err(OfflineError::Gap(from.after(1))),
    };
    let mut last = None;
    for (first, next) in stretches.iter().copied().zip(ahead) {
        let height = replay.header().height;
        let begun = last.is_some() || height.0 == 0;
        // One that ends before the state with which this began is behind us.
        if !begun && next.is_some_and(|next| next <= height.after(1)) {
            continue;
        }
        if first > height.after(1) {
            return Err(OfflineError::Gap(height.after(1)));
        }
        if begun && first != height.after(1) {
            return Err(OfflineError::Twice(first));
        }
        let stretch = archive.stretch(first)?;
        let at = stretch.last().0;
        replay
            .client()
            .verify(&stretch.evidence)
            .map_err(|source| assay_chain::replay::ReplayError::Evidence { height: at, source })?;
        for block in stretch.blocks {
            if block.header.height <= height {
                continue;
            }
            let block = replay.advance(block)?;
            gathered.block(&block, replay.state())?;
            progress(block.header.height.0, end.0);
        }
        if *replay.header() != stretch.evidence.header {
            return Err(OfflineError::Gap(replay.header().height.after(1)));
        }
        if let Some(kept) = &mut kept
            && kept.is_due()
            && let Some(checkpoint) = replay.checkpoint(stretch.evidence.clone())
        {
            kept.save(from, &checkpoint, &gathered)?;
        }
        last = Some(stretch.evidence);
    }
    let last = last.ok_or(OfflineError::Gap(replay.header().height.after(1)))?;
    let supply = query::counted_supply(replay.state())?;
    Ok(Executed {
        orders: query::orders(replay.state())?,
        supply_conserved: supply.total == Some(supply.genesis),
        state: replay.state().clone(),
        gathered,
        genesis: genesis.clone(),
        from,
        last,
    })
}
