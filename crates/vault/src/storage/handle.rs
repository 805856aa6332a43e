//! What a storage node does with each request.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{AccountId, FileId};

use super::holding::{Holding, HoldingState, key};
use super::{Charge, MAX_CLAIMS, Output, Shelf, Slot, State, StorageNode, reply};
use crate::piece::{Digests, Piece};
use crate::time::Tag;
use crate::wire::{Flags, Refusal, Request, Response};

impl StorageNode {
    pub(super) fn request(
        &mut self,
        from: AccountId,
        tag: Tag,
        request: Request,
        out: &mut Vec<Output>,
    ) {
        let done = match request {
            Request::Free => Ok(Some(Response::Free { bytes: self.free() })),
            Request::Put { digest, piece } => self.put(from, tag, digest, &piece, out),
            Request::Get { digest } => self.get(tag, digest, out),
            Request::Has { digests } => {
                let held = digests.as_slice().iter().map(|d| self.holds(d)).collect();
                Ok(Some(Response::Has {
                    held: Flags::new(held),
                }))
            }
            Request::Commit { file, slices } => {
                self.commit(from, tag, file, slices.into_vec(), out)
            }
            Request::Delete { digest } => self.delete(from, tag, digest, out),
            Request::Room => Ok(Some(self.room(&from))),
            Request::Accept(asked) => self.accept(from, &asked).map(Some),
            Request::Pending { after } => Ok(Some(self.unrecorded(&from, after))),
            Request::Slices { file, root } => self.slices(file, root).map(Some),
        };
        match done {
            Ok(Some(response)) => reply(out, tag, response),
            Ok(None) => {}
            Err(refusal) => reply(out, tag, Response::Refused(refusal)),
        }
    }

    fn put(
        &mut self,
        from: AccountId,
        tag: Tag,
        digest: Digest,
        piece: &Piece,
        out: &mut Vec<Output>,
    ) -> Result<Option<Response>, Refusal> {
        if piece.is_empty() || piece.digest() != digest {
            return Err(Refusal::WrongDigest);
        }
        let bytes = piece.len() as u64;
        let state = self.slots.get(&digest).map(|slot| slot.state);
        match state {
            Some(State::Removing) => return Err(Refusal::Busy),
            Some(State::Writing | State::Held) => {}
            Some(State::Lost) | None => {
                self.room_to_work()?;
                self.must_fit(Charge::piece(bytes))?;
            }
        }
        self.claim(from, digest, bytes)?;
        let now = self.now;
        let slot = self
            .slots
            .entry(digest)
            .or_insert_with(|| Slot::new(0, State::Lost, now));
        slot.since = now;
        match slot.state {
            State::Held => return Ok(Some(Response::Stored { digest })),
            State::Writing | State::Removing => {}
            State::Lost => {
                slot.state = State::Writing;
                slot.bytes = bytes;
                self.used += Charge::piece(bytes);
                self.in_flight += 1;
                out.push(Output::Write {
                    shelf: Shelf::Pieces,
                    digest,
                    bytes: piece.shared(),
                });
            }
        }
        slot.waiting.push(tag);
        Ok(None)
    }

    fn get(
        &mut self,
        tag: Tag,
        digest: Digest,
        out: &mut Vec<Output>,
    ) -> Result<Option<Response>, Refusal> {
        if !self.holds(&digest) {
            return Err(Refusal::Unknown);
        }
        if let Some(waiting) = self.reads.get_mut(&digest) {
            waiting.push(tag);
            return Ok(None);
        }
        self.room_to_work()?;
        self.in_flight += 1;
        self.reads.insert(digest, vec![tag]);
        out.push(Output::Read { digest });
        Ok(None)
    }

