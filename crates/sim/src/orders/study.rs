//! How often cheating providers are caught, by running many orders.
//!
//! Three of ten segments are faked and a quarter is drawn, so `1 - (1 - beta)^q` is 83.19%. Seeds
//! run from zero, so a study gives the same figures every time; the interval it is held against
//! is the central 95% of the binomial distribution, which an unlucky set of seeds misses once in
//! twenty.

use std::fmt;

use assay_ledger::{Amount, FailureReason, Outcome, Role};

use super::cast::{Actor, Cast};
use super::setup::{BALANCE, Plan};
use super::world::{World, run};
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

impl<R: Programs + 'static> Study<R> {
    /// Runs each order with this provider, which fakes the share it is given.
    ///
    /// # Panics
    /// When an order ends neither caught nor paid, a caught provider keeps its bond or is paid,
    /// or an auditor is cut; the message names the seed.
    pub fn cheating(&self, cheater: impl Fn(Share) -> Actor) -> Tally {
        let beta = Probability::ratio(3, 10);
        let mut caught = 0;
        for seed in 0..self.cases {
            let mut share = [0; 32];
            share[..8].copy_from_slice(&seed.to_le_bytes());
            let provider = cheater(Share { beta, seed: share });
            let (world, order) = self.order(seed, 1, provider);
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
    /// The least and most that the formula allows in 95 of 100 studies.
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
            "caught {caught} of {cases}, 95% interval {low} to {high}, formula {expected}"
        )
    }
}

/// The central 95% of a binomial distribution; in logarithms, since `(1 - p)^n` underflows.
fn interval(n: u64, p: f64) -> (u64, u64) {
    let mut log = n as f64 * (1.0 - p).ln();
    let (mut sum, mut low) = (0.0, None);
    for k in 0..=n {
        sum += log.exp();
        if sum > 0.025 && low.is_none() {
            low = Some(k);
        }
        if sum >= 0.975 {
            return (low.unwrap_or(0), k);
        }
        log += ((n - k) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
    }
    (low.unwrap_or(0), n)
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn the_interval_holds_the_central_mass() {
        assert_eq!(interval(200, 0.83193), (156, 176));
        assert_eq!(interval(10, 0.5), (2, 8));
        assert_eq!(interval(5_000, 0.5), (2_431, 2_569));
    }
}
