//! Orders whose first provider breaks the rules: each is caught, slashed, unpaid and replaced.

use std::sync::Arc;

use assay_ledger::{
    Amount, DeclineReason, FailureReason, Order, Outcome, Parameters, Phase, Question, Role,
    StopRule, Verdict,
};
use assay_machine::Machine;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_proof::parties::Requester;
use assay_proof::{Context, Handle, Input, Output, Traced};
use assay_sim::liars::providers::{
    CollapsePrograms, CopyPrograms, CraftedPrograms, DeadEndPrograms, LookingProvider,
    OtherDataPrograms, Withheld, WithholdingProvider,
};
use assay_sim::orders::{Actor, BALANCE, CounterPrograms, DEAD_END, OVER, Plan, STUCK};

use crate::{
    HEAVY, assert_caught, assert_unslashed, counter, failures, honest, lazy, run, with_provider,
};

#[test]
fn skipping_every_step_is_caught() {
    let (world, order) = run(Plan::default(), with_provider(lazy(Probability::ALWAYS, 1)));
    assert_caught(&world, &order, FailureReason::WrongResult);
    let dispute = &order.disputes[0];
    assert_eq!(dispute.question, Question::Step);
    assert_eq!(dispute.verdict, Some(Verdict::Challenger));
    assert_eq!(dispute.disputed.step.0, dispute.agreed.step.0 + 1);
}

#[test]
fn training_on_other_data_is_caught() {
    let cheater = Actor::provider(|| OtherDataPrograms {
        honest: CounterPrograms,
        share: Share::everything(),
        input: "train".to_owned(),
        handle: Handle::in_memory(vec![9]),
    });
    let (world, order) = run(Plan::default(), with_provider(cheater));
    assert_caught(&world, &order, FailureReason::WrongResult);
}

#[test]
fn handing_back_the_first_state_is_caught() {
    let cheater = Actor::provider(|| CopyPrograms {
        honest: CounterPrograms,
        share: Share::everything(),
    });
    let (world, order) = run(Plan::default(), with_provider(cheater));
    assert_caught(&world, &order, FailureReason::WrongResult);
}

#[test]
fn a_crafted_first_state_is_caught_whatever_is_drawn() {
    for seed in 0..4 {
        let cheater = Actor::provider(|| CraftedPrograms {
            honest: CounterPrograms,
            ahead: 5,
        });
        let plan = Plan {
            seed,
            drawn: 1,
            ..Plan::default()
        };
        let (world, order) = run(plan, with_provider(cheater));
        assert_caught(&world, &order, FailureReason::WrongResult);
        let dispute = &order.disputes[0];
        assert_eq!(dispute.question, Question::Initial);
    }
}

#[test]
fn a_state_nobody_can_go_on_from_does_not_frame_the_auditors() {
    let mut starts = 0;
    for seed in 0..6 {
        let cheater = Actor::provider(|| DeadEndPrograms {
            honest: CounterPrograms,
            until: 2,
            state: DEAD_END.to_vec(),
        });
        let plan = Plan {
            seed,
            ..Plan::default()
        };
        let (world, order) = run(plan, with_provider(cheater));
        let dispute = &order.disputes[0];
        let reason = match dispute.question {
            Question::Start => FailureReason::Unavailable,
            _ => FailureReason::WrongResult,
        };
        assert_caught(&world, &order, reason);
        starts += u32::from(dispute.question == Question::Start);
    }
    assert!(starts > 0, "no replay began at the dead end");
}

fn collapsing(at: u64, state: [u8; 32]) -> Actor {
    Actor::provider(move || CollapsePrograms {
        honest: CounterPrograms,
        at,
        state: state.to_vec(),
    })
}

/// Where a run was over is always replayed, so jumping to its end is found whatever is drawn.
#[test]
fn a_run_that_says_that_it_is_over_is_caught_whatever_is_drawn() {
    for seed in 0..8 {
        // The first step of a segment, where the jump and the end of the run part, and the second.
        for at in [1, 2, 5, 6] {
            let plan = Plan {
                seed,
                drawn: 1,
                ..Plan::default()
            };
            let (world, order) = run(plan, with_provider(collapsing(at, OVER)));
            let what = format!("seed {seed}, step {at}");
            match at % 2 {
                // The jump is in the segment before the one in which the run was over.
                0 if order.head.outcome == Some(Outcome::Paid) && order.runs.len() == 1 => {
                    let paid = earned(&order);
                    assert!(paid < Amount::tokens(36), "{what}: {paid}");
                }
                _ => assert_caught(&world, &order, FailureReason::WrongResult),
            }
        }
    }
}

