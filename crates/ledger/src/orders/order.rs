//! An order: everything public about a job from posting to its end, put together from its records.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Contest, Dispute, Failure, Head, Occasion, Place, Role, Round, Run, RunIndex, Seat,
};

/// An order as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What holds for the whole of it.
    #[serde(flatten)]
    pub head: Head,
    /// Its runs, in the order in which they were begun.
    pub runs: Vec<Run>,
    /// Its disputes, in the order in which they were opened; the last one is open while it has no
    /// verdict.
    pub disputes: Vec<Dispute>,
    /// How far it has come, where it is a contest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Box<Contest>>,
}

impl Order {
    /// A run.
    pub fn run_at(&self, index: RunIndex) -> Option<&Run> {
        self.runs.get(index.0 as usize)
    }

    /// The runs that have not failed.
    pub fn standing(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.failed.is_none())
    }

    /// The runs that came to nothing.
    pub fn failed(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.failed.is_some())
    }

    /// The runs that came to nothing, each with why.
    pub fn failures(&self) -> impl Iterator<Item = (&Run, &Failure)> {
        let runs = self.runs.iter();
        runs.filter_map(|run| Some((run, run.failed.as_ref()?)))
    }

    /// The run whose result is, or would be, delivered: the first that stands.
    pub fn result_run(&self) -> Option<&Run> {
        self.standing().next()
    }

    /// The run under way, of a procedure that has one at a time: the last one, if it stands, or the copy
    /// that was left alone.
    pub fn run(&self) -> Option<&Run> {
        self.run_at(self.under_way()?)
    }

    /// The run under way, of a procedure that has one at a time.
    pub(crate) fn run_mut(&mut self) -> Option<&mut Run> {
        let index = self.under_way()?;
        self.runs.get_mut(index.0 as usize)
    }

    fn under_way(&self) -> Option<RunIndex> {
        let alone = self.standing().find(|run| run.last_resort);
        let last = || self.runs.last().filter(|run| run.failed.is_none());
        alone.or_else(last).map(|run| run.index)
    }

    /// The run that an account does now.
    pub fn run_of(&self, provider: AccountId) -> Option<&Run> {
        self.standing().find(|run| run.provider == provider)
    }

    /// The index of the run under way, or of the next one where none is.
    pub fn attempt(&self) -> RunIndex {
        self.run().map_or(self.next_run(), |run| run.index)
    }

    /// The index of the next run.
    pub fn next_run(&self) -> RunIndex {
        RunIndex(self.head.begun)
    }

    /// The provider of the run under way.
    pub fn provider(&self) -> Option<AccountId> {
        self.run().map(|run| run.provider)
    }

    /// The current audit draw of the run under way.
    pub fn round(&self) -> Option<&Round> {
        self.run()?.round()
    }

    /// The current seat of an auditor of the run under way.
    pub fn seat(&self, auditor: AccountId) -> Option<&Seat> {
        self.run()?.seat(auditor)
    }

    /// The dispute under way.
    pub fn dispute(&self) -> Option<&Dispute> {
        let last = self.disputes.last();
        last.filter(|dispute| dispute.verdict.is_none())
    }

    /// The disputes about a run.
    pub fn disputes_of(&self, run: RunIndex) -> impl Iterator<Item = &Dispute> {
        let about = move |dispute: &&Dispute| dispute.run == run || dispute.rival == Some(run);
        self.disputes.iter().filter(about)
    }

    /// Whether an account is on the list that is to be answered now.
    pub fn is_asked(&self, account: AccountId) -> bool {
        let mut asked = self.head.asked.iter().flat_map(|asked| &asked.ranked);
        asked.any(|invited| invited.account == account)
    }

    /// Whether an account that was asked has still to answer.
    pub fn has_to_answer(&self, account: AccountId) -> bool {
        let mut asked = self.head.asked.iter().flat_map(|asked| &asked.ranked);
        asked.any(|invited| invited.account == account && invited.accepts.is_none())
    }

    /// The place of the list that is to be answered now. One of providers belongs to the run that
    /// begins with it.
    pub fn list_place(&self) -> Option<Place> {
        let asked = self.head.asked.as_ref()?;
        let run = match asked.role {
            Role::Auditor => self.attempt(),
            _ => self.next_run(),
        };
        Some(self.place(run, Occasion::List(asked.number)))
    }

    /// The place of the work of a run.
    pub fn work(&self, run: RunIndex) -> Place {
        self.place(run, Occasion::Work)
    }

    /// The place of the current audit draw of the run under way.
    pub fn round_place(&self) -> Option<Place> {
        let run = self.run()?;
        let number = u16::try_from(run.rounds.len()).ok()?.checked_sub(1)?;
        Some(self.place(run.index, Occasion::Round(number)))
    }

    /// The place of the dispute under way.
    pub fn dispute_place(&self) -> Option<Place> {
        let dispute = self.dispute()?;
        let occasion = match dispute.named.is_empty() {
            true => Occasion::Dispute(dispute.number),
            false => Occasion::SecondLook(dispute.number),
        };
        Some(self.place(dispute.run, occasion))
    }

    fn place(&self, run: RunIndex, occasion: Occasion) -> Place {
        Place {
            order: self.head.id,
            run,
            occasion,
        }
    }
}
