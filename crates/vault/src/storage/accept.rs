//! Agreeing to keep a file, before its owner records it.

use assay_crypto::{Digest, SecretKey};
use assay_ledger::{Acceptance, AccountId, Amount, ChainId, Keeping, LedgerTime};

use super::holding::{HoldingState, key};
use super::{State, StorageNode};
use crate::wire::{Asked, Refusal, Response};

/// How long an agreement can be used, in milliseconds of ledger time. Far less than the grace period:
/// what a node agreed to keep is still there when the record comes.
pub const ACCEPT_MS: u64 = 600_000;

/// Who agrees to keep files, on which network and for how much.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The node's account.
    pub key: SecretKey,
    /// The network.
    pub chain: ChainId,
    /// Micro-tokens for a GiB and an hour.
    pub price: Amount,
    /// The longest that a record may last, in milliseconds.
    pub longest_ms: u64,
    /// Ledger time of the newest block; none before one was seen.
    pub now: Option<LedgerTime>,
}

impl StorageNode {
    /// From now on files are accepted in this name; without one, none are.
    pub fn keep_as(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
    }

    /// The newest block has this ledger time. Until one is told, no file is accepted.
    pub fn ledger_time(&mut self, time: LedgerTime) {
        if let Some(keeper) = &mut self.keeper {
            keeper.now = Some(time);
        }
    }

    pub(super) fn price(&self) -> Amount {
        self.keeper.as_ref().map(|of| of.price).unwrap_or_default()
    }

    /// Signs that a file is kept for `owner`, if all of it is here and it is no more than is said.
    pub(super) fn accept(&mut self, owner: AccountId, asked: &Asked) -> Result<Response, Refusal> {
        let keeper = self.keeper.as_ref().ok_or(Refusal::Busy)?;
        let now = keeper.now.ok_or(Refusal::Busy)?;
        if asked.until <= now || asked.until > now.after(keeper.longest_ms) {
            return Err(Refusal::BadTime);
        }
        let keeping = Keeping {
            chain: keeper.chain,
            owner,
            file: asked.file,
            root: asked.root,
            slices: asked.slices,
            length_class: asked.length_class,
            until: asked.until,
        };
        let by = now.after(ACCEPT_MS);
        let acceptance = Acceptance::sign(&keeper.key, &keeping, keeper.price, by);
        self.must_hold(key(asked.file, asked.root), asked.slices, keeping.bytes())?;
        Ok(Response::Accepted(acceptance))
    }

    /// Refuses a file of which something is missing, or that has other slices or more bytes.
    fn must_hold(&mut self, at: Digest, slices: u32, most: u64) -> Result<(), Refusal> {
        let found = self.holdings.get_mut(&at);
        let holding = found
            .filter(|of| of.state == HoldingState::Held)
            .ok_or(Refusal::Unknown)?;
        // The manifest is one piece more.
        if holding.named as u64 != u64::from(slices) + 1 {
            return Err(Refusal::Understated);
        }
        let held = holding.pieces.iter().filter_map(|piece| {
            let slot = self.slots.get(piece)?;
            (slot.state == State::Held).then_some(slot.bytes)
        });
        let (mut count, mut bytes) = (0, holding.row_bytes);
        for length in held {
            count += 1;
            bytes = bytes.saturating_add(length);
        }
        let missing = holding.pieces.len() - count;
        if missing > 0 {
            return Err(Refusal::Incomplete {
                missing: u32::try_from(missing).unwrap_or(u32::MAX),
            });
        }
        if bytes > most {
            return Err(Refusal::Understated);
        }
        // The grace period begins again: the record is on its way.
        holding.since = self.now;
        Ok(())
    }
}
