//! Validators that judge without looking.

use assay_ledger::{AccountId, FailureReason, Order, Outcome, Parameters, Piece, Role, Verdict};
use assay_machine::Machine;
use assay_proof::odds::Probability;
use assay_proof::parties::{Provider, Validator};
use assay_proof::{Ask, Context, Identity, Input, Output, Traced};
use assay_sim::liars::auditors::FalseChallenge;
use assay_sim::liars::judges::{
    ConstantJudge, Copied, CopyingJudge, LoudJudge, Overheard, SilentJudge,
};
use assay_sim::orders::{Actor, Cast, Plan, World, play};

use crate::{HEAVY, assert_caught, cases, counter, failures, lazy, run, with_provider};

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
            Actor::new(|_| SilentJudge, counter),
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
    let honest = Validator::new;
    let (world, order) = judged(honest, Copied::Finding);
    assert_caught(&world, &order, FailureReason::WrongResult);
    assert_eq!(earned(&world), (vec![fee(), fee(), 0, 0], 0));
    assert_eq!(order.disputes[0].commitments.len(), 2);
    assert_eq!(order.disputes[0].attestations.len(), 3);
}

#[test]
fn whoever_copies_a_commitment_is_not_heard() {
    let honest = Validator::new;
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

/// An honest provider whose work a false challenge brings before these judges, of which the first gets
/// nothing from the nodes where files were brought at first, or from any.
fn far(provider: Actor, liars: usize, cut_off: bool) -> (Order, Vec<i128>, AccountId) {
    let mut cast = with_provider(provider);
    let challenge = || FalseChallenge {
        honest: counter(),
        truthful: 0,
    };
    let auditor = Actor::auditor(challenge).bonded(HEAVY);
    cast.auditors.insert(0, auditor);
    for liar in 0..liars {
        cast.validators[1 + liar] = Actor::new(|me| ConstantJudge::new(me, None), counter);
    }
    let plan = Plan {
        deadline: 60,
        ..Plan::default()
    };
    play(plan, cast, counter, async |play| {
        let judges = play.all(Role::Validator);
        let first = play.members()[judges[0]].account;
        match cut_off {
            true => play.vault().cut_off.insert(first),
            false => play.vault().far.insert(first),
        };
        let order = play.run().await;
        let earned = judges.into_iter().map(|at| play.earned(at));
        (order, earned.collect(), first)
    })
}

fn honest_provider() -> Actor {
    Actor::provider(counter)
}

/// The one dispute about the first run ended for the provider.
fn assert_upheld(order: &Order) {
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(order), []);
    assert_eq!(order.disputes[0].verdict, Some(Verdict::Provider));
}

#[test]
fn a_judge_behind_a_bad_link_hurts_nobody() {
    for cut_off in [false, true] {
        let (order, earned, _) = far(honest_provider(), 0, cut_off);
        assert_upheld(&order);
        assert_eq!(order.disputes[0].named, []);
        assert_eq!(earned, [0, fee(), fee(), fee()]);
    }
}

#[test]
fn judges_that_lie_that_nothing_was_shown_hurt_nobody() {
    let mut cast = with_provider(honest_provider());
    let challenge = || FalseChallenge {
        honest: counter(),
        truthful: 0,
    };
    cast.auditors
        .insert(0, Actor::auditor(challenge).bonded(HEAVY));
    cast.validators[0] = Actor::new(|me| ConstantJudge::new(me, None), counter);
    let (_, order) = run(Plan::default(), cast);
    assert_upheld(&order);
}

/// With as many liars beside it as there may be, its finding would decide: so it looks again, where the
/// provider has shown it what it missed.
#[test]
fn what_a_judge_could_not_get_is_shown_to_it_again() {
    let (order, earned, first) = far(honest_provider(), 1, false);
    assert_upheld(&order);
    let named = &order.disputes[0].named;
    let pieces: Vec<_> = named.iter().filter_map(|of| of.found.missing()).collect();
    assert_eq!(pieces.len(), 2, "{named:?}");
    assert!(
        pieces.iter().any(|piece| *piece != Piece::Keys),
        "{pieces:?}"
    );
    let mut found = order.disputes[0].attestations.iter();
    assert!(found.any(|of| of.validator == first && of.found.leaf().is_some()));
    assert!(earned[0] >= 0 && earned[1] == 0, "{earned:?}");
}

/// An honest provider but for one thing: it shows nothing again.
struct Once(Provider);

impl Machine for Once {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut outputs = self.0.step(at, input);
        let again =
            |output: &Output| matches!(output, Output::Ask(_, Ask::Keep { again: true, .. }));
        outputs.retain(|output| !again(output));
        outputs
    }
}

/// The control: whoever does not show it again loses, for an honest judge did not get it.
#[test]
fn whoever_does_not_show_it_again_loses() {
    let once = Actor::new(|me| Once(Provider::new(me)), counter);
    let (order, _, _) = far(once, 1, false);
    assert_eq!(failures(&order)[0].reason, FailureReason::Unavailable);
    assert_eq!(order.disputes[0].verdict, Some(Verdict::Challenger));
    assert_eq!(order.disputes[0].attestations.len(), 4);
}
