//! What comes from a peer: checked, taken into what is known of it, or refused.

use assay_crypto::PublicKey;

use super::{Acted, Letter, Mailbox, OldJournal, Packet, Refused, Statement, Step};
use crate::Millis;

/// What came with a piece of mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// A letter, which the machine acts on before the next commit.
    pub letter: Option<Vec<u8>>,
    /// Whether letters to its sender are acknowledged by it for the first time.
    pub acknowledged: bool,
}

impl Mailbox {
    /// Takes what came from `from`. Whatever becomes of it, [`Self::commit`] follows.
    ///
    /// # Errors
    /// [`Refused`] says what is wrong. A good statement counts even if the letter beside it is
    /// refused.
    pub fn receive(
        &mut self,
        now: Millis,
        from: PublicKey,
        bytes: &[u8],
    ) -> Result<Received, Refused> {
        self.usable()?;
        if self.staged.is_some() {
            return Err(Refused::Uncommitted);
        }
        let packet = Packet::decode(bytes, self.limits.letter_bytes)?;
        let steps = self.checkpoint().steps;
        let (me, subject) = (self.me, self.subject);
        let peer = self.peers.get_mut(&from);
        let peer = peer.ok_or(Refused::Stranger(from))?;
        if packet.subject != subject {
            return Err(Refused::Subject);
        }
        let between = |statement: &Statement, by: PublicKey, to: PublicKey| {
            if (statement.subject, statement.by, statement.to) != (subject, by, to) {
                return Err(Refused::NotTheirs);
            }
            statement
                .is_signed()
                .then_some(())
                .ok_or(Refused::Signature(by))
        };
        if let Some(reminder) = &packet.reminder {
            between(reminder, me, from)?;
            let (found, known) = (steps, reminder.steps);
            if known > found {
                let old = OldJournal { found, known };
                self.old = Some(old);
                self.staged = None;
                return Err(old.into());
            }
        }
        let mut acknowledged = false;
        if let Some(statement) = packet.statement {
            between(&statement, from, me)?;
            let newest = peer.newest().map(|newest| newest.steps);
            if peer.check(&statement)? {
                acknowledged = peer.take(statement);
            } else if newest.is_some_and(|newest| statement.steps < newest) {
                // Late, or from an old copy of a journal.
                (peer.due.answer, peer.due.reminder) = (true, true);
            }
            // It is there, so what it lacks is sent again before long.
            let waits = peer.kept() > 0;
            let timers = &mut peer.timers;
            timers.pause = 0;
            timers.resend_at = waits.then_some(now + self.limits.resend_ms);
            if acknowledged {
                timers.silence_told = false;
                timers.waiting_since = waits.then_some(now);
            }
        }
        let Some(letter) = packet.letter else {
            return Ok(Received {
                letter: None,
                acknowledged,
            });
        };
        let Letter { bytes, .. } = match peer.follows(&letter) {
            Ok(_) => letter,
            Err(refused) => {
                // A receipt was lost, or a letter: its sender is told where things stand.
                peer.due.answer |=
                    matches!(refused, Refused::Replayed { .. } | Refused::Early { .. });
                peer.due.reminder |= matches!(refused, Refused::Replayed { .. });
                return Err(refused);
            }
        };
        let acted = Acted::Letter {
            from,
            bytes: bytes.clone(),
        };
        self.staged = Some(Step {
            acted,
            ..Step::default()
        });
        Ok(Received {
            letter: Some(bytes),
            acknowledged,
        })
    }
}
