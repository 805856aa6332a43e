//! What a mailbox knows of one peer.

use std::collections::VecDeque;

use assay_crypto::{Digest, PublicKey};

use super::error::Refused;
use super::packet::Letter;
use super::statement::{Equivocation, Mark, Statement};
use crate::Millis;

/// Statements and marks of a peer that are remembered, to find contradictions among them.
const REMEMBERED: usize = 64;

pub(super) struct Peer {
    pub(super) sent: Mark,
    /// As far as the peer has acknowledged.
    acknowledged: Mark,
    /// Letters behind that, each with the mark after it.
    kept: VecDeque<(Mark, Vec<u8>)>,
    pub(super) kept_bytes: usize,
    pub(super) received: Mark,
    /// The marks before that one, newest last.
    passed: VecDeque<Mark>,
    /// Newest last.
    statements: VecDeque<Statement>,
    /// The newest one, until it is in the journal.
    pub(super) unsaved: Option<Statement>,
    /// Letters, sent and received, that the last statement to the peer covers.
    pub(super) stated: u64,
    pub(super) timers: Timers,
    /// What the next commit sends besides new letters.
    pub(super) due: Due,
}

/// When something is to be done for a peer.
#[derive(Default)]
pub(super) struct Timers {
    pub(super) resend_at: Option<Millis>,
    /// The last pause before letters were sent again.
    pub(super) pause: u64,
    pub(super) state_at: Option<Millis>,
    /// Since when the first letter that is kept waits for being acknowledged.
    pub(super) waiting_since: Option<Millis>,
    pub(super) silence_told: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Due {
    /// A statement now.
    pub(super) statement: bool,
    /// A statement soon: what came shows that the peer does not know where things stand.
    pub(super) answer: bool,
    /// With that statement the newest one of the peer.
    pub(super) reminder: bool,
    pub(super) resend: bool,
}

impl Peer {
    pub(super) fn new(subject: &Digest, me: &PublicKey, peer: &PublicKey) -> Self {
        let sent = Mark::start(subject, me, peer);
        Self {
            sent,
            acknowledged: sent,
            kept: VecDeque::new(),
            kept_bytes: 0,
            received: Mark::start(subject, peer, me),
            passed: VecDeque::new(),
            statements: VecDeque::new(),
            unsaved: None,
            stated: 0,
            timers: Timers::default(),
            due: Due::default(),
        }
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Letters that no statement to the peer covers.
    pub(super) fn unstated(&self) -> u64 {
        (self.sent.count + self.received.count).saturating_sub(self.stated)
    }

    pub(super) fn newest(&self) -> Option<&Statement> {
        self.statements.back()
    }

    /// Counts a letter as taken.
    pub(super) fn accept(&mut self, bytes: &[u8]) {
        if self.passed.len() == REMEMBERED {
            self.passed.pop_front();
        }
        self.passed.push_back(self.received);
        self.received = self.received.after(bytes);
    }

    /// Takes a letter into what is to be sent.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) {
        self.sent = self.sent.after(&bytes);
        self.kept_bytes += bytes.len();
        self.kept.push_back((self.sent, bytes));
    }

    /// The letters from this number on that are kept.
    pub(super) fn letters_from(&self, number: u64) -> impl Iterator<Item = Letter> {
        let kept = self.kept.iter();
        let kept = kept.filter(move |(mark, _)| mark.count >= number);
        kept.map(|(mark, bytes)| Letter {
            number: mark.count,
            chain: mark.chain,
            bytes: bytes.clone(),
        })
    }

    /// Whether a signed statement of the peer goes with all that is known; true if it is news.
    pub(super) fn check(&self, statement: &Statement) -> Result<bool, Refused> {
        let known = self.statements.iter();
        let mut twice = known.filter_map(|known| Equivocation::of(known, statement));
        if let Some(evidence) = twice.next() {
            return Err(Refused::Equivocation(Box::new(evidence)));
        }
        let newest = self.newest().map(|newest| newest.steps);
        if newest.is_some_and(|newest| statement.steps <= newest) {
            return Ok(false);
        }
        let (found, sent) = (statement.received.count, self.sent.count);
        if found > sent {
            return Err(Refused::NeverSent { found, sent });
        }
        let mine = self.mark_at(found) == Some(statement.received);
        // It may have been overtaken by letters that were posted after it.
        let passed = self.passed.iter().chain([&self.received]);
        let mut then = passed.filter(|mark| mark.count == statement.sent.count);
        let theirs = then.all(|mark| *mark == statement.sent);
        match mine && theirs {
            true => Ok(true),
            false => Err(Refused::OtherHistory),
        }
    }

    /// Takes a statement that [`Self::check`] found to be news; true if it acknowledges anything
    /// for the first time.
    pub(super) fn take(&mut self, statement: Statement) -> bool {
        let before = self.acknowledged.count;
        while let Some((mark, _)) = self.kept.front()
            && mark.count <= statement.received.count
            && let Some((mark, bytes)) = self.kept.pop_front()
        {
            self.kept_bytes -= bytes.len();
            self.acknowledged = mark;
        }
        if self.statements.len() == REMEMBERED {
            self.statements.pop_front();
        }
        self.statements.push_back(statement);
        self.unsaved = Some(statement);
        self.acknowledged.count > before
    }

    /// Checks a letter against what comes next; returns the mark after it.
    pub(super) fn follows(&self, letter: &Letter) -> Result<Mark, Refused> {
        let (found, expected) = (letter.number, self.received.count + 1);
        if found < expected {
            return Err(Refused::Replayed { found, expected });
        }
        if found > expected {
            return Err(Refused::Early { found, expected });
        }
        let mark = self.received.after(&letter.bytes);
        let stated = self.newest().map(|newest| newest.sent);
        let stated = stated.filter(|stated| stated.count == mark.count);
        if mark.chain != letter.chain || stated.is_some_and(|stated| stated != mark) {
            return Err(Refused::OtherHistory);
        }
        Ok(mark)
    }

    fn mark_at(&self, count: u64) -> Option<Mark> {
        if count == self.acknowledged.count {
            return Some(self.acknowledged);
        }
        let at = usize::try_from(count.checked_sub(self.acknowledged.count + 1)?).ok()?;
        self.kept.get(at).map(|(mark, _)| *mark)
    }
}
