//! What a judge found, from its commitment to its reveal.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use assay_crypto::Digest;
use assay_ledger::{Attestation, Dispute, Finding, Hearing, Moment, OrderCall, Place};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::desk::Desk;
use crate::party::{CallTag, Identity, Output};
use crate::view::View;

/// A judge's journal entry: what it commits to in a dispute. Written before the commitment is sent and
/// never replaced, so that whatever happens it reveals what it committed to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Record {
    place: Place,
    found: Finding,
    salt: Digest,
}

/// What a judge has committed to, by dispute.
#[derive(Default)]
pub(super) struct Findings {
    records: BTreeMap<Place, Record>,
}

impl Findings {
    /// Takes an entry of the journal.
    pub(super) fn remember(&mut self, entry: &[u8]) {
        if let Ok(record) = borsh::from_slice::<Record>(entry) {
            self.records.entry(record.place).or_insert(record);
        }
    }

    /// What it found in the dispute at `place`, if that is settled.
    pub(super) fn at(&self, place: Place) -> Option<Finding> {
        self.records.get(&place).map(|record| record.found)
    }

    /// Makes the move that is a judge's with this finding: it commits while findings are sealed, and then
    /// reveals. One that is too late to commit says openly what it found, when everybody is heard.
    pub(super) fn say(
        &mut self,
        view: &View,
        (me, dispute): (&Identity, &Dispute),
        found: Finding,
        desk: &mut Desk,
    ) {
        let (place, now) = (view.dispute(), view.height);
        let moment = Moment {
            time: view.time,
            height: view.height,
        };
        let mut made = dispute.commitments.iter();
        let committed = made.any(|made| made.validator == me.account);
        let (found, salt) = match (committed, view.order.hearing(moment)) {
            (false, Some(Hearing::Sealed)) => {
                let Some(record) = self.record(place, found, desk) else {
                    return;
                };
                let (found, validator) = (record.found, me.account);
                let finding = Attestation { validator, found };
                let commitment = finding.commitment(&place, &record.salt);
                return desk.submit(place, CallTag::CommitFinding, now, || {
                    Some(OrderCall::CommitFinding { place, commitment })
                });
            }
            (true, Some(Hearing::Committed | Hearing::Open)) => {
                let Some(record) = self.records.get(&place) else {
                    return desk.trouble("the journal lost what was committed to");
                };
                (record.found, Some(record.salt))
            }
            (false, Some(Hearing::Open)) => (found, None),
            _ => return,
        };
        desk.submit(place, CallTag::Attest, now, || {
            Some(OrderCall::Attest { place, found, salt })
        });
    }

    /// What is committed to at `place`; written down if it is not yet.
    fn record(&mut self, place: Place, found: Finding, desk: &mut Desk) -> Option<&Record> {
        match self.records.entry(place) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => {
                let salt = Digest::of("assay/finding/salt/v1", &[&desk.random()?]);
                let record = Record { place, found, salt };
                // Serialising into memory cannot fail.
                let bytes = borsh::to_vec(&record).unwrap_or_default();
                desk.push(Output::Journal(bytes));
                Some(entry.insert(record))
            }
        }
    }
}
