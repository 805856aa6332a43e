//! The pursuit of one piece among its holders.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::AccountId;

use super::DownloadConfig;
use crate::fault::Fault;
use crate::time::{Millis, Tag};

/// One piece not yet here.
#[derive(Debug)]
pub(super) struct Fetch {
    digest: Digest,
    /// Requests out, oldest first.
    out: Vec<(Tag, AccountId, Millis)>,
    faults: BTreeMap<AccountId, Fault>,
    /// Holders not to be asked in this round.
    spent: Vec<AccountId>,
    round: u32,
    not_before: Millis,
}

/// What to do about a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait,
    Ask(AccountId),
    GiveUp,
}

impl Fetch {
    pub(super) fn new(digest: Digest) -> Self {
        Self {
            digest,
            out: Vec::new(),
            faults: BTreeMap::new(),
            spent: Vec::new(),
            round: 1,
            not_before: Millis::default(),
        }
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn sent(&mut self, tag: Tag, node: AccountId, now: Millis) {
        self.out.push((tag, node, now));
        self.spent.push(node);
    }

    /// The node that answered a request, which is no longer out.
    pub(super) fn landed(&mut self, tag: Tag) -> Option<AccountId> {
        let at = self.out.iter().position(|(out, _, _)| *out == tag)?;
        Some(self.out.remove(at).1)
    }

    pub(super) fn failed(&mut self, node: AccountId, fault: Fault) {
        self.faults.insert(node, fault);
    }

    /// Nodes still out for so long that another one was asked.
    pub(super) fn overtaken(&self, now: Millis, hedge_ms: u64) -> Vec<AccountId> {
        let slow = self.out.iter().filter(|(_, _, at)| *at + hedge_ms <= now);
        slow.map(|(_, node, _)| *node).collect()
    }

    /// Gives up requests that are out for too long.
    pub(super) fn expire(&mut self, now: Millis, timeout_ms: u64) -> Vec<(Tag, AccountId)> {
        let (late, out) = std::mem::take(&mut self.out)
            .into_iter()
            .partition(|(_, _, at)| *at + timeout_ms <= now);
        self.out = out;
        let late: Vec<(Tag, AccountId, Millis)> = late;
        for (_, node, _) in &late {
            self.failed(*node, Fault::Late);
        }
        late.into_iter().map(|(tag, node, _)| (tag, node)).collect()
    }

    /// Decides, given the holders in the order they should be asked.
    pub(super) fn next(
        &mut self,
        now: Millis,
        holders: &[AccountId],
        config: &DownloadConfig,
    ) -> Next {
        let patient = self
            .out
            .iter()
            .any(|(_, _, at)| *at + config.hedge_ms > now);
        if patient || self.not_before > now {
            return Next::Wait;
        }
        if let Some(node) = holders.iter().find(|node| !self.spent.contains(node)) {
            return Next::Ask(*node);
        }
        if !self.out.is_empty() {
            return Next::Wait;
        }
        let may_recover =
            |node: &&AccountId| self.faults.get(node).is_none_or(|f| f.is_transient());
        if self.round >= config.rounds || !holders.iter().any(|node| may_recover(&node)) {
            return Next::GiveUp;
        }
        self.round += 1;
        self.spent = holders
            .iter()
            .filter(|node| !may_recover(node))
            .copied()
            .collect();
        self.not_before = now + config.retry_ms;
        Next::Wait
    }

    /// When, after `now`, time alone changes the decision.
    pub(super) fn wake(&self, now: Millis, config: &DownloadConfig) -> Option<Millis> {
        let hedges = self.out.last().map(|(_, _, at)| *at + config.hedge_ms);
        let timeout = self.out.first().map(|(_, _, at)| *at + config.timeout_ms);
        let times = [Some(self.not_before), hedges, timeout];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }

    pub(super) fn tried(&self) -> Vec<(AccountId, Fault)> {
        self.faults.iter().map(|(n, f)| (*n, *f)).collect()
    }
}
