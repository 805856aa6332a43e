//! Orders drawn from a seed: their terms, who lies in them and how, and what is in the way.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::Role;

use super::{OrderSettings, ProcedureName, Scenario, TermsSettings};
use crate::liars::parties::{PartyLiar, PartyLiars};

/// Validators of a drawn order.
const VALIDATORS: usize = 4;
/// Liars among them that are tolerated.
const TOLERATED: usize = 1;

impl Scenario {
    /// A network without an engine in which one order is posted, drawn from `seed`: its procedure and
    /// terms, lying requesters, providers and auditors in any number, at most one lying validator of
    /// four, kills and slow answers. Phases last long enough for an honest party that is killed now
    /// and then.
    pub fn drawn_order(seed: u64) -> Self {
        let seed = seed & (u64::MAX >> 1);
        let domain = Digest::of("assay/sim/v1", &[]);
        let mut random = Stream::new(domain, "order", seed);
        Self {
            engine: false,
            busy: false,
            orders: vec![OrderSettings::drawn(&mut random)],
            ..Self::quiet(VALIDATORS, seed, 3_600_000)
        }
    }
}

impl OrderSettings {
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
            providers,
            auditors,
            attempts: 1 + random.below(3) as u8,
            steps,
            segment_steps: 1 + random.below(steps.min(8)) as u32,
            deadline_seconds: 200 + random.below(200) as u32,
            kills_per_mille: if kills { random.below(20) as u32 } else { 0 },
            delay_seconds: random.below(3) as u32,
            terms: TermsSettings::drawn(random),
            liars: Vec::new(),
        };
        if order.terms.careful && random.below(3) == 0 {
            // Terms in which nobody could keep the time: nobody who is careful takes them.
            order.deadline_seconds = 1 + random.below(59) as u32;
        }
        order.draw_liars(random, Role::Provider, providers, (35, providers));
        order.draw_liars(random, Role::Auditor, auditors, (30, auditors));
        order.draw_liars(random, Role::Validator, VALIDATORS, (20, TOLERATED));
        if random.below(4) == 0 {
            let kinds = PartyLiar::ALL.into_iter();
            let kinds: Vec<_> = kinds.filter(|kind| kind.role().is_none()).collect();
            order.liars.push(liar(random, &kinds, Vec::new()));
        }
        order
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
fn liar(random: &mut Stream, kinds: &[PartyLiar], who: Vec<usize>) -> PartyLiars {
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
    fn drawn(random: &mut Stream) -> Self {
        let provider_bond = 1_000_000 + random.below(80_000_000);
        let auditor_bond = 1_000_000 + random.below(40_000_000);
        Self {
            price: provider_bond / 20 + 1 + random.below(100_000_000),
            provider_bond,
            auditor_bond,
            auditor_fee: auditor_bond / 20 + 1 + random.below(5_000_000),
            segments_drawn: 1 + random.below(6) as u32,
            auditors_drawn: 1 + random.below(2) as u8,
            careful: random.below(2) == 0,
        }
    }
}
