//! Whole orders in one process: honest ones, cheated ones, interrupted ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail and report as tests do"
)]

mod auditors;
mod exchange;
mod honest;
mod interrupted;
mod judges;
mod mixed;
mod property;
mod providers;
mod redundant;
mod requesters;
mod restored;
mod rounds;
mod scenarios;
mod small;
mod statistics;
mod training;
mod work;

use assay_ledger::{AccountId, Amount, Dispute, FailureReason, Order, Outcome, Role, Round};
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_sim::orders::{self, Actor, BALANCE, Cast, CounterPrograms, Plan, World};

/// A bond that outweighs all usual ones, so that its holder is drawn first.
pub(crate) const HEAVY: u64 = 1_000_000_000;

pub(crate) fn counter() -> CounterPrograms {
    CounterPrograms
}

/// A network with two honest providers, three auditors and four validators.
pub(crate) fn honest() -> Cast {
    Cast::honest((2, 3, 4), counter)
}

/// An honest network in which this provider is drawn first.
pub(crate) fn with_provider(actor: Actor) -> Cast {
    let mut cast = honest();
    cast.providers.insert(0, actor.bonded(HEAVY));
    cast
}

/// An honest network in which this auditor is always drawn.
pub(crate) fn with_auditor(actor: Actor) -> Cast {
    let mut cast = honest();
    cast.auditors.insert(0, actor.bonded(HEAVY));
    cast
}

/// Runs an order with this cast.
pub(crate) fn run(plan: Plan, cast: Cast) -> (World, Order) {
    orders::run(plan, cast, counter)
}

/// A provider that skips all steps of a share of the segments.
pub(crate) fn lazy(beta: Probability, seed: u8) -> Actor {
    Actor::provider(move || LazyPrograms {
        honest: CounterPrograms,
        share: Share {
            beta,
            seed: [seed; 32],
        },
    })
}

/// A run that came to nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Failed {
    pub(crate) provider: AccountId,
    pub(crate) reason: FailureReason,
    pub(crate) slashed: Amount,
    pub(crate) rounds: Vec<Round>,
    pub(crate) disputes: Vec<Dispute>,
}

/// The runs that came to nothing, in the order in which they were begun.
pub(crate) fn failures(order: &Order) -> Vec<Failed> {
    let failed = order.failed().filter_map(|run| {
        let failure = run.failed?;
        Some(Failed {
            provider: run.provider,
            reason: failure.reason,
            slashed: failure.slashed,
            rounds: run.rounds.clone(),
            disputes: order.disputes_of(run.index).cloned().collect(),
        })
    });
    failed.collect()
}

/// The first provider failed for this reason, lost its bond, was paid nothing, and another
/// provider completed the order.
pub(crate) fn assert_caught(world: &World, order: &Order, reason: FailureReason) {
    let cheater = world.all(Role::Provider)[0];
    assert_eq!(failures(order).len(), 1, "{:?}", failures(order));
    let failure = &failures(order)[0];
    assert_eq!(failure.provider, world.members()[cheater].account);
    assert_eq!(failure.reason, reason);
    assert_eq!(failure.slashed, Amount::tokens(50));
    let left = Amount(Amount::tokens(HEAVY).0 - failure.slashed.0);
    assert_eq!(world.bond(cheater, Role::Provider), left);
    assert!(world.balance(cheater) < BALANCE, "a cheater was paid");
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_unslashed(world, Role::Auditor, 0);
}

/// All from that place on kept their bonds.
pub(crate) fn assert_unslashed(world: &World, role: Role, from: usize) {
    for member in &world.all(role)[from..] {
        let bond = world.bond(*member, role);
        assert!(
            bond >= Amount::tokens(1_000),
            "{} lost bond",
            world.members()[*member].name
        );
    }
}

/// How many seeded runs a statistical test makes; `ASSAY_CASES` sets it.
pub(crate) fn cases(default: u64) -> u64 {
    match std::env::var("ASSAY_CASES") {
        Ok(text) => text.parse().expect("ASSAY_CASES is a whole number"),
        Err(_) => default,
    }
}
