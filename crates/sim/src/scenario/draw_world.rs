//! What happens in the network of a drawn order: other orders, registrations that change, storage that
//! fails, and orders that are posted to be in the way.

use assay_crypto::stream::Stream;
use assay_ledger::{Phase, Role};

use super::beside::BesideSettings;
use super::orders::{OrderSettings, TermsSettings};
use super::{Liars, Scenario};
use crate::liars::parties::PartyLiars;
use crate::liars::validators::LiarKind;
use crate::orders::{Change, Deed, Happening, ProcedureName};

/// The phases that something may wait for.
const MOMENTS: [Phase; 13] = [
    Phase::Asked,
    Phase::Taken,
    Phase::Assigned,
    Phase::Running,
    Phase::Committed,
    Phase::Called,
    Phase::Opening,
    Phase::Auditing,
    Phase::Closing,
    Phase::Revealing,
    Phase::Attesting,
    Phase::Delivering,
    Phase::Accepted,
];

impl Scenario {
    /// A world whose blocks validators make, with links between them, and one at most that lies: as a judge,
    /// or about blocks. There is one order, and nothing takes long.
    pub(super) fn draw_engine(&mut self, random: &mut Stream) {
        self.duration_ms = 900_000;
        self.pace.block_interval_ms = 2_500;
        self.links.latency_ms = 5 + random.below(60);
        self.links.jitter_ms = random.below(5);
        let Some(order) = self.orders.first_mut() else {
            return;
        };
        order.beside.clear();
        order.happenings.clear();
        order.kills_per_mille = 0;
        order.delay_seconds = random.below(2) as u32;
        let most = order.requesters();
        order.liars.retain(|liars| {
            let lying = liars.who.first().is_some_and(|who| *who >= most);
            liars.kind.role().is_some() || !lying
        });
        order.deadline_seconds = 60;
        order.steps = order.steps.min(10);
        order.segment_steps = order.segment_steps.min(order.steps as u32);
        let judges = |liars: &PartyLiars| liars.kind.role() == Some(Role::Validator);
        if !order.liars.iter().any(judges) && random.below(2) == 0 {
            let kinds = LiarKind::ALL;
            let kind = kinds.get(random.below(kinds.len() as u64) as usize);
            let validator = random.below(self.validators as u64) as usize;
            self.liars.extend(kind.map(|kind| Liars {
                kind: *kind,
                validators: vec![validator],
            }));
        }
    }
}

impl OrderSettings {
    /// Up to three orders beside the first one, of its requester or of others.
    pub(super) fn draw_beside(&mut self, random: &mut Stream) {
        let others = match random.below(100) {
            0..50 => 0,
            50..78 => 1,
            78..92 => 2,
            _ => 3,
        };
        for _ in 0..others {
            let other = self.another(random);
            self.beside.push(other);
        }
        let mut beside = self.beside.iter();
        if self.auditors == 0 && beside.any(|other| other.procedure == ProcedureName::Traced) {
            self.auditors = 2 + random.below(4) as usize;
        }
    }

    fn another(&self, random: &mut Stream) -> BesideSettings {
        let copies = 2 + random.below(2) as u8;
        let traced = random.below(10) < 6 || usize::from(copies) > self.providers;
        let steps = 1 + random.below(40);
        BesideSettings {
            after_seconds: random.below(60) as u32,
            requester: random.below(self.requesters() as u64 + 1) as usize,
            procedure: match traced {
                true => ProcedureName::Traced,
                false => ProcedureName::Redundant,
            },
            copies: (!traced).then_some(copies),
            rounds: None,
            attempts: 1 + random.below(2) as u8,
            steps,
            segment_steps: 1 + random.below(steps.min(8)) as u32,
            deadline_seconds: match self.terms.careful && random.below(4) == 0 {
                true => 1 + random.below(59) as u32,
                false => 200 + random.below(200) as u32,
            },
            terms: TermsSettings {
                careful: self.terms.careful,
                ..TermsSettings::drawn(random, 20_000_000)
            },
        }
    }

    /// Storage nodes that die, go dark or lose files, fewer than a file has copies; and requesters whose
    /// own nodes go. Where no copy is spared, all nodes go dark at once.
    pub(super) fn draw_losses(&mut self, random: &mut Stream, spare: bool) {
        if random.below(2) == 0 {
            return;
        }
        self.replicas = 2 + random.below(2) as usize;
        self.storage_nodes = self.replicas + 1 + random.below(3) as usize;
        let bad = 1 + random.below(self.replicas as u64 - 1) as usize;
        for node in 0..bad {
            let times = 1 + random.below(4);
            for _ in 0..times {
                let what = match times {
                    1 => Deed::NodeDies { node },
                    _ => Deed::NodeLoses { node },
                };
                let happening = self.at_some_time(random, what);
                self.happenings.push(happening);
            }
        }
        if !spare {
            let dark = self.at_some_time(random, Deed::NodeDies { node: 0 });
            let all = (0..self.storage_nodes).map(|node| Deed::NodeDies { node });
            let all: Vec<_> = all.map(|what| Happening { what, ..dark }).collect();
            self.happenings.extend(all);
        }
        if random.below(4) == 0 {
            let requester = random.below(self.requesters() as u64) as usize;
            let happening = self.at_some_time(random, Deed::InputsGone { requester });
            self.happenings.push(happening);
        }
    }

    /// Registrations that change: of anybody in ways that the protocol allows, and of some who seal
    /// themselves off from what is granted to them.
    pub(super) fn draw_changes(&mut self, random: &mut Stream) {
        for _ in 0..random.below(5) {
            let providers = random.below(2) == 0 || self.auditors == 0;
            let (role, count) = match providers {
                true => (Role::Provider, self.providers),
                false => (Role::Auditor, self.auditors),
            };
            let who = random.below(count.max(1) as u64) as usize;
            let into = Change::ALL[random.below(Change::ALL.len() as u64) as usize];
            let happening = self.at_some_time(random, Deed::Change { role, who, into });
            self.happenings.push(happening);
        }
    }

    /// Orders that nobody takes, posted by the dozen so that they end at one time.
    pub(super) fn draw_floods(&mut self, random: &mut Stream) {
        if random.below(10) != 0 {
            return;
        }
        for _ in 0..=random.below(2) {
            let orders = 1 + random.below(60) as u32;
            let seconds = 5 + random.below(200) as u32;
            let happening = self.at_some_time(random, Deed::Flood { orders, seconds });
            self.happenings.push(happening);
        }
    }

    /// Phases that are too short for whoever does not look at them, which nobody does.
    pub(super) fn draw_impositions(&mut self, random: &mut Stream) {
        self.terms.careful = false;
        self.deadline_seconds = 1 + random.below(59) as u32;
        for other in &mut self.beside {
            other.terms.careful = false;
            other.deadline_seconds = 1 + random.below(59) as u32;
        }
    }

    /// Something that happens at any block, or as soon as an order is in some phase.
    fn at_some_time(&self, random: &mut Stream, what: Deed) -> Happening {
        let order = random.below(self.beside.len() as u64 + 1) as usize;
        let moment = MOMENTS.get(random.below(MOMENTS.len() as u64 + 4) as usize);
        Happening {
            order,
            phase: moment.copied(),
            after_seconds: match moment {
                Some(_) => random.below(4) as u32,
                None => random.below(150) as u32,
            },
            what,
        }
    }
}
