//! Validators that judge without looking.

use assay_ledger::{FailureReason, Order, Parameters, Role};
use assay_machine::Machine;
use assay_proof::odds::Probability;
use assay_proof::{Context, Identity, Input, Output, Traced};
use assay_sim::liars::judges::{Copied, CopyingJudge, LoudJudge, Overheard};
use assay_sim::orders::{Actor, Cast, Plan, World};

use crate::{assert_caught, cases, counter, lazy, run, with_provider};

/// A validator that is away.
struct Away;

impl Machine for Away {
    type Protocol = Traced;

    fn step(&mut self, _: &Context<'_>, _: Input) -> Vec<Output> {
        Vec::new()
    }
}

fn fee() -> i128 {
    Parameters::devnet().judge_fee.0.into()
}

/// A cheated order that four validators judge: two honest ones of this kind, one that copies, and one that
/// is away, so that the copy is needed for a verdict.
fn judged<J: Machine<Protocol = Traced> + 'static>(
    honest: impl Fn(Identity) -> J + Clone + Send + Sync + 'static,
    copied: Copied,
) -> (World, Order) {
    let copying = move |me| CopyingJudge::new(me, copied.clone());
    let cast = Cast {
        validators: vec![
            Actor::new(honest.clone(), counter),
            Actor::new(honest, counter),
            Actor::new(copying, counter),
            Actor::new(|_| Away, counter),
        ],
        ..with_provider(lazy(Probability::ALWAYS, 1))
    };
    run(Plan::default(), cast)
}

/// What each validator has earned, fees aside, and the steps that the third one computed.
fn earned(world: &World) -> (Vec<i128>, u64) {
    let judges = world.all(Role::Validator);
    let steps = world.members()[judges[2]].steps;
    (
        judges.into_iter().map(|at| world.earned(at)).collect(),
        steps,
    )
}

#[test]
fn whoever_copies_a_finding_is_heard_and_earns_nothing() {
    let honest = assay_proof::parties::Validator::new;
    let (world, order) = judged(honest, Copied::Finding);
    assert_caught(&world, &order, FailureReason::WrongResult);
    assert_eq!(earned(&world), (vec![fee(), fee(), 0, 0], 0));
    assert_eq!(order.disputes[0].commitments.len(), 2);
    assert_eq!(order.disputes[0].attestations.len(), 3);
}

#[test]
fn whoever_copies_a_commitment_is_not_heard() {
    let honest = assay_proof::parties::Validator::new;
    let mut cast = with_provider(lazy(Probability::ALWAYS, 1));
    let copied = |me| CopyingJudge::new(me, Copied::Commitment);
    cast.validators[2] = Actor::new(copied, counter);
    cast.validators[3] = Actor::new(honest, counter);
    let (world, order) = run(Plan::default(), cast);
    assert_caught(&world, &order, FailureReason::WrongResult);
    let (earned, steps) = earned(&world);
    assert_eq!((earned[2], steps), (0, 0));
    let copier = world.members()[world.all(Role::Validator)[2]].account;
    let mut attested = order.disputes[0].attestations.iter();
    assert!(attested.all(|made| made.validator != copier));
}

/// The control: a judge that knows what another found while it can still commit is paid for no step.
#[test]
fn whoever_overhears_a_finding_in_time_is_paid_for_nothing() {
    let heard = Overheard::default();
    let shared = heard.clone();
    let loud = move |me| LoudJudge::new(me, shared.clone());
    let (world, order) = judged(loud, Copied::Overheard(heard));
    assert_caught(&world, &order, FailureReason::WrongResult);
    assert_eq!(earned(&world), (vec![fee(), fee(), fee(), 0], 0));
}

/// Judges are killed between all that they do, and made anew from their journals: none ever reveals anything
/// but what it committed to, so no reveal is refused, and each that committed is paid.
#[test]
fn a_judge_that_is_killed_reveals_what_it_committed_to() {
    let mut kills = 0;
    for seed in 0..cases(40) {
        let plan = Plan {
            seed,
            delay: 2,
            kills: 60,
            deadline: 400,
            ..Plan::default()
        };
        let (world, order) = run(plan, with_provider(lazy(Probability::ALWAYS, 1)));
        assert_caught(&world, &order, FailureReason::WrongResult);
        for (who, why) in world.refused() {
            let other = why.contains("is not what this account committed to");
            assert!(!other, "seed {seed}: {who}: {why}");
        }
        let dispute = &order.disputes[0];
        assert_eq!(dispute.commitments.len(), 3, "seed {seed}");
        for at in world.all(Role::Validator) {
            let member = &world.members()[at];
            kills += member.kills;
            let made = |by: &[_]| by.contains(&member.account);
            let committed: Vec<_> = dispute.commitments.iter().map(|of| of.validator).collect();
            let expected = if made(&committed) { fee() } else { 0 };
            assert_eq!(world.earned(at), expected, "seed {seed}: {}", member.name);
        }
    }
    assert!(kills > 40, "{kills} kills are no test");
}