/// What the provider of the only run earned of the price of 100.
fn earned(order: &Order) -> Amount {
    let parameters = Parameters::default();
    let trace = order.runs[0].trace.as_ref().unwrap();
    order
        .head
        .terms
        .earned(&trace.counts, parameters.setup_rate)
}

/// A state that makes later steps cheap pays no more than honest work up to it does: jumping there
/// saves nothing that is not opened, and what comes after it is not paid.
#[test]
fn no_state_makes_a_run_cheaper_than_what_it_is_paid() {
    let rule = StopRule {
        stop_after: 2,
        max_invalid: 20,
    };
    let (mut got, mut lost) = (0, 0);
    let cases = 24;
    for seed in 0..cases {
        let state = if seed % 2 == 0 { OVER } else { STUCK };
        let plan = Plan {
            seed,
            stop: Some(rule),
            attempts: 1,
            ..Plan::default()
        };
        let mut cast = with_provider(collapsing(2, state));
        cast.providers.truncate(1);
        let (_, order) = run(plan, cast);
        match order.head.outcome {
            Some(Outcome::Paid | Outcome::Failed) => got += earned(&order).0,
            _ => lost += order.runs[0].failed.unwrap().slashed.0,
        }
    }
    println!("collapse at step 2 of 20: {got} earned and {lost} lost in {cases} orders");
    assert!(got < lost, "{got} earned, {lost} lost");
}

#[test]
fn long_segments_are_narrowed_to_the_first_skipped_step() {
    // One segment of 1000 steps: ten rounds of bisection, and the liar's first step is found.
    let plan = Plan {
        steps: 2_000,
        segment_steps: 1_000,
        drawn: 8,
        ..Plan::default()
    };
    let (world, order) = run(plan, with_provider(lazy(Probability::ALWAYS, 1)));
    assert_caught(&world, &order, FailureReason::WrongResult);
    let dispute = &order.disputes[0];
    assert_eq!(dispute.disputed.step.0 % 1_000, 1);
}

#[test]
fn whatever_is_kept_back_costs_the_bond() {
    use FailureReason::{Silent, Unavailable, Withheld as Late, WrongResult};
    for (withheld, reason) in [
        (Withheld::Starts, Late),
        (Withheld::Ends, Late),
        (Withheld::Grants, Late),
        (Withheld::GoodGrants, Unavailable),
        (Withheld::Checkpoints, Unavailable),
        (Withheld::Keys, Unavailable),
        (Withheld::Result, WrongResult),
        (Withheld::ResultTile, WrongResult),
        (Withheld::ResultState, WrongResult),
        (Withheld::ResultLength, WrongResult),
        (Withheld::ResultKey, WrongResult),
        (Withheld::Release, Late),
    ] {
        let cheater = Actor::new(move |me| WithholdingProvider::new(me, withheld), counter);
        let (world, order) = run(Plan::default(), with_provider(cheater));
        println!("{withheld:?}");
        assert_caught(&world, &order, reason);
    }
    let liar = Actor::new(
        |me| WithholdingProvider::new(me, Withheld::Moves),
        || LazyPrograms {
            honest: CounterPrograms,
            share: Share::everything(),
        },
    );
    let plan = Plan {
        segment_steps: 10,
        ..Plan::default()
    };
    let (world, order) = run(plan, with_provider(liar));
    assert_caught(&world, &order, Silent);
}

#[test]
fn a_provider_that_falls_silent_is_replaced_and_pays_for_the_delay() {
    let cheater = Actor::new(|me| WithholdingProvider::new(me, Withheld::Run), counter);
    let (world, order) = run(Plan::default(), with_provider(cheater));
    assert_eq!(failures(&order)[0].reason, FailureReason::Late);
    assert_eq!(failures(&order)[0].slashed, Amount::tokens(10));
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    let silent = world.all(Role::Provider)[0];
    // It paid the fee of its answer, and got nothing.
    let spent = BALANCE.0 - world.balance(silent).0;
    assert!(spent < Amount::tokens(1).0, "{spent}");
}

