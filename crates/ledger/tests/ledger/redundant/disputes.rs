//! A difference between two runs: narrowed down to one step, checkpoints first.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{
    FailureReason, Leaf, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Question, Refusal,
    RunIndex, SegmentIndex, StepIndex, Verdict,
};

use super::crew::{all_free, crowd, gain, lie, tokens, truth};
use crate::world::{Run, Who, World, sealed, terms};

fn leaf(run: &Run, step: u64) -> Leaf {
    let step = StepIndex(step);
    let leaf = run.at(step);
    Leaf { step, leaf }
}

/// Wherever a run begins to be wrong, and whichever of the two it is: they end at that step, with
/// a replay from the last checkpoint on which both agree.
#[test]
fn the_first_step_that_differs_is_found_from_the_last_agreed_checkpoint() {
    let length = u64::from(terms().segment_steps);
    for from in 1..=terms().steps {
        for liar in [0, 1] {
            let mut runs = [truth(), truth()];
            runs[liar] = lie(from, "liar");
            let mut world = crowd();
            let order = world.compared(&runs);
            let opened = world.order(order).dispute().cloned().unwrap();
            assert_eq!((opened.run, opened.rival), (RunIndex(0), Some(RunIndex(1))));
            assert_eq!(opened.challenger, world.runner(order, 1).id());
            assert_eq!(opened.question, Question::Step);
            assert_eq!(opened.from, leaf(&truth(), 0));
            assert_eq!(opened.disputed, leaf(&runs[0], terms().steps));
            let steps = world.narrow(order, &runs);
            let dispute = world.order(order).dispute().cloned().unwrap();
            assert_eq!(dispute.agreed, leaf(&truth(), from - 1), "{from}");
            assert_eq!(dispute.disputed, leaf(&runs[0], from));
            assert_eq!(dispute.claimed, Some(runs[1].at(StepIndex(from))));
            let checkpoint = (from - 1) / length;
            assert_eq!(dispute.from, leaf(&truth(), checkpoint * length));
            assert_eq!(dispute.segment, SegmentIndex(checkpoint as u32));
            // Checkpoints first, then the steps between two of them; no step twice.
            let at: Vec<bool> = steps.iter().map(|step| step % length == 0).collect();
            assert!(at.is_sorted_by(|a, b| a >= b), "{steps:?}");
            let distinct: BTreeSet<_> = steps.iter().collect();
            assert_eq!(distinct.len(), steps.len());
            assert!(steps.len() <= 3 + 2, "{steps:?}");
            world.attest(order, Some(truth().at(StepIndex(from))));
            let verdict = world.order(order).disputes[0].verdict;
            let right = [Verdict::Challenger, Verdict::Provider][liar];
            assert_eq!(verdict, Some(right));
            assert_eq!(world.phase(order), Phase::Accepted);
            assert_eq!(world.standing(order), [1 - liar as u32]);
        }
    }
}

#[test]
fn a_wrong_initial_state_is_judged_at_once() {
    let crafted = truth().beginning(Digest::of("crafted", &[]));
    for liar in [0, 1] {
        let mut runs = [truth(), truth()];
        runs[liar] = crafted.clone();
        let mut world = crowd();
        let order = world.compared(&runs);
        assert_eq!(world.phase(order), Phase::Attesting);
        let dispute = world.order(order).dispute().cloned().unwrap();
        assert_eq!(dispute.question, Question::Initial);
        assert_eq!(dispute.disputed, leaf(&runs[0], 0));
        assert_eq!(dispute.claimed, Some(runs[1].at(StepIndex(0))));
        world.attest(order, Some(truth().leaves[0]));
        assert_eq!(world.phase(order), Phase::Accepted);
        assert_eq!(world.standing(order), [1 - liar as u32]);
    }
}

