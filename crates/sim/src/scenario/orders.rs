//! Orders in a scenario: who takes part, who lies, and what is in the way.

use std::collections::BTreeSet;

use assay_ledger::{Amount, Role, Terms};
use serde::{Deserialize, Serialize};

use super::ScenarioError;
use super::beside::BesideSettings;
use super::rounds::RoundsSettings;
use crate::founding;
use crate::liars::parties::PartyLiars;
use crate::orders::{
    Cast, CounterPrograms, Deed, Happening, Money, OrderReport, Plan, ProcedureName, Rule, Storage,
    World,
};

/// Most orders in one file.
pub const MAX_ORDERS: usize = 100;
/// Most providers, who are the trainers of orders with rounds.
const MAX_PROVIDERS: u64 = 1_024;
/// Most auditors.
const MAX_AUDITORS: u64 = 64;
/// Most steps of a simulated job, which is a hash chain.
const MAX_STEPS: u64 = 10_000;
/// Longest phase, in blocks.
const MAX_DEADLINE: u32 = 10_000;
/// Above this a party is killed before it gets anything done.
const MAX_KILLS: u32 = 500;
/// Longest time that an answer may take, in seconds.
const MAX_DELAY: u32 = 1_000;
/// Most orders beside another one.
const MAX_BESIDE: u64 = 15;
/// Most storage nodes.
const MAX_NODES: usize = 16;
/// Most things that happen in one network.
const MAX_HAPPENINGS: u64 = 1_000;

/// An order in a network of its own: its requester, its parties, and the scenario's validators; and
/// other orders beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSettings {
    /// How it is done.
    pub procedure: ProcedureName,
    /// How many providers do it, for `redundant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u8>,
    /// What it is like in rounds, for `rounds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<RoundsSettings>,
    /// Providers there are, at most 1,024.
    pub providers: usize,
    /// Auditors there are, at most 64.
    #[serde(default)]
    pub auditors: usize,
    /// Providers tried for each copy.
    #[serde(default = "two")]
    pub attempts: u8,
    /// Steps of the job, at most 10,000.
    #[serde(default = "twenty")]
    pub steps: u64,
    /// Steps of a segment.
    #[serde(default = "two_steps")]
    pub segment_steps: u32,
    /// Every phase's deadline in seconds of ledger time, at most 10,000.
    #[serde(default = "sixty")]
    pub deadline_seconds: u32,
    /// How likely a party is killed at each block, each request and each write to its journal, in
    /// thousandths; at most 500.
    #[serde(default)]
    pub kills_per_mille: u32,
    /// Files and computations take up to so many seconds, at most 1,000.
    #[serde(default)]
    pub delay_seconds: u32,
    /// Storage nodes there are, 1 to 16.
    #[serde(default = "one")]
    pub storage_nodes: usize,
    /// On how many of them a file is kept, as far as so many are alive.
    #[serde(default = "one")]
    pub replicas: usize,
    /// Rules that this world is without, to show what they are for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<Rule>,
    /// What it pays and locks, and how much of it is replayed.
    #[serde(default)]
    pub terms: TermsSettings,
    /// Who lies, and how.
    #[serde(default)]
    pub liars: Vec<PartyLiars>,
    /// Orders that are posted in the same network.
    #[serde(default)]
    pub beside: Vec<BesideSettings>,
    /// Registrations that change, and storage that fails.
    #[serde(default)]
    pub happenings: Vec<Happening>,
}

/// The terms of an order that its procedure does not fix. Money is in millionths of a token; what a
/// network does not take is refused by its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TermsSettings {
    /// Paid to each provider whose whole run is accepted.
    pub price: u64,
    /// Locked of a provider's bond.
    pub provider_bond: u64,
    /// Locked of an auditor's bond.
    pub auditor_bond: u64,
    /// Paid to each auditor.
    pub auditor_fee: u64,
    /// Segments drawn for replay.
    pub segments_drawn: u32,
    /// Auditors drawn.
    pub auditors_drawn: u8,
    /// Whether providers and auditors make the standard offer, and not one that every order meets.
    pub careful: bool,
}