#[test]
fn one_honest_auditor_is_enough_against_an_accomplice() {
    // The accomplice replays on the provider's own lying programs and agrees with it.
    let plan = Plan {
        drawn: 10,
        ..Plan::default()
    };
    let half = Probability::ratio(1, 2);
    let mut cast = with_provider(lazy(half, 3));
    let accomplice = Actor::auditor(move || LazyPrograms {
        honest: CounterPrograms,
        share: Share {
            beta: half,
            seed: [3; 32],
        },
    });
    cast.auditors.insert(0, accomplice.bonded(HEAVY));
    let (world, order) = run(plan, cast);
    let failure = &failures(&order)[0];
    assert_eq!(failure.reason, FailureReason::WrongResult);
    assert_eq!(failure.rounds[0].seats.len(), 2);
    assert_eq!(failure.disputes.len(), 1);
    let accomplice = world.members()[world.all(Role::Auditor)[0]].account;
    assert_ne!(failure.disputes[0].challenger, accomplice);
    assert_unslashed(&world, Role::Auditor, 1);
}

#[test]
fn an_honest_provider_among_cheaters_gets_the_order_in_the_end() {
    let mut cast = honest();
    cast.providers.truncate(1);
    cast.providers
        .insert(0, lazy(Probability::ALWAYS, 1).bonded(HEAVY));
    cast.providers
        .insert(0, lazy(Probability::ALWAYS, 2).bonded(HEAVY));
    let plan = Plan {
        attempts: 3,
        ..Plan::default()
    };
    let (world, order) = run(plan, cast);
    assert_eq!(failures(&order).len(), 2);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    let honest = world.all(Role::Provider)[2];
    assert_eq!(order.provider(), Some(world.members()[honest].account));
}

/// A requester that helps nobody in a dispute.
struct Unhelpful(Requester);

impl Machine for Unhelpful {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let outputs = self.0.step(at, input);
        match at.view.order.head.phase {
            Phase::Attesting => Vec::new(),
            _ => outputs,
        }
    }
}

#[test]
fn a_challenger_needs_no_help_from_those_it_accuses() {
    let half = Probability::ratio(1, 2);
    let mut within_a_stretch = 0;
    for seed in 0..12 {
        let liar = Actor::new(
            |me| WithholdingProvider::new(me, Withheld::Evidence),
            move || LazyPrograms {
                honest: CounterPrograms,
                share: Share {
                    beta: half,
                    seed: [seed; 32],
                },
            },
        );
        let mut cast = with_provider(liar);
        cast.requester = Arc::new(|me, keys| Box::new(Unhelpful(Requester::new(me, keys))));
        let plan = Plan {
            seed: seed.into(),
            drawn: 32,
            ..Plan::default()
        };
        println!("seed {seed}");
        let (world, order) = run(plan, cast);
        assert_caught(&world, &order, FailureReason::WrongResult);
        let failure = &failures(&order)[0];
        let dispute = &failure.disputes[0];
        let starts = &failure.rounds[0].starts;
        within_a_stretch += u32::from(!starts.iter().any(|start| start.step == dispute.from.step));
    }
    assert!(
        within_a_stretch > 0,
        "the challengers' own keys were all that was needed"
    );
}

/// Whoever takes orders to read what they are about pays for each look: the validators can begin with what
/// it was granted.
#[test]
fn a_provider_that_only_looks_pays_for_it() {
    for reason in [DeclineReason::Keys, DeclineReason::Inputs] {
        let looking = Actor::new(move |me| LookingProvider::new(me, reason), counter);
        let (world, order) = run(Plan::default(), with_provider(looking));
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{reason:?}");
        assert_eq!(order.disputes[0].question, Question::Beginning);
        assert_eq!(order.disputes[0].verdict, Some(Verdict::Challenger));
        let failure = &failures(&order)[0];
        assert_eq!(failure.reason, FailureReason::Unfounded);
        // A twentieth of the price of 100.
        assert_eq!(failure.slashed, Amount::tokens(5));
        assert_unslashed(&world, Role::Provider, 1);
    }
}
