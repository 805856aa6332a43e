//! How much a mailbox holds, and how long it waits.

use super::peer::Peer;
use crate::Millis;

/// What a mailbox holds and how long it waits. Both ends of a conversation have equal ones of the
/// first four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one letter.
    pub letter_bytes: usize,
    /// Letters to one peer that are not acknowledged.
    pub letters: usize,
    /// Bytes in them.
    pub bytes: usize,
    /// Letters to and from a peer after which a statement is made.
    pub statement_every: u64,
    /// Milliseconds after which it is made for fewer.
    pub statement_after_ms: u64,
    /// Milliseconds before letters are sent again; doubles each time.
    pub resend_ms: u64,
    /// The longest such pause.
    pub longest_resend_ms: u64,
    /// Milliseconds without any acknowledgement after which a peer counts as silent.
    pub silent_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            letter_bytes: 1 << 20,
            letters: 64,
            bytes: 8 << 20,
            statement_every: 16,
            statement_after_ms: 200,
            resend_ms: 1_000,
            longest_resend_ms: 60_000,
            silent_ms: 600_000,
        }
    }
}

impl Limits {
    /// Sets the timers of a peer for what is under way now.
    pub(super) fn set(&self, now: Millis, peer: &mut Peer) {
        let (waits, unstated) = (peer.kept() > 0, peer.unstated() > 0 || peer.due.answer);
        let timers = &mut peer.timers;
        if waits {
            timers.resend_at.get_or_insert(now + self.resend_ms);
            timers.waiting_since.get_or_insert(now);
        } else {
            (timers.resend_at, timers.waiting_since) = (None, None);
        }
        match unstated {
            true => _ = timers.state_at.get_or_insert(now + self.statement_after_ms),
            false => timers.state_at = None,
        }
    }
}
