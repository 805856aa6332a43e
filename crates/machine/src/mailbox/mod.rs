//! Conversations over a network that loses, repeats and reorders, between machines that are killed.
//!
//! A machine hands its [`Mailbox`] what came ([`receive`](Mailbox::receive)), posts letters
//! ([`post`](Mailbox::post)), notes what else it acted on ([`act`](Mailbox::act)), and ends every
//! step with [`commit`](Mailbox::commit), whose outputs it passes on. What it gets for that:
//!
//! - **In order, exactly once.** The letters of each peer are numbered, and come out by number, each
//!   in one step. A step is one entry of the journal with everything that came of it, so a kill loses
//!   both or neither, and a machine that is made anew sees the same letters again in the same order.
//! - **Kept until acknowledged.** A letter is sent again and again until its receiver has signed for
//!   it. What may be under way to one peer is bounded ([`Limits`]); more is refused, and a peer that
//!   acknowledges nothing for long is a [`Condition`].
//! - **Signed at checkpoints.** A [`Statement`] is signature, receipt and transcript head in one. Two
//!   that no single history has are an [`Equivocation`], which anybody can check.
//! - **No way back.** An account that goes on from an old copy of its journal is told by its peers
//!   with its own signature, and stops ([`OldJournal`]).
//!
//! `docs/mail.md` has the byte maps and what is not promised.

mod entry;
mod error;
mod limits;
mod packet;
mod peer;
mod receive;
mod recovery;
mod statement;

use std::collections::BTreeMap;

use assay_crypto::{Digest, PublicKey, SecretKey, Signature};

pub use entry::{Acted, Step};
pub use error::{BadJournal, Condition, OldJournal, PostError, Refused};
pub use limits::Limits;
pub use packet::{ENVELOPE, Letter, Packet, STATEMENT};
pub use receive::Received;
pub use recovery::Checkpoint;
pub use statement::{Equivocation, Mark, Statement};

use crate::{Millis, Output, Protocol, Transcript};
use entry::Entry;
use peer::{Due, Peer};

/// The mail of one machine in one conversation.
pub struct Mailbox {
    key: SecretKey,
    me: PublicKey,
    subject: Digest,
    limits: Limits,
    peers: BTreeMap<PublicKey, Peer>,
    /// None before there is a seed.
    transcript: Option<Transcript>,
    seed: [u8; 32],
    /// Entries in the journal.
    entries: u64,
    known: Option<Checkpoint>,
    old: Option<OldJournal>,
    staged: Option<Step>,
    /// Whether this life goes on from another one and has said nothing yet.
    greets: bool,
}

impl Mailbox {
    /// The mailbox of `key`'s account in the conversation `subject` with `peers`. No two
    /// conversations have one subject.
    pub fn new(
        key: SecretKey,
        subject: Digest,
        peers: impl IntoIterator<Item = PublicKey>,
        limits: Limits,
    ) -> Self {
        let me = key.public();
        let others = peers.into_iter().filter(|peer| *peer != me);
        Self {
            peers: others
                .map(|peer| (peer, Peer::new(&subject, &me, &peer)))
                .collect(),
            key,
            me,
            subject,
            limits,
            transcript: None,
            seed: [0; 32],
            entries: 0,
            known: None,
            old: None,
            staged: None,
            greets: false,
        }
    }

    /// The seed that the conversation began with. A machine that draws from it alone can be run
    /// again by whoever is given it.
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// How many steps there were, and the head of the transcript after them.
    pub fn checkpoint(&self) -> Checkpoint {
        let transcript = self.transcript.as_ref();
        Checkpoint {
            steps: transcript.map_or(0, Transcript::steps),
            head: transcript.map_or(Digest::ZERO, Transcript::head),
        }
    }

    /// The newest statement of a peer: what it has signed for.
    pub fn statement_of(&self, peer: &PublicKey) -> Option<&Statement> {
        self.peers.get(peer)?.newest()
    }

    /// Letters to a peer that it has not signed for, and the bytes in them.
    pub fn under_way(&self, peer: &PublicKey) -> (usize, usize) {
        let staged = self.staged.iter().flat_map(|step| &step.posts);
        let staged = staged.filter(|(to, _)| to == peer);
        let (letters, bytes) = staged.fold((0, 0), |(n, b), (_, post)| (n + 1, b + post.len()));
        match self.peers.get(peer) {
            Some(known) => (known.kept() + letters, known.kept_bytes + bytes),
            None => (0, 0),
        }
    }

    /// Says what else the machine acts on in this step, in its own words: an answer, a wake, what it
    /// saw. A letter says it by itself.
    ///
    /// # Errors
    /// [`Refused::Uncommitted`] when this step acts on something already.
    pub fn act(&mut self, input: Vec<u8>) -> Result<(), Refused> {
        self.usable()?;
        match &self.staged {
            Some(_) => Err(Refused::Uncommitted),
            None => {
                self.staged = Some(Step {
                    acted: Acted::Other(input),
                    ..Step::default()
                });
                Ok(())
            }
        }
    }

    /// Posts a letter; it leaves with the next commit.
    ///
    /// # Errors
    /// [`PostError`]; nothing is posted then.
    pub fn post(&mut self, to: PublicKey, letter: Vec<u8>) -> Result<(), PostError> {
        self.usable()?;
        if !self.peers.contains_key(&to) {
            return Err(PostError::Stranger(to));
        }
        let (found, most) = (letter.len(), self.limits.letter_bytes);
        if found > most {
            return Err(PostError::TooLong { found, most });
        }
        let (letters, bytes) = self.under_way(&to);
        if letters >= self.limits.letters || bytes + found > self.limits.bytes {
            return Err(PostError::Full { to, letters, bytes });
        }
        let step = self.staged.get_or_insert_default();
        step.posts.push((to, letter));
        Ok(())
    }

