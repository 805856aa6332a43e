//! Orders drawn from a seed: their terms, and who lies in them and how.
//!
//! What else happens in their network is drawn in [`draw_world`](super::draw_world).

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::Role;

use super::{MAX_DURATION_MS, OrderSettings, Scenario, TermsSettings};
use crate::liars::parties::{PartyLiar, PartyLiars};
use crate::orders::{ProcedureName, Rule};

/// Validators of a drawn order.
pub(super) const VALIDATORS: usize = 4;
/// One world in so many is on the engine.
const ON_ENGINE: u64 = 100;
/// Liars among them that are tolerated.
const TOLERATED: usize = 1;

impl Scenario {
    /// A network without an engine, drawn from `seed`: one to four orders with their procedures and
    /// terms, lying requesters, providers and auditors in any number, at most one lying validator of
    /// four, kills and slow answers; registrations that change, storage nodes that die or lose files,
    /// and floods of orders that nobody takes. In one world of six there is an order with rounds. Phases
    /// last long enough for an honest party that is killed now and then, and of the nodes that keep a
    /// file one stays.
    ///
    /// One world in a hundred has validators that run the engine and make its blocks; it is smaller.
    pub fn drawn_order(seed: u64) -> Self {
        Self::drawn_without(seed, &[])
    }

    /// The same with rules left out that it would stand by.
    pub fn drawn_without(seed: u64, leave_out: &[Rule]) -> Self {
        let seed = seed & (u64::MAX >> 1);
        let domain = Digest::of("assay/sim/v1", &[]);
        // Each matter has dice of its own, so that a change of one leaves the others as they were.
        let dice = |matter| Stream::new(domain, matter, seed);
        let mut order = OrderSettings::drawn(&mut dice("order"));
        order.draw_beside(&mut dice("beside"));
        let judges = match leave_out.contains(&Rule::HonestJudges) {
            true => VALIDATORS / 2,
            false => TOLERATED,
        };
        order.draw_liars_among(&mut dice("liars"), judges);
        let spare = !leave_out.contains(&Rule::SpareCopies);
        order.draw_losses(&mut dice("losses"), spare);
        order.draw_changes(&mut dice("changes"));
        order.draw_floods(&mut dice("floods"));
        if leave_out.contains(&Rule::Consent) {
            order.draw_impositions(&mut dice("impositions"));
        }
        order.draw_rounds(&mut dice("rounds"), judges);
        order.leave_out = leave_out.to_vec();
        let engine = leave_out.is_empty() && seed % ON_ENGINE == ON_ENGINE - 1;
        let mut scenario = Self {
            engine,
            busy: false,
            orders: vec![order],
            ..Self::quiet(VALIDATORS, seed, MAX_DURATION_MS)
        };
        if engine {
            scenario.draw_engine(&mut dice("engine"));
        }
        scenario
    }
}

impl OrderSettings {
    /// One order, and whoever takes part, all of them honest.
    fn drawn(random: &mut Stream) -> Self {
        let traced = random.below(10) < 7;
        let copies = 2 + random.below(3) as u8;
        let extra = random.below(3) as usize;
        let (procedure, copies, providers, auditors) = match traced {
            true => (
                ProcedureName::Traced,
                None,
                1 + extra + random.below(2) as usize,
                2 + random.below(4) as usize,
            ),
            false => {
                let providers = usize::from(copies) + extra;
                (ProcedureName::Redundant, Some(copies), providers, 0)
            }
        };
        let steps = 1 + random.below(40);
        let kills = random.below(3) == 0;
        let mut order = Self {
            procedure,
            copies,
            rounds: None,
            providers,
            auditors,
            attempts: 1 + random.below(3) as u8,
            steps,
            segment_steps: 1 + random.below(steps.min(8)) as u32,
            deadline_seconds: 200 + random.below(200) as u32,
            kills_per_mille: if kills { random.below(20) as u32 } else { 0 },
            delay_seconds: random.below(3) as u32,
            storage_nodes: 1,
            replicas: 1,
            leave_out: Vec::new(),
            terms: TermsSettings::drawn(random, 100_000_000),
            liars: Vec::new(),
            beside: Vec::new(),
            happenings: Vec::new(),
        };
        if order.terms.careful && random.below(3) == 0 {
            // Terms in which nobody could keep the time: nobody who is careful takes them.
            order.deadline_seconds = 1 + random.below(59) as u32;
        }
        order
    }

    /// Who lies, in whatever order it takes part.
    fn draw_liars_among(&mut self, random: &mut Stream, judges: usize) {
        let (providers, auditors) = (self.providers, self.auditors);
        self.draw_liars(random, Role::Provider, providers, (35, providers));
        self.draw_liars(random, Role::Auditor, auditors, (30, auditors));
        self.draw_liars(random, Role::Validator, VALIDATORS, (40, judges));
        let kinds = PartyLiar::ALL.into_iter();
        let kinds: Vec<_> = kinds.filter(|kind| kind.role().is_none()).collect();
        for requester in 0..self.requesters() {
            if random.below(4) == 0 {
                self.liars.push(liar(random, &kinds, vec![requester]));
            }
        }
    }

    /// Each of so many parties lies with a chance of so many in a hundred, and at most so many do.
    fn draw_liars(
        &mut self,
        random: &mut Stream,
        role: Role,
        count: usize,
        (chance, most): (u64, usize),
    ) {
        let kinds = PartyLiar::ALL.into_iter();
        let kinds: Vec<_> = kinds.filter(|kind| kind.role() == Some(role)).collect();
        let mut lying = 0;
        for who in 0..count {
            if lying < most && random.below(100) < chance {
                lying += 1;
                self.liars.push(liar(random, &kinds, vec![who]));
            }
        }
    }
}

/// A liar of one of these kinds.
pub(super) fn liar(random: &mut Stream, kinds: &[PartyLiar], who: Vec<usize>) -> PartyLiars {
    let kind = kinds.get(random.below(kinds.len().max(1) as u64) as usize);
    PartyLiars {
        kind: kind.copied().unwrap_or(PartyLiar::Lazy),
        who,
        faked_per_mille: 1 + random.below(1_000) as u32,
        // Some lie alike.
        lie: random.below(3),
    }
}

impl TermsSettings {
    /// Terms whose price is below so much more than the least that the bond asks for.
    pub(super) fn drawn(random: &mut Stream, price: u64) -> Self {
        let provider_bond = 1_000_000 + random.below(80_000_000);
        let auditor_bond = 1_000_000 + random.below(40_000_000);
        Self {
            price: provider_bond / 20 + 1 + random.below(price),
            provider_bond,
            auditor_bond,
            auditor_fee: auditor_bond / 20 + 1 + random.below(5_000_000),
            segments_drawn: 1 + random.below(6) as u32,
            auditors_drawn: 1 + random.below(2) as u8,
            careful: random.below(2) == 0,
        }
    }
}
