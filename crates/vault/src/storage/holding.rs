//! Committed files: which pieces belong together, and which of them the ledger protects.

use assay_crypto::{Digest, merkle};
use assay_ledger::{AccountId, FileId};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Charge, Output, Record, Shelf, State, StorageNode};
use crate::piece::{Digests, MAX_SLICES};
use crate::time::{Millis, Tag};

/// Version of the rows on [`Shelf::Holdings`].
const ROW_VERSION: u8 = 1;

/// One committed file.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) file: FileId,
    /// Slices and manifest.
    pub(super) pieces: Vec<Digest>,
    pub(super) row_bytes: u64,
    /// Pieces that the row names; `pieces` is emptied when the row is on its way out.
    pub(super) named: usize,
    /// Whose unfinished uploads the row counts among, until a record protects it.
    pub(super) committer: Option<AccountId>,
    /// What each owner of a record is charged for it, while there is one.
    pub(super) recorded: Charge,
    pub(super) since: Millis,
    /// Who committed it; `None` if several did, or if that was before the node's last start.
    pub(super) by: Option<AccountId>,
    pub(super) state: HoldingState,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum HoldingState {
    Writing { waiting: Vec<Tag> },
    Held,
    Removing,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Row {
    version: u8,
    file: FileId,
    slices: Digests<{ MAX_SLICES as usize }>,
}

impl Holding {
    /// The key, the holding, and the row to write for it.
    pub(super) fn new(
        file: FileId,
        slices: Vec<Digest>,
        since: Millis,
    ) -> (Digest, Holding, Vec<u8>) {
        let root = merkle::root(slices.clone());
        let mut row = vec![ROW_VERSION];
        row.extend(file.0.0);
        row.extend((slices.len() as u32).to_le_bytes());
        for slice in &slices {
            row.extend(slice.0);
        }
        let mut pieces = slices;
        pieces.push(file.0);
        let holding = Holding {
            file,
            named: pieces.len(),
            pieces,
            row_bytes: row.len() as u64,
            committer: None,
            recorded: Charge::NONE,
            since,
            by: None,
            state: HoldingState::Held,
        };
        (key(file, root), holding, row)
    }

    /// What the row counts for.
    pub(super) fn charge(&self) -> Charge {
        Charge::row(self.row_bytes, self.named)
    }

    /// Reads a row back; `None` when it is not what was written under `at`.
    pub(super) fn from_row(at: Digest, row: &[u8], now: Millis) -> Option<Holding> {
        let row = Row::try_from_slice(row)
            .ok()
            .filter(|row| row.version == ROW_VERSION)?;
        let (key, holding, _) = Holding::new(row.file, row.slices.into_vec(), now);
        (key == at).then_some(holding)
    }
}

/// Where a file's row is kept. A liar may commit a foreign file id with other slices; the root in
/// the key keeps that apart from the true file.
pub(super) fn key(file: FileId, root: Digest) -> Digest {
    Digest::of("assay/vault/holding/v1", &[&file.0.0, &root.0])
}

impl StorageNode {
    /// Adds a holding and counts it on its pieces.
    pub(super) fn adopt(&mut self, at: Digest, holding: Holding) {
        self.used += holding.charge();
        for piece in &holding.pieces {
            self.slots
                .entry(*piece)
                .or_insert_with(|| super::Slot::new(0, State::Lost, holding.since))
                .holdings += 1;
        }
        self.holdings.insert(at, holding);
        if self.records.contains_key(&at) {
            self.protect(at);
        }
    }

    pub(super) fn recorded(&mut self, record: Record) {
        let at = key(record.file, record.root);
        let owners = self.records.entry(at).or_default();
        let is_first = owners.is_empty();
        let is_new = owners.insert(record.owner);
        if is_first {
            self.protect(at);
        } else if let (true, Some(holding)) = (is_new, self.holdings.get(&at)) {
            self.recorded.charge(record.owner, holding.recorded);
        }
    }

    pub(super) fn expired(&mut self, record: Record) {
        let at = key(record.file, record.root);
        let Some(owners) = self.records.get_mut(&at) else {
            return;
        };
        let was_owner = owners.remove(&record.owner);
        let is_last = owners.is_empty();
        if is_last {
            self.records.remove(&at);
        }
        let Some(holding) = self.holdings.get_mut(&at) else {
            return;
        };
        if was_owner {
            self.recorded.release(record.owner, holding.recorded);
        }
        if !is_last {
            return;
        }
        holding.recorded = Charge::NONE;
        holding.since = self.now;
        for piece in &holding.pieces {
            if let Some(slot) = self.slots.get_mut(piece) {
                slot.protections = slot.protections.saturating_sub(1);
            }
        }
    }

    /// The pieces of a recorded file stay. They no longer count among the unfinished uploads of
    /// those who put them, but among what the owners of its records have here.
    fn protect(&mut self, at: Digest) {
        let Some(holding) = self.holdings.get_mut(&at) else {
            return;
        };
        let mut charge = holding.charge();
        if let Some(committer) = holding.committer.take() {
            self.pending.release(committer, charge);
        }
        for piece in &holding.pieces {
            if let Some(slot) = self.slots.get_mut(piece) {
                slot.protections += 1;
                let piece = Charge::piece(slot.bytes);
                charge += piece;
                for account in std::mem::take(&mut slot.claims) {
                    self.pending.release(account, piece);
                }
            }
        }
        holding.recorded = charge;
        for owner in self.records.get(&at).into_iter().flatten() {
            self.recorded.charge(*owner, charge);
        }
    }

    /// Removes what no recorded file needs and whose grace period is over.
    pub(super) fn collect(&mut self, out: &mut Vec<Output>) {
        let (now, grace) = (self.now, self.config.grace_ms);
        let stale: Vec<Digest> = self
            .holdings
            .iter()
            .filter(|(_, h)| h.state == HoldingState::Held && h.since + grace <= now)
            .map(|(key, _)| *key)
            .filter(|key| !self.records.contains_key(key))
            .collect();
        for key in stale {
            self.forget(key);
            if let Some(holding) = self.holdings.get_mut(&key) {
                holding.state = HoldingState::Removing;
            }
            self.in_flight += 1;
            out.push(Output::Remove {
                shelf: Shelf::Holdings,
                digest: key,
            });
        }
        let mut gone = Vec::new();
        for (digest, slot) in &mut self.slots {
            if slot.holdings > 0 || slot.since + grace > now {
                continue;
            }
            match slot.state {
                State::Held => {
                    slot.state = State::Removing;
                    self.in_flight += 1;
                    out.push(Output::Remove {
                        shelf: Shelf::Pieces,
                        digest: *digest,
                    });
                }
                State::Lost => gone.push(*digest),
                State::Writing | State::Removing => {}
            }
        }
        for digest in gone {
            self.drop_slot(&digest);
        }
    }

    /// Takes apart what only this account put together as this file, while no record names it: its
    /// owner deletes what an interrupted upload left. Anybody else's commit of the same file keeps
    /// it, so that nobody takes from under an owner what is about to be recorded.
    pub(super) fn abandon(&mut self, by: AccountId, file: FileId, out: &mut Vec<Output>) {
        let found = self.holdings.iter().find(|(key, holding)| {
            holding.file == file
                && holding.by == Some(by)
                && holding.state == HoldingState::Held
                && !self.records.contains_key(key)
        });
        let Some(key) = found.map(|(key, _)| *key) else {
            return;
        };
        self.forget(key);
        if let Some(holding) = self.holdings.get_mut(&key) {
            holding.state = HoldingState::Removing;
        }
        self.in_flight += 1;
        out.push(Output::Remove {
            shelf: Shelf::Holdings,
            digest: key,
        });
    }

    /// Takes a holding's count off its pieces.
    pub(super) fn forget(&mut self, at: Digest) {
        let Some(holding) = self.holdings.get_mut(&at) else {
            return;
        };
        let protected = self.records.contains_key(&at);
        let recorded = std::mem::take(&mut holding.recorded);
        for owner in self.records.get(&at).into_iter().flatten() {
            self.recorded.release(*owner, recorded);
        }
        for piece in std::mem::take(&mut holding.pieces) {
            if let Some(slot) = self.slots.get_mut(&piece) {
                slot.holdings = slot.holdings.saturating_sub(1);
                slot.protections = slot.protections.saturating_sub(u32::from(protected));
            }
        }
    }

    /// Forgets a piece and everything counted for it.
    pub(super) fn drop_slot(&mut self, digest: &Digest) {
        if let Some(slot) = self.slots.remove(digest) {
            // A lost piece gave back what it counted for when it was lost.
            if slot.state != State::Lost {
                let charge = Charge::piece(slot.bytes);
                self.used -= charge;
                for account in slot.claims {
                    self.pending.release(account, charge);
                }
            }
        }
    }
}
