//! Scenarios drawn from a seed: what nobody thought of writing down.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;

use super::{Fault, Liars, LinkSettings, Scenario};
use crate::liars::validators::LiarKind;

/// Time at the end in which nothing goes wrong any more.
const QUIET_MS: u64 = 15_000;

impl Scenario {
    /// A small network in which up to f validators lie and honest ones are killed, cut off and come
    /// back, all drawn from `seed`. In the last fifteen seconds everybody honest is up and reachable.
    pub fn drawn(seed: u64) -> Self {
        let seed = seed & (u64::MAX >> 1);
        let mut random = Stream::new(Digest::of("assay/sim/v1", &[]), "scenario", seed);
        let validators = 4 + random.below(4) as usize;
        let mut scenario = Self::quiet(validators, seed, 30_000);
        scenario.links = LinkSettings {
            latency_ms: 5 + random.below(60),
            jitter_ms: random.below(5),
            lost_per_mille: random.below(30) as u32,
        };
        let f = scenario.tolerated();
        let mut liars: Vec<usize> = Vec::new();
        for _ in 0..random.below(f as u64 + 1) {
            let liar = random.below(validators as u64) as usize;
            let kind = LiarKind::ALL.get(random.below(LiarKind::ALL.len() as u64) as usize);
            if let Some(kind) = kind.filter(|_| !liars.contains(&liar)) {
                liars.push(liar);
                scenario.liars.push(Liars {
                    kind: *kind,
                    validators: vec![liar],
                });
            }
        }
        let honest: Vec<usize> = (0..validators).filter(|v| !liars.contains(v)).collect();
        let last = scenario.duration_ms - QUIET_MS;
        for _ in 0..random.below(6) {
            scenario.draw_fault(&mut random, &honest, last);
        }
        scenario.faults.push(Fault::Heal { at_ms: last });
        scenario.faults.push(Fault::Restart {
            at_ms: last,
            validators: honest,
        });
        scenario.faults.sort_by_key(Fault::at_ms);
        scenario
    }

    fn draw_fault(&mut self, random: &mut Stream, honest: &[usize], last: u64) {
        let at_ms = 500 + random.below(last - 1_000);
        let back_ms = (at_ms + 50 + random.below(6_000)).min(last);
        let mut some = |most: usize| -> Vec<usize> {
            let count = 1 + random.below(most as u64);
            let mut some: Vec<usize> = (0..count)
                .filter_map(|_| {
                    honest
                        .get(random.below(honest.len() as u64) as usize)
                        .copied()
                })
                .collect();
            some.sort_unstable();
            some.dedup();
            some
        };
        match at_ms % 4 {
            0 => {
                let validators = some(honest.len());
                self.faults.push(Fault::Kill {
                    at_ms,
                    validators: validators.clone(),
                });
                self.faults.push(Fault::Restart {
                    at_ms: back_ms,
                    validators,
                });
            }
            1 => {
                let parts = vec![some(honest.len())];
                self.faults.push(Fault::Partition { at_ms, parts });
                self.faults.push(Fault::Heal { at_ms: back_ms });
            }
            2 => {
                let validators = some(honest.len());
                let sync = 1 + at_ms % 7;
                self.faults.push(Fault::PowerCut {
                    at_ms,
                    validators,
                    sync,
                });
            }
            _ => {
                let links = LinkSettings {
                    latency_ms: 100 + at_ms % 400,
                    jitter_ms: 50,
                    lost_per_mille: (at_ms % 300) as u32,
                };
                self.faults.push(Fault::Links { at_ms, links });
                let links = self.links;
                self.faults.push(Fault::Links {
                    at_ms: back_ms,
                    links,
                });
            }
        }
    }
}
