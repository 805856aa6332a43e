//! How often cheating providers are caught, by running many orders.
//!
//! A run has 20 segments, of which five are drawn. Two things are checked. Of each order: it is found out
//! exactly if a faked segment is among those drawn. Of all together: as many are as
//! `1 - (1 - beta)^q` says, within the central 99.9% of the binomial distribution. Seeds run from zero,
//! so a study gives the same figures every time.

use std::collections::BTreeSet;
use std::fmt;

use assay_ledger::{Amount, FailureReason, Outcome, Role};

use super::cast::{Actor, Cast};
use super::plan::Plan;
use super::play::run;
use super::setup::BALANCE;
use super::world::World;
use assay_proof::Programs;
use assay_proof::lazy::Share;
use assay_proof::odds::Probability;

const SEGMENTS: u64 = 20;
const DRAWN: u32 = 5;

/// Orders over one kind of programs.
pub struct Study<R> {
    /// Kind, specification and inputs; the study sets seed, steps and draws.
    pub plan: Plan,
    /// Steps of each of the 20 segments.
    pub segment_steps: u32,
    /// What honest machines run.
    pub programs: fn() -> R,
    /// How many orders.
    pub cases: u64,
}

/// How many of a study's orders ended with the provider caught.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// Orders in which it was caught, slashed and not paid.
    pub caught: u64,
    /// All orders.
    pub cases: u64,
    /// What the formula says.
    pub expected: Probability,
}

/// Which segments a cheater fakes of a run that has so many.
pub type Faked = fn(&Share, u32) -> BTreeSet<u32>;

impl<R: Programs + 'static> Study<R> {
    /// Runs each order with this provider, which fakes this share, in those segments.
    ///
    /// # Panics
    /// When an order ends neither caught nor paid, a cheater is caught although nothing faked was drawn
    /// or the other way round, a caught provider keeps its bond or is paid, or an auditor is cut; the
    /// message names the seed.
    pub fn cheating(
        &self,
        beta: Probability,
        faked: Faked,
        cheater: impl Fn(Share) -> Actor,
    ) -> Tally {
        let mut caught = 0;
        for seed in 0..self.cases {
            let mut share = [0; 32];
            share[..8].copy_from_slice(&seed.to_le_bytes());
            let share = Share { beta, seed: share };
            let (world, order) = self.order(seed, 1, cheater(share));
            let drawn = order.runs[0].rounds.iter().flat_map(|of| &of.segments);
            let faked = faked(&share, SEGMENTS as u32);
            let found = drawn.filter(|segment| faked.contains(&segment.0)).count() > 0;
            let expected = match found {
                true => Outcome::AttemptsUsed,
                false => Outcome::Paid,
            };
            assert_eq!(order.head.outcome, Some(expected), "seed {seed}");
            let provider = world.all(Role::Provider)[0];
            match order.head.outcome {
                Some(Outcome::AttemptsUsed) => {
                    let failure = order.runs[0].failed.expect("its run failed");
                    assert_eq!(failure.reason, FailureReason::WrongResult, "seed {seed}");
                    assert_eq!(failure.slashed, Amount::tokens(50), "seed {seed}");
                    assert!(world.balance(provider) < BALANCE, "seed {seed}: paid");
                    caught += 1;
                }
                Some(Outcome::Paid) => assert_eq!(order.disputes, [], "seed {seed}"),
                other => panic!("seed {seed}: {other:?}"),
            }
            assert!(!was_cut(&world, Role::Auditor), "seed {seed}");
        }
        Tally {
            caught,
            cases: self.cases,
            expected: beta.detection(DRAWN),
        }
    }

    /// Runs each order with an honest provider.
    ///
    /// # Panics
    /// When one is not paid, or anybody is cut or refused; the message names the seed.
    pub fn honest(&self) {
        for seed in 0..self.cases {
            let (world, order) = self.order(seed, 2, Actor::provider(self.programs));
            assert_eq!(order.head.outcome, Some(Outcome::Paid), "seed {seed}");
            assert_eq!(world.refused(), [], "seed {seed}");
            assert!(!was_cut(&world, Role::Provider), "seed {seed}");
            assert!(!was_cut(&world, Role::Auditor), "seed {seed}");
        }
    }

    fn order(&self, seed: u64, auditors: u8, provider: Actor) -> (World, assay_ledger::Order) {
        let plan = Plan {
            seed,
            steps: SEGMENTS * u64::from(self.segment_steps),
            segment_steps: self.segment_steps,
            drawn: DRAWN,
            auditors,
            attempts: 1,
            ..self.plan.clone()
        };
        let cast = Cast {
            providers: vec![provider],
            ..Cast::honest((0, 2, 4), self.programs)
        };
        run(plan, cast, self.programs)
    }
}

/// Whether a member with that role has lost bond.
fn was_cut(world: &World, role: Role) -> bool {
    let members = world.all(role);
    let usual = Amount::tokens(1_000);
    members.iter().any(|at| world.bond(*at, role) < usual)
}

impl Tally {
    /// The least and most that the formula allows in 999 of 1,000 studies.
    pub fn interval(&self) -> (u64, u64) {
        interval(self.cases, f64::from(self.expected.ppm()) / 1e6)
    }

    /// Whether the formula holds.
    pub fn agrees(&self) -> bool {
        let (low, high) = self.interval();
        (low..=high).contains(&self.caught)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        let Tally {
            caught,
            cases,
            expected,
        } = self;
        write!(
            f,
            "caught {caught} of {cases}, 99.9% interval {low} to {high}, formula {expected}"
        )
    }
}

/// The central 99.9% of a binomial distribution; in logarithms, since `(1 - p)^n` underflows.
fn interval(n: u64, p: f64) -> (u64, u64) {
    let mut log = n as f64 * (1.0 - p).ln();
    let (mut sum, mut low) = (0.0, None);
    for k in 0..=n {
        sum += log.exp();
        if sum > 0.0005 && low.is_none() {
            low = Some(k);
        }
        if sum >= 0.9995 {
            return (low.unwrap_or(0), k);
        }
        log += ((n - k) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
    }
    (low.unwrap_or(0), n)
}