    /// Adds something to this step's entry and to the transcript.
    ///
    /// # Errors
    /// [`OldJournal`].
    pub fn note(&mut self, note: Vec<u8>) -> Result<(), OldJournal> {
        self.usable()?;
        self.staged.get_or_insert_default().notes.push(note);
        Ok(())
    }

    /// Signs a statement for every peer with the next commit, whatever the limits say.
    pub fn state(&mut self) {
        for peer in self.peers.values_mut() {
            peer.due.statement = true;
        }
    }

    /// What has come to pass by `now`. [`Self::commit`] follows.
    pub fn wake(&mut self, now: Millis) -> Vec<Condition> {
        let mut told = Vec::new();
        for (account, peer) in &mut self.peers {
            let timers = &mut peer.timers;
            if timers.resend_at.is_some_and(|at| at <= now) {
                peer.due.resend = true;
                timers.pause =
                    (2 * timers.pause).clamp(self.limits.resend_ms, self.limits.longest_resend_ms);
                timers.resend_at = Some(now + timers.pause);
            }
            let since = timers.waiting_since;
            if since.is_some_and(|at| at + self.limits.silent_ms <= now) && !timers.silence_told {
                timers.silence_told = true;
                told.push(Condition::Silent(*account));
            }
        }
        told
    }

    /// When to call [`Self::wake`] at the latest.
    pub fn due(&self) -> Option<Millis> {
        let peers = self.peers.values().map(|peer| &peer.timers);
        let times = peers.flat_map(|timers| {
            let silence = timers.waiting_since.map(|at| at + self.limits.silent_ms);
            let silence = silence.filter(|_| !timers.silence_told);
            [timers.resend_at, timers.state_at, silence]
        });
        times.flatten().min()
    }

    /// Ends a step: what is to be written down and sent for it, in this order.
    pub fn commit<P: Protocol>(&mut self, now: Millis) -> Vec<Output<P>> {
        let mut outputs = Vec::new();
        if self.usable().is_err() || self.transcript.is_none() {
            self.staged = None;
            return outputs;
        }
        if self.entries == 0 && self.staged.is_some() {
            let opened = Entry::Opened {
                me: self.me,
                subject: self.subject.0,
                seed: self.seed,
            };
            outputs.push(Output::Journal(opened.encode()));
            self.entries += 1;
        }
        let before: Vec<u64> = self.peers.values().map(|peer| peer.sent.count).collect();
        if let Some(mut step) = self.staged.take() {
            let peers = self.peers.values_mut();
            step.statements = peers.filter_map(|peer| peer.unsaved.take()).collect();
            outputs.push(Output::Journal(Entry::Step(step.clone()).encode()));
            self.entries += 1;
            self.apply(step);
        }
        let greets = std::mem::take(&mut self.greets);
        let Checkpoint { steps, head } = self.checkpoint();
        for ((to, peer), before) in self.peers.iter_mut().zip(before) {
            let (unstated, timers) = (peer.unstated(), &mut peer.timers);
            let mut due = peer.due;
            // A life says first where it stands: it does not know what was lost with the last one.
            due.statement |= greets
                || unstated >= self.limits.statement_every.max(1)
                || timers.state_at.is_some_and(|at| at <= now);
            let stays = Due {
                statement: false,
                resend: false,
                ..due
            };
            peer.due = if due.statement { Due::default() } else { stays };
            let mut statement = due.statement.then(|| {
                let statement = Statement {
                    subject: self.subject,
                    by: self.me,
                    to: *to,
                    steps,
                    head,
                    sent: peer.sent,
                    received: peer.received,
                    signature: Signature([0; 64]),
                };
                statement.signed(&self.key)
            });
            if statement.is_some() {
                peer.stated = peer.sent.count + peer.received.count;
            }
            let mut reminder = peer.newest().copied();
            reminder.take_if(|_| !(due.statement && due.reminder));
            let from = if due.resend { 0 } else { before + 1 };
            let mut letters = peer.letters_from(from).peekable();
            while let Some(letter) = letters.next() {
                let last = letters.peek().is_none();
                let packet = Packet {
                    subject: self.subject,
                    statement: statement.take_if(|_| last),
                    reminder: reminder.take_if(|_| last),
                    letter: Some(letter),
                };
                outputs.push(Output::Send {
                    to: *to,
                    bytes: packet.encode(),
                });
            }
            drop(letters);
            if statement.is_some() {
                let packet = Packet {
                    subject: self.subject,
                    statement,
                    reminder,
                    letter: None,
                };
                outputs.push(Output::Send {
                    to: *to,
                    bytes: packet.encode(),
                });
            }
            self.limits.set(now, peer);
        }
        outputs
    }

    /// Whether the journal is as new as this account is known to have signed.
    fn usable(&self) -> Result<(), OldJournal> {
        if let Some(old) = self.old {
            return Err(old);
        }
        let found = self.checkpoint().steps;
        let known = self.known.map_or(0, |known| known.steps);
        match found < known {
            true => Err(OldJournal { found, known }),
            false => Ok(()),
        }
    }

    /// Takes a step into what is known.
    fn apply(&mut self, step: Step) {
        let Some(transcript) = &mut self.transcript else {
            return;
        };
        step.enter(transcript);
        if let Acted::Letter { from, bytes } = &step.acted
            && let Some(peer) = self.peers.get_mut(from)
        {
            peer.accept(bytes);
        }
        for (to, letter) in step.posts {
            if let Some(peer) = self.peers.get_mut(&to) {
                peer.keep(letter);
            }
        }
    }
}
