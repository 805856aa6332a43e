//! Whose move an order waits for, call by call.
//!
//! The phase says who loses when nothing comes; here stands which calls would be that move. A
//! pool keeps a place for each of them, since silence costs a bond.

use crate::{AccountId, Call, Height, Order, OrderId, Phase};

/// One move that an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// The order.
    pub order: OrderId,
    /// Who has to move.
    pub by: AccountId,
    /// Whom keys are handed to, where the move is a grant: each is a move of its own.
    pub grantee: Option<AccountId>,
    /// The move counts in the blocks before this height.
    pub deadline: Height,
}

impl Order {
    /// The move that `call` of `sender` would be, if the order waits for it.
    ///
    /// `validators` are the network's. Whether the ledger will accept the call is not decided here:
    /// its contents are not looked at.
    pub fn turn(&self, validators: &[AccountId], sender: AccountId, call: &Call) -> Option<Turn> {
        if call.order() != Some(self.id) {
            return None;
        }
        let is_requester = sender == self.requester;
        let is_provider = self.provider() == Some(sender);
        let seat = self.seat(sender).filter(|seat| !seat.slashed);
        let awaited = match (self.phase, call) {
            (Phase::Assigned, Call::Grant { grantee, .. }) => {
                is_requester && self.provider() == Some(*grantee)
            }
            (Phase::Running, Call::CommitTrace { .. } | Call::Decline { .. }) => is_provider,
            (Phase::Opening, Call::OpenStarts { .. }) => {
                is_provider && self.round().is_some_and(|round| round.starts.is_empty())
            }
            (Phase::Opening, Call::Grant { grantee, .. }) => {
                let since = self.round().map_or(self.since, |round| round.at);
                is_provider
                    && self.seat(*grantee).is_some()
                    && !self.granted(sender, *grantee, since)
            }
            (Phase::Auditing, Call::CommitAudit { .. }) => {
                seat.is_some_and(|seat| seat.commitment.is_none())
            }
            (Phase::Closing, Call::OpenEnds { .. }) => is_provider,
            (Phase::Revealing, Call::RevealAudit { .. }) => {
                seat.is_some_and(|seat| seat.commitment.is_some() && seat.results.is_none())
            }
            (Phase::Bisecting, Call::Bisect { .. }) => self.dispute().is_some_and(|dispute| {
                is_provider && dispute.provider_move.is_none()
                    || sender == dispute.challenger && dispute.challenger_move.is_none()
            }),
            // Who is disputed shows the validators its keys; its bond hangs on it.
            (Phase::Bisecting | Phase::Attesting, Call::Grant { grantee, .. }) => {
                let holds_keys = |dispute: &crate::Dispute| {
                    is_requester || is_provider || sender == dispute.challenger
                };
                self.dispute().is_some_and(|dispute| {
                    holds_keys(dispute)
                        && validators.binary_search(grantee).is_ok()
                        && !self.granted(sender, *grantee, dispute.opened)
                })
            }
            (Phase::Attesting, Call::Attest { .. }) => {
                let attested = |dispute: &crate::Dispute| {
                    let mut made = dispute.attestations.iter();
                    made.any(|made| made.validator == sender)
                };
                validators.binary_search(&sender).is_ok()
                    && self.dispute().is_some_and(|dispute| !attested(dispute))
            }
            (Phase::Accepted, Call::Accept { .. } | Call::Complain { .. }) => is_requester,
            _ => false,
        };
        let grantee = match call {
            Call::Grant { grantee, .. } => Some(*grantee),
            _ => None,
        };
        awaited.then_some(Turn {
            order: self.id,
            by: sender,
            grantee,
            deadline: self.deadline,
        })
    }

    fn granted(&self, from: AccountId, to: AccountId, since: Height) -> bool {
        let mut grants = self.grants_to(to);
        grants.any(|grant| grant.from == from && grant.at >= since)
    }
}
