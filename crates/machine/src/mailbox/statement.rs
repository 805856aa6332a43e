//! What an account signs about its mail and its transcript.

use assay_crypto::{Digest, PublicKey, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};

/// Under which statements are signed.
const DOMAIN: &str = "assay/mail statement/v1";

/// How far the letters of one direction have come, and which they were.
///
/// ```text
/// c_0 = H(subject, from, to)
/// c_n = H(c_{n-1}, letter n)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Mark {
    /// How many letters.
    pub count: u64,
    /// The chain over all of them.
    pub chain: Digest,
}

impl Mark {
    /// Before the first letter.
    pub fn start(subject: &Digest, from: &PublicKey, to: &PublicKey) -> Self {
        let parts: [&[u8]; 3] = [&subject.0, &from.0, &to.0];
        Self {
            count: 0,
            chain: Digest::of("assay/mail/v1", &parts),
        }
    }

    /// After one more letter.
    #[must_use]
    pub fn after(&self, letter: &[u8]) -> Self {
        Self {
            count: self.count + 1,
            chain: Digest::of("assay/mail letter/v1", &[&self.chain.0, letter]),
        }
    }
}

/// What one account says to another at a checkpoint of its transcript, signed: what it has sent it
/// and has taken from it, and which head its transcript has. It is signature, receipt and checkpoint
/// in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Statement {
    /// The conversation.
    pub subject: Digest,
    /// Who says it.
    pub by: PublicKey,
    /// To whom.
    pub to: PublicKey,
    /// Inputs that its machine has acted on.
    pub steps: u64,
    /// Head of its transcript after them.
    pub head: Digest,
    /// What it has sent to `to` by then.
    pub sent: Mark,
    /// What it has taken from `to` by then. The sender need not keep it any longer.
    pub received: Mark,
    /// By `by`, over everything above.
    pub signature: Signature,
}

impl Statement {
    /// Signs one; `signature` is ignored.
    #[must_use]
    pub fn signed(mut self, key: &SecretKey) -> Self {
        self.signature = key.sign(DOMAIN, &self.to_sign());
        self
    }

    /// Whether `by` has signed it.
    pub fn is_signed(&self) -> bool {
        let verified = self.by.verify(DOMAIN, &self.to_sign(), &self.signature);
        verified.is_ok()
    }

    /// Whether no single history of `by` has both.
    fn contradicts(&self, other: &Self) -> bool {
        if (self.subject, self.by) != (other.subject, other.by) {
            return false;
        }
        if self.steps == other.steps && self.head != other.head {
            return true;
        }
        if self.to != other.to {
            return false;
        }
        let (early, late) = match self.steps <= other.steps {
            true => (self, other),
            false => (other, self),
        };
        let goes_on = |early: Mark, late: Mark| match self.steps == other.steps {
            true => early == late,
            false => early == late || early.count < late.count,
        };
        !(goes_on(early.sent, late.sent) && goes_on(early.received, late.received))
    }

    fn to_sign(self) -> Vec<u8> {
        let unsigned = Self {
            signature: Signature([0; 64]),
            ..self
        };
        // Writing to memory does not fail.
        borsh::to_vec(&unsigned).unwrap_or_default()
    }
}

/// Two statements of one account of which at most one can be true: it has shown two histories of
/// one conversation. Anybody can check this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Equivocation {
    /// One.
    pub first: Statement,
    /// The other.
    pub second: Statement,
}

impl Equivocation {
    /// The evidence in two statements, if they are such.
    pub fn of(first: &Statement, second: &Statement) -> Option<Self> {
        let (first, second) = (*first, *second);
        let found = Self { first, second };
        found.is_proven().then_some(found)
    }

    /// Who has shown two histories.
    pub fn by(&self) -> PublicKey {
        self.first.by
    }

    /// Whether it proves what it says.
    pub fn is_proven(&self) -> bool {
        self.first.contradicts(&self.second) && self.first.is_signed() && self.second.is_signed()
    }
}
