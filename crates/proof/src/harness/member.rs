//! One party of a harness run with everything its driver would hold for it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use assay_crypto::SecretKey;
use assay_ledger::{AccountId, Height};

use super::cast::{MakeParty, MakePrograms};
use crate::party::{Context, Identity, Input, Outcome, Output, Party};
use crate::work::{Work, WorkDone, WorkFailure, Worker};

/// A party, its journal and its answers to come.
pub struct Member {
    /// A name for messages.
    pub name: String,
    /// Its account.
    pub account: AccountId,
    /// How the order ended for it, once it said so.
    pub outcome: Option<Outcome>,
    /// How often it was killed.
    pub kills: u32,
    /// Steps its machine computed.
    pub steps: u64,
    pub(super) secret: SecretKey,
    pub(super) inbox: BTreeMap<Height, Vec<Input>>,
    pub(super) worker: Worker,
    pub(super) down_until: Height,
    party: Option<Box<Party>>,
    make: MakeParty,
    programs: MakePrograms,
    journal: Vec<Vec<u8>>,
}

impl Member {
    pub(super) fn new(
        name: String,
        secret: SecretKey,
        make: MakeParty,
        programs: MakePrograms,
    ) -> Member {
        Member {
            account: secret.public(),
            outcome: None,
            kills: 0,
            steps: 0,
            inbox: BTreeMap::new(),
            worker: Worker::new(programs()),
            down_until: Height(0),
            party: None,
            journal: Vec::new(),
            name,
            secret,
            make,
            programs,
        }
    }

    /// Stops the party without warning; what it had asked for goes unanswered.
    pub(super) fn kill(&mut self, until: Height) {
        self.party = None;
        self.inbox.clear();
        self.worker = Worker::new((self.programs)());
        self.down_until = until;
        self.kills += 1;
    }

    /// Passes an input on, after bringing the party back from its journal, with this seed, if it is
    /// not there.
    pub(super) fn step(&mut self, at: &Context<'_>, seed: [u8; 32], input: Input) -> Vec<Output> {
        let (secret, make, journal) = (&self.secret, &self.make, &self.journal);
        let party = self.party.get_or_insert_with(|| {
            let mut party = make(Identity {
                account: secret.public(),
                encryption: secret.encryption(),
            });
            let past = journal.iter().cloned().map(Input::Journal);
            for input in std::iter::once(Input::Seed(seed)).chain(past) {
                let early = party.step(at, input);
                assert!(early.is_empty(), "seed and journal alone ask for nothing");
            }
            party
        });
        party.step(at, input)
    }

    /// Kills the party for good.
    pub fn stay_away(&mut self) {
        self.kill(Height(u64::MAX));
    }

    pub(super) fn journal(&mut self, entry: Vec<u8>) {
        self.journal.push(entry);
    }

    pub(super) fn compute(&mut self, work: &Work) -> Result<WorkDone, WorkFailure> {
        let steps = &mut self.steps;
        self.worker.run(work, &mut |_| {
            *steps += 1;
            ControlFlow::Continue(())
        })
    }
}