impl Default for TermsSettings {
    fn default() -> Self {
        Self {
            price: 100_000_000,
            provider_bond: 50_000_000,
            auditor_bond: 20_000_000,
            auditor_fee: 5_000_000,
            segments_drawn: 3,
            auditors_drawn: 2,
            careful: false,
        }
    }
}

fn one() -> usize {
    1
}

fn two() -> u8 {
    2
}

fn two_steps() -> u32 {
    2
}

fn twenty() -> u64 {
    20
}

fn sixty() -> u32 {
    60
}

impl OrderSettings {
    /// Refuses what cannot be simulated. `place` says which order it is.
    pub(super) fn check(&self, place: &str, validators: usize) -> Result<(), ScenarioError> {
        let within = |field, value: u64, (least, most): (u64, u64)| match value {
            value if (least..=most).contains(&value) => Ok(()),
            value => Err(ScenarioError::Bounds {
                place: place.to_owned(),
                field,
                value,
                least,
                most,
            }),
        };
        match (self.procedure, self.copies) {
            (ProcedureName::Traced | ProcedureName::Rounds, None) => {}
            (ProcedureName::Traced | ProcedureName::Rounds, Some(_)) => {
                return Err(ScenarioError::Copies(place.to_owned()));
            }
            (ProcedureName::Redundant, copies) => {
                let most = u64::from(Terms::MAX_COPIES);
                within("copies", copies.unwrap_or_default().into(), (2, most))?;
            }
        }
        let of = (place, self.procedure, self.providers);
        RoundsSettings::check(self.rounds.as_ref(), of)?;
        within("providers", self.providers as u64, (1, MAX_PROVIDERS))?;
        within("auditors", self.auditors as u64, (0, MAX_AUDITORS))?;
        let attempts = u64::from(Terms::MAX_ATTEMPTS);
        within("attempts", self.attempts.into(), (1, attempts))?;
        within("steps", self.steps, (1, MAX_STEPS))?;
        within("segment_steps", self.segment_steps.into(), (1, self.steps))?;
        within(
            "deadline_seconds",
            self.deadline_seconds.into(),
            (1, MAX_DEADLINE.into()),
        )?;
        within(
            "kills_per_mille",
            self.kills_per_mille.into(),
            (0, MAX_KILLS.into()),
        )?;
        within(
            "delay_seconds",
            self.delay_seconds.into(),
            (0, MAX_DELAY.into()),
        )?;
        within(
            "storage_nodes",
            self.storage_nodes as u64,
            (1, MAX_NODES as u64),
        )?;
        let nodes = self.storage_nodes as u64;
        within("replicas", self.replicas as u64, (1, nodes))?;
        within("beside", self.beside.len() as u64, (0, MAX_BESIDE))?;
        within(
            "happenings",
            self.happenings.len() as u64,
            (0, MAX_HAPPENINGS),
        )?;
        self.check_liars(place, validators)?;
        for (index, other) in self.beside.iter().enumerate() {
            let place = format!("{place}, beside it {}", index + 1);
            other.alone(self).check(&place, validators)?;
            let most = MAX_BESIDE;
            let bounds = [
                ("requester", other.requester as u64, most),
                (
                    "after_seconds",
                    other.after_seconds.into(),
                    MAX_DEADLINE.into(),
                ),
            ];
            let beyond = bounds.into_iter().find(|(_, value, most)| value > most);
            if let Some((field, value, most)) = beyond {
                return Err(ScenarioError::Bounds {
                    place,
                    field,
                    value,
                    least: 0,
                    most,
                });
            }
        }
        self.check_happenings(place)
    }

    /// How many parties of a role there are; of requesters without one.
    fn count(&self, role: Option<Role>, validators: usize) -> usize {
        match role {
            None => self.requesters(),
            Some(Role::Provider) => self.providers,
            Some(Role::Auditor) => self.auditors,
            Some(_) => validators,
        }
    }

    /// Requesters of all orders.
    pub(super) fn requesters(&self) -> usize {
        let others = self.beside.iter().map(|other| other.requester);
        1 + others.max().unwrap_or_default()
    }