    fn commit(
        &mut self,
        from: AccountId,
        tag: Tag,
        file: FileId,
        slices: Vec<Digest>,
        out: &mut Vec<Output>,
    ) -> Result<Option<Response>, Refusal> {
        if slices.is_empty() {
            return Err(Refusal::Malformed);
        }
        let distinct: BTreeSet<&Digest> = slices.iter().chain([&file.0]).collect();
        if distinct.len() != slices.len() + 1 {
            return Err(Refusal::Repeated);
        }
        let missing = slices
            .iter()
            .chain([&file.0])
            .filter(|digest| !self.holds(digest))
            .count();
        if missing > 0 {
            return Err(Refusal::Incomplete {
                missing: missing as u32,
            });
        }
        let (key, mut holding, row) = Holding::new(file, slices, self.now);
        if let Some(known) = self.holdings.get_mut(&key) {
            if known.by != Some(from) {
                known.by = None;
            }
            match &mut known.state {
                HoldingState::Held => {
                    known.since = self.now;
                    return Ok(Some(Response::Committed { file }));
                }
                HoldingState::Writing { waiting } => waiting.push(tag),
                HoldingState::Removing => return Err(Refusal::Busy),
            }
            return Ok(None);
        }
        self.room_to_work()?;
        holding.by = Some(from);
        let charge = holding.charge();
        self.must_fit(charge)?;
        // What the ledger records already is its owners' to answer for.
        if !self.records.contains_key(&key) {
            self.must_be_allowed(&from, charge)?;
            self.pending.charge(from, charge);
            holding.committer = Some(from);
        }
        holding.state = HoldingState::Writing { waiting: vec![tag] };
        self.in_flight += 1;
        self.adopt(key, holding);
        out.push(Output::Write {
            shelf: Shelf::Holdings,
            digest: key,
            bytes: row.into(),
        });
        Ok(None)
    }

    fn delete(
        &mut self,
        from: AccountId,
        tag: Tag,
        digest: Digest,
        out: &mut Vec<Output>,
    ) -> Result<Option<Response>, Refusal> {
        let Some(slot) = self.slots.get_mut(&digest) else {
            return Ok(Some(Response::Deleted { digest }));
        };
        if slot.state == State::Writing {
            return Err(Refusal::Busy);
        }
        if slot.holdings > 0 {
            self.abandon(from, FileId(digest), out);
        }
        let Some(slot) = self.slots.get_mut(&digest) else {
            return Ok(Some(Response::Deleted { digest }));
        };
        if slot.holdings > 0 || !slot.claims.contains(&from) {
            return Err(Refusal::InUse);
        }
        slot.claims.remove(&from);
        let charge = Charge::piece(slot.bytes);
        if slot.claims.is_empty() {
            slot.state = State::Removing;
            slot.waiting.push(tag);
            self.in_flight += 1;
            out.push(Output::Remove {
                shelf: Shelf::Pieces,
                digest,
            });
        } else {
            reply(out, tag, Response::Deleted { digest });
        }
        self.pending.release(from, charge);
        Ok(None)
    }

    /// Remembers who put an unprotected piece, within the account's allowance.
    fn claim(&mut self, from: AccountId, digest: Digest, bytes: u64) -> Result<(), Refusal> {
        let free_of_charge = |slot: &Slot| {
            slot.protections > 0 || slot.claims.contains(&from) || slot.claims.len() >= MAX_CLAIMS
        };
        if self.slots.get(&digest).is_some_and(free_of_charge) {
            return Ok(());
        }
        let charge = Charge::piece(bytes);
        self.must_be_allowed(&from, charge)?;
        self.pending.charge(from, charge);
        let now = self.now;
        self.slots
            .entry(digest)
            .or_insert_with(|| Slot::new(0, State::Lost, now))
            .claims
            .insert(from);
        Ok(())
    }

    /// The list of a file's slices.
    fn slices(&self, file: FileId, root: Digest) -> Result<Response, Refusal> {
        let kept = self.holdings.get(&key(file, root));
        let kept = kept.filter(|kept| kept.state == HoldingState::Held);
        // The manifest comes last.
        let slices = kept.and_then(|kept| Some(kept.pieces.split_last()?.1.to_vec()));
        let slices = slices.and_then(|slices| Digests::new(slices).ok());
        let slices = slices.ok_or(Refusal::Unknown)?;
        Ok(Response::Slices { slices })
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.slots
            .get(digest)
            .is_some_and(|slot| slot.state == State::Held)
    }

    fn room_to_work(&self) -> Result<(), Refusal> {
        if self.in_flight >= self.config.in_flight {
            return Err(Refusal::Busy);
        }
        Ok(())
    }
}
