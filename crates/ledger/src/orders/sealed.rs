//! Findings that validators commit to before anybody shows one, for disputes and for scores.
//!
//! In the open the first findings could be copied by whoever never looked. So a finding is committed to
//! first, until enough have, or three quarters of the time are over; then those who committed reveal. Who did
//! not commit in time is heard after them, for its voice may be needed; but it may have copied, and is not
//! paid.

use assay_crypto::Digest;

use crate::{AccountId, FindingCommitment, Moment, OrderId, OrderRefusal};

/// Of the time that validators have, the eighths in which they commit.
const COMMITTING: u64 = 6;
/// The eighths that those who committed have to reveal before others are heard.
const REVEALING: u64 = 1;

/// Whose findings are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hearing {
    /// Nobody's: validators commit to them.
    Sealed,
    /// Those of validators that committed.
    Committed,
    /// Everybody's.
    Open,
}

/// What was committed to about one question, and who has revealed.
pub(super) struct Sealed<'a> {
    pub(super) order: OrderId,
    /// When the phase began, and until when it lasts.
    pub(super) whole: (Moment, Moment),
    /// In the order in which it came.
    pub(super) commitments: &'a [FindingCommitment],
    /// When enough had committed, if they did.
    pub(super) closed: Option<Moment>,
    /// Who has revealed.
    pub(super) revealed: &'a dyn Fn(AccountId) -> bool,
}

impl Sealed<'_> {
    /// Whose findings are heard in the block `now`.
    pub(super) fn hearing(&self, now: Moment) -> Hearing {
        let (since, _) = self.whole;
        let closed = self.closed;
        let closed = closed.unwrap_or_else(|| since.later(COMMITTING, self.whole));
        let mut committed = self.commitments.iter();
        if !closed.is_reached(now) {
            Hearing::Sealed
        } else if committed.all(|of| (self.revealed)(of.validator))
            || closed.later(REVEALING, self.whole).is_reached(now)
        {
            Hearing::Open
        } else {
            Hearing::Committed
        }
    }

    /// What a validator committed to.
    pub(super) fn commitment_of(&self, validator: AccountId) -> Option<Digest> {
        let mut made = self.commitments.iter();
        let made = made.find(|made| made.validator == validator);
        made.map(|made| made.commitment)
    }

    /// From when on a validator is heard.
    fn heard_from(&self, validator: AccountId) -> Hearing {
        match self.commitment_of(validator) {
            Some(_) => Hearing::Committed,
            None => Hearing::Open,
        }
    }

    /// Whether a validator has to commit in the block `now`.
    pub(super) fn has_to_commit(&self, validator: AccountId, now: Moment) -> bool {
        let silent = !(self.revealed)(validator) && self.commitment_of(validator).is_none();
        silent && self.hearing(now) == Hearing::Sealed
    }

    /// Whether a validator is heard in the block `now`, and has not revealed.
    pub(super) fn has_to_reveal(&self, validator: AccountId, now: Moment) -> bool {
        !(self.revealed)(validator) && self.hearing(now) >= self.heard_from(validator)
    }

    /// Refuses a commitment that comes twice, or too late.
    pub(super) fn check_commit(
        &self,
        validator: AccountId,
        now: Moment,
    ) -> Result<(), OrderRefusal> {
        let order = self.order;
        if (self.revealed)(validator) || self.commitment_of(validator).is_some() {
            return Err(OrderRefusal::AlreadyDone { order });
        }
        match self.hearing(now) {
            Hearing::Sealed => Ok(()),
            _ => Err(OrderRefusal::FindingsOpen { order }),
        }
    }

    /// Refuses a finding that comes twice, or too early, or is not what was committed to: `named` is the
    /// commitment that it would be with the salt that is shown.
    pub(super) fn check_reveal(
        &self,
        validator: AccountId,
        now: Moment,
        named: Option<Digest>,
    ) -> Result<(), OrderRefusal> {
        let order = self.order;
        if (self.revealed)(validator) {
            return Err(OrderRefusal::AlreadyDone { order });
        }
        if self.hearing(now) < self.heard_from(validator) {
            return Err(OrderRefusal::FindingsSealed { order });
        }
        match self.commitment_of(validator) == named {
            true => Ok(()),
            false => Err(OrderRefusal::CommitmentMismatch { order }),
        }
    }
}