    fn check_liars(&self, place: &str, validators: usize) -> Result<(), ScenarioError> {
        let mut known = BTreeSet::new();
        for liars in &self.liars {
            let place = format!("{place}, liars `{}`", liars.kind);
            let role = liars.kind.role();
            let count = self.count(role, validators);
            if role.is_some() && liars.who.is_empty() {
                return Err(ScenarioError::NoParty { place });
            }
            for who in liars.named() {
                if who >= count {
                    return Err(ScenarioError::UnknownParty { place, who, count });
                }
                if !known.insert((role, who)) {
                    return Err(ScenarioError::PartyTwice { place, who });
                }
            }
            let faked = u64::from(liars.faked_per_mille);
            if !(1..=1_000).contains(&faked) {
                return Err(ScenarioError::Bounds {
                    place,
                    field: "faked_per_mille",
                    value: faked,
                    least: 1,
                    most: 1_000,
                });
            }
        }
        Ok(())
    }

    fn check_happenings(&self, place: &str) -> Result<(), ScenarioError> {
        for (index, happening) in self.happenings.iter().enumerate() {
            let (who, count) = match happening.what {
                Deed::Change { role, who, .. } if role.is_drawn() => {
                    (who, self.count(Some(role), 0))
                }
                Deed::Change { who, .. } => (who, 0),
                Deed::Joins { who, .. } | Deed::Leaves { who, .. } => (who, self.providers),
                Deed::InputsGone { requester } => (requester, self.requesters()),
                Deed::Flood { .. } => continue,
                Deed::NodeDies { node } | Deed::NodeLoses { node } => (node, self.storage_nodes),
            };
            let place = format!("{place}, happening {}", index + 1);
            if who >= count {
                return Err(ScenarioError::UnknownParty { place, who, count });
            }
            if happening.order > self.beside.len() {
                return Err(ScenarioError::Bounds {
                    place,
                    field: "order",
                    value: happening.order as u64,
                    least: 0,
                    most: self.beside.len() as u64,
                });
            }
        }
        Ok(())
    }

    /// What is run.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        let plan = Plan {
            seed,
            steps: self.steps,
            segment_steps: self.segment_steps,
            copies: self.copies.unwrap_or(1),
            attempts: self.attempts,
            deadline: self.deadline_seconds,
            delay: self.delay_seconds.into(),
            kills: self.kills_per_mille.into(),
            drawn: self.terms.segments_drawn,
            auditors: self.terms.auditors_drawn,
            offer: match self.terms.careful {
                true => founding::standard(),
                false => founding::anything(),
            },
            money: Money {
                price: Amount(self.terms.price),
                provider_bond: Amount(self.terms.provider_bond),
                auditor_bond: Amount(self.terms.auditor_bond),
                auditor_fee: Amount(self.terms.auditor_fee),
            },
            beside: self
                .beside
                .iter()
                .map(|other| other.plan(self, seed))
                .collect(),
            storage: Storage {
                nodes: self.storage_nodes,
                replicas: self.replicas,
            },
            happenings: self.happenings.clone(),
            leave_out: self.leave_out.clone(),
            ..Plan::default()
        };
        match self.rounds {
            Some(rounds) => rounds.of(plan, self.providers),
            None => plan,
        }
    }

    /// Who takes part.
    pub(crate) fn cast(&self, validators: usize) -> Cast {
        let sizes = (self.providers, self.auditors, validators);
        let mut cast = Cast::honest(sizes, || CounterPrograms);
        let others = 1..self.requesters();
        cast.others = others.map(|_| Cast::honest_requester()).collect();
        for liars in &self.liars {
            liars.enter(&mut cast);
        }
        cast
    }

    /// What came of it.
    pub(crate) fn report(&self, world: &World) -> OrderReport {
        OrderReport::new(world, |role, who| self.lie_of(role, who))
    }

    /// How a member lies, if it does.
    fn lie_of(&self, role: Option<Role>, who: usize) -> Option<&'static str> {
        let of =
            |liars: &&PartyLiars| liars.kind.role() == role && liars.named().any(|at| at == who);
        let liars = self.liars.iter().find(of).map(|liars| liars.kind.name());
        if role.is_none() && who >= self.requesters() {
            // Strangers are there to be in the way.
            return Some("flood");
        }
        let does = |happening: &&Happening| happening.liar() == Some((role, who));
        let doer = || self.happenings.iter().find(does).map(Happening::name);
        liars.or_else(doer)
    }
}