/// A tree that says one thing and later another: the sides agree on some step and differ on the
/// next, and there the liar is wrong.
#[test]
fn leaves_that_come_and_go_are_wrong_where_they_part() {
    let mut odd = lie(3, "liar");
    for step in [4, 8, 9, 16] {
        odd = odd.with(step as u64, truth().reached[step]);
    }
    let runs = [odd, truth()];
    let mut world = crowd();
    let order = world.compared(&runs);
    world.narrow(order, &runs);
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!(dispute.disputed.step.0, dispute.agreed.step.0 + 1);
    assert_eq!(dispute.agreed.leaf, truth().at(dispute.agreed.step));
    assert_ne!(dispute.disputed.leaf, truth().at(dispute.disputed.step));
    world.attest(order, Some(truth().at(dispute.disputed.step)));
    assert_eq!(world.standing(order), [1]);
}

#[test]
fn a_side_that_shows_no_path_under_its_own_root_is_refused() {
    let runs = [truth(), lie(5, "liar")];
    let mut world = crowd();
    let order = world.compared(&runs);
    let step = world.middle(order);
    let place = world.here(order);
    for side in [0, 1] {
        let (own, other) = (&runs[side], &runs[1 - side]);
        let (mine, theirs) = (own.opening(step), other.opening(step));
        let aside = own.opening(StepIndex(step.0 + 1)).path;
        let unknown = Digest::of("unknown", &[]);
        let who = world.runner(order, side as u32);
        for (leaf, path) in [
            (mine.leaf(), None),
            (theirs.leaf(), Some(theirs.path.clone())),
            (theirs.leaf(), Some(mine.path.clone())),
            (mine.leaf(), Some(theirs.path)),
            (mine.leaf(), Some(aside)),
            (unknown, Some(mine.path)),
        ] {
            let bisect = OrderCall::Bisect {
                place,
                step,
                leaf,
                path,
            };
            let refusal = world.refuse(who, bisect);
            let bad = OrderRefusal::BadPath { order, step };
            assert_eq!(refusal, Refusal::Order(bad));
        }
    }
    // Of another step nobody may speak, and nobody twice.
    let elsewhere = world.bisect_call(order, StepIndex(step.0 + 1), &runs[0]);
    let speaker = world.runner(order, 0);
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    assert_eq!(world.refuse(speaker, elsewhere), done);
    let call = world.bisect_call(order, step, &runs[0]);
    world.apply(speaker, call.clone());
    assert_eq!(world.refuse(speaker, call), done);
}

/// Only the two whose runs differ speak, and only they and the requester hand keys to validators.
#[test]
fn the_third_provider_has_no_say_in_a_dispute() {
    let runs = [truth(), lie(5, "liar"), truth()];
    let mut world = crowd();
    let order = world.compared(&runs);
    let step = world.middle(order);
    let third = world.runner(order, 2);
    let call = world.bisect_call(order, step, &runs[2]);
    assert!(matches!(
        world.refuse(third, call),
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    let grant = OrderCall::Grant {
        place: world.here(order),
        grantee: Who::Validator(0).id(),
        sealed: sealed("keys"),
    };
    assert!(matches!(
        world.refuse(third, grant.clone()),
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    for who in [
        Who::Requester,
        world.runner(order, 0),
        world.runner(order, 1),
    ] {
        world.apply(who, grant.clone());
    }
    world.judge_all(order, &runs);
    assert_eq!(world.standing(order), [0, 2]);
    assert_eq!(world.phase(order), Phase::Accepted);
}

/// Brings two runs that differ into a dispute, in which some speak; then its time passes.
fn silent(runs: &[Run], speak: &[u32]) -> (World, OrderId) {
    let mut world = crowd();
    let order = world.compared(runs);
    let step = world.middle(order);
    for side in speak {
        let call = world.bisect_call(order, step, &runs[*side as usize]);
        world.apply(world.runner(order, *side), call);
    }
    world.expire(order);
    (world, order)
}

#[test]
fn whoever_falls_silent_loses_to_the_other() {
    let runs = [lie(5, "one"), truth()];
    for speaker in [0, 1] {
        let (mut world, order) = silent(&runs, &[speaker]);
        let (spoke, silent) = (
            world.runner(order, speaker),
            world.runner(order, 1 - speaker),
        );
        let failures = world.failures(order);
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].0, silent.id());
        assert_eq!(failures[0].1.reason, FailureReason::Silent);
        assert_eq!(world.phase(order), Phase::Accepted);
        world.apply(Who::Requester, OrderCall::Accept { order });
        assert_eq!(gain(&world, spoke), tokens(10 + 10));
        assert_eq!(gain(&world, silent), tokens(-20));
        assert_eq!(gain(&world, Who::Requester), tokens(-10));
        all_free(&world);
    }
}

#[test]
fn where_both_fall_silent_both_lose() {
    let (world, order) = silent(&[lie(5, "one"), truth()], &[]);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Neither));
    assert_eq!(record.head.outcome, Some(Outcome::NoCopies));
    for run in [0, 1] {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(-20));
        let failure = record.runs[run as usize].failed.unwrap();
        assert_eq!(failure.reason, FailureReason::Silent);
    }
    all_free(&world);
}

