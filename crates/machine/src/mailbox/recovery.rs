//! Making a mailbox anew from its journal.

use assay_crypto::Digest;

use super::Mailbox;
use super::entry::{Acted, Entry, Step};
use super::error::BadJournal;
use crate::Transcript;

/// A place in a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Inputs that were acted on.
    pub steps: u64,
    /// The head after them.
    pub head: Digest,
}

impl Mailbox {
    /// Takes the seed of [`Input::Seed`](crate::Input::Seed). A conversation keeps that of its first
    /// life.
    pub fn seeded(&mut self, seed: [u8; 32]) {
        if self.entries == 0 {
            self.seed = seed;
            self.transcript = Some(Transcript::new(&self.subject, &self.me, &seed));
        }
    }

    /// Says what this account is known to have done, from the ledger or wherever it was posted. A
    /// journal that lacks it is refused: as an entry, or at the first use. Comes before the journal.
    pub fn expect(&mut self, known: Checkpoint) {
        self.known = Some(known);
    }

    /// Takes an entry of an earlier life; returns the step that the machine makes again, without
    /// posting what came of it.
    ///
    /// # Errors
    /// [`BadJournal`]: the machine must not go on.
    pub fn recover(&mut self, entry: &[u8]) -> Result<Option<Step>, BadJournal> {
        let bad = BadJournal::Entry(self.entries);
        let step = match (Entry::decode(entry), self.entries) {
            (Some(Entry::Opened { me, subject, seed }), 0) => {
                if (me, Digest(subject)) != (self.me, self.subject) {
                    return Err(bad);
                }
                self.seeded(seed);
                self.entries = 1;
                return Ok(None);
            }
            (Some(Entry::Step(step)), 1..) => step,
            _ => return Err(bad),
        };
        let known = |account| self.peers.contains_key(account);
        let from = match &step.acted {
            Acted::Letter { from, .. } => Some(from),
            Acted::Other(_) => None,
        };
        let posts = step.posts.iter().map(|(to, _)| to);
        let theirs = step.statements.iter().map(|statement| &statement.by);
        if !from.into_iter().chain(posts).chain(theirs).all(known) {
            return Err(bad);
        }
        // What was acknowledged by then need not be kept, now as then.
        for statement in &step.statements {
            let peer = self.peers.get_mut(&statement.by);
            let ours = statement.to == self.me && statement.subject == self.subject;
            match peer {
                Some(peer) if ours && matches!(peer.check(statement), Ok(true)) => {
                    peer.take(*statement);
                    peer.unsaved = None;
                }
                _ => return Err(bad),
            }
        }
        self.apply(step.clone());
        self.entries += 1;
        self.greets = true;
        let now = self.checkpoint();
        match self.known {
            Some(known) if known.steps == now.steps && known.head != now.head => {
                Err(BadJournal::Forked(now.steps))
            }
            _ => Ok(Some(step)),
        }
    }

    /// Says that the journal has ended.
    ///
    /// # Errors
    /// [`BadJournal::Old`] when it lacks what is known.
    pub fn recovered(&self) -> Result<(), BadJournal> {
        Ok(self.usable()?)
    }
}

impl Step {
    /// Adds it to a transcript.
    pub(super) fn enter(&self, transcript: &mut Transcript) {
        // Writing to memory does not fail.
        let acted = borsh::to_vec(&self.acted).unwrap_or_default();
        let posts = borsh::to_vec(&self.posts).unwrap_or_default();
        let notes = borsh::to_vec(&self.notes).unwrap_or_default();
        transcript.step(&acted, [&posts[..], &notes[..]]);
    }
}