/// A sham dispute, lost on purpose, does not make a lie true: the honest run is compared next.
#[test]
fn a_sham_dispute_does_not_shield_a_lie() {
    let runs = [lie(0, "accomplice"), lie(9, "liar"), truth()];
    let mut world = crowd();
    let order = world.compared(&runs);
    // The accomplice differs in leaf 0 and loses.
    world.attest(order, Some(truth().leaves[0]));
    assert_eq!(world.standing(order), [1, 2]);
    world.judge_all(order, &runs);
    assert_eq!(world.standing(order), [2]);
    assert_eq!(world.phase(order), Phase::Accepted);
    // The same by silence.
    let runs = [lie(5, "accomplice"), lie(9, "liar"), truth()];
    let (mut world, order) = silent(&runs, &[1]);
    assert_eq!(world.standing(order), [1, 2]);
    world.judge_all(order, &runs);
    assert_eq!(world.standing(order), [2]);
    assert_eq!(world.phase(order), Phase::Accepted);
}

/// Both sides had to store what a replay begins with: if it cannot be had, both lose.
#[test]
fn what_validators_cannot_get_counts_against_both() {
    let runs = [truth(), lie(5, "liar"), truth()];
    let mut world = crowd();
    let order = world.compared(&runs);
    world.narrow(order, &runs);
    world.attest(order, None);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Neither));
    for (_, failure) in world.failures(order) {
        assert_eq!(failure.reason, FailureReason::Unavailable);
    }
    assert_eq!(world.standing(order), [2]);
    // The third was compared with nobody: validators look at it.
    assert_eq!(record.head.phase, Phase::Committed);
}

/// Two runs that differ, before the validators, so many of whom find nothing; then the time is over.
fn unjudged(unseen: u8) -> (World, OrderId) {
    let runs = [truth(), lie(5, "liar")];
    let mut world = crowd();
    let order = world.compared(&runs);
    world.narrow(order, &runs);
    let found: Vec<_> = (0..unseen).map(|i| (i, None)).collect();
    world.judge(order, &found);
    world.expire(order);
    (world, order)
}

/// Whoever gives the validators too little time pays for both: nobody was shown to be wrong.
#[test]
fn without_a_verdict_nobody_has_worked_for_nothing() {
    for unseen in [0, 1] {
        let (mut world, order) = unjudged(unseen);
        let record = world.order(order);
        assert_eq!(record.disputes[0].verdict, Some(Verdict::None));
        assert_eq!(world.phase(order), Phase::Accepted);
        world.apply(Who::Requester, OrderCall::Accept { order });
        for run in [0, 1] {
            assert_eq!(gain(&world, world.runner(order, run)), tokens(10));
        }
        assert_eq!(gain(&world, Who::Requester), tokens(-20));
        all_free(&world);
    }
}

/// Of one more than can be liars one is honest, and both had to show it to all.
#[test]
fn what_an_honest_validator_could_not_get_beats_both_without_a_quorum() {
    let (world, order) = unjudged(2);
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Neither));
    assert_eq!(record.head.outcome, Some(Outcome::NoCopies));
    for run in [0, 1] {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(-20));
    }
    assert_eq!(gain(&world, Who::Requester), 0);
    all_free(&world);
}
