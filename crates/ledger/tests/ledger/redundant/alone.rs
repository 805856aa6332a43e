//! A copy that is left alone: validators audit it, and whoever has worked is paid, whatever the others do.

use assay_ledger::{
    Amount, DeclineReason, FailureReason, OrderCall, OrderId, Outcome, Phase, RunIndex, Taken,
};

use super::crew::{all_free, copies, crowd, gain, judged, lie, tokens, truth};
use crate::last_resort::{open, sit};
use crate::world::{Run, Who, World, terms};

/// Validators take their seats.
fn drawn(world: &mut World, order: OrderId) {
    while world.phase(order) == Phase::Committed {
        world.advance(1);
    }
    assert_eq!(world.phase(order), Phase::Opening);
}

/// Validators audit a run that was left alone, find what is true, and the result is delivered.
pub(crate) fn audited(world: &mut World, order: OrderId, run: &Run) -> Vec<Who> {
    drawn(world, order);
    sit(world, order, run, |_| run.clone())
}

/// How the provider of the other copy sees to it that there is nothing to compare with.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// It gives the order back.
    Declines,
    /// It never commits.
    IsLate,
    /// It never shows what it committed to.
    HidesRun,
    /// It is wrong, and says nothing in the dispute.
    FallsSilent,
    /// It is late, and the requester, whose accomplice it is, hands no keys to the one that replaces it.
    WithRequester,
}

/// An order of two copies of which the first is left alone; it is revealed.
fn left(leaves: Leaves, run: &Run) -> (World, OrderId) {
    let mut world = crowd();
    let terms = assay_ledger::Terms {
        attempts: match leaves {
            Leaves::WithRequester => 2,
            _ => 1,
        },
        ..copies(2)
    };
    let order = world.drawn(&terms);
    world.hand_all(order);
    world.commit_run(order, 0, run);
    match leaves {
        Leaves::Declines => {
            let place = world.order(order).work(RunIndex(1));
            let reason = DeclineReason::Inputs;
            let decline = OrderCall::Decline { place, reason };
            world.apply(world.runner(order, 1), decline);
        }
        Leaves::IsLate => world.expire(order),
        Leaves::HidesRun => world.commit_run(order, 1, run),
        Leaves::FallsSilent => world.commit_run(order, 1, &lie(5, "silent")),
        Leaves::WithRequester => {
            world.expire(order);
            world.fill(order);
            world.expire(order);
        }
    }
    assert_eq!(world.phase(order), Phase::Revealing, "{leaves:?}");
    world.reveal_run(order, 0, run);
    match leaves {
        Leaves::HidesRun => world.expire(order),
        Leaves::FallsSilent => {
            world.reveal_run(order, 1, &lie(5, "silent"));
            let call = world.bisect_call(order, world.middle(order), run);
            world.apply(world.runner(order, 0), call);
            world.expire(order);
        }
        _ => {}
    }
    (world, order)
}

const ALL: [Leaves; 5] = [
    Leaves::Declines,
    Leaves::IsLate,
    Leaves::HidesRun,
    Leaves::FallsSilent,
    Leaves::WithRequester,
];

#[test]
fn whatever_the_other_does_an_honest_copy_is_paid() {
    for leaves in ALL {
        let (mut world, order) = left(leaves, &truth());
        let alone = world.runner(order, 0);
        let mut reward = 0;
        let mut seats = Vec::new();
        if let Leaves::FallsSilent = leaves {
            // A verdict has found it right already.
            reward = tokens(10);
        } else {
            seats = audited(&mut world, order, &truth());
            assert_eq!(seats.len(), 2, "one more than can be liars among four");
        }
        assert_eq!(world.phase(order), Phase::Accepted, "{leaves:?}");
        world.apply(Who::Requester, OrderCall::Accept { order });
        assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
        assert_eq!(gain(&world, alone), tokens(10) + reward, "{leaves:?}");
        // Validators share the price of the copy that they stand in for.
        for seat in &seats {
            assert_eq!(world.paid(order, seat.id()), Amount::tokens(5).0);
        }
        let spent = match (leaves, seats.len()) {
            // The one that got no keys was kept waiting.
            (Leaves::WithRequester, _) => {
                let idle = terms().idle_fee(&world.genesis.parameters);
                tokens(20) + i128::from(idle.0)
            }
            (_, 0) => tokens(10),
            _ => tokens(20),
        };
        assert_eq!(gain(&world, Who::Requester), -spent, "{leaves:?}");
        all_free(&world);
        assert_eq!(world.replay(), world.root);
    }
}

/// What has vanished with its bond is no evidence: whoever is alone is looked at.
#[test]
fn a_liar_whose_accomplice_makes_way_for_it_is_caught() {
    for (from, leaves) in [
        (1, Leaves::Declines),
        (9, Leaves::IsLate),
        (22, Leaves::HidesRun),
    ] {
        let wrong = lie(from, "liar");
        let (mut world, order) = left(leaves, &wrong);
        let liar = world.runner(order, 0);
        drawn(&mut world, order);
        sit(&mut world, order, &wrong, |_| truth());
        world.bisect(order, &wrong, &truth());
        let step = world.order(order).dispute().unwrap().disputed.step;
        world.attest(order, Some(truth().at(step)));
        let record = world.order(order);
        assert_eq!(record.head.outcome, Some(Outcome::NoCopies), "{leaves:?}");
        let failure = record.runs[0].failed.unwrap();
        assert_eq!(failure.reason, FailureReason::WrongResult);
        assert!(gain(&world, liar) <= tokens(-20), "{leaves:?}");
        assert_eq!(gain(&world, Who::Requester), 0, "{leaves:?}");
        all_free(&world);
        assert_eq!(world.replay(), world.root);
    }
}

/// The whole of a short run is replayed, as a comparison would have been of the whole.
#[test]
fn every_kind_of_leaving_has_as_many_segments_drawn_as_can_be() {
    let (mut world, order) = left(Leaves::Declines, &truth());
    drawn(&mut world, order);
    let drawn = world.order(order).round().unwrap().segments.len();
    assert_eq!(drawn, terms().segments() as usize);
}

/// Steps that came to nothing are told when a run is shown, so that its provider can open its leaves.
#[test]
fn a_copy_with_invalid_steps_is_audited_too() {
    let steps: Vec<Taken> = (1..=terms().steps)
        .map(|step| match step {
            3 | 9 => Taken::Invalid,
            _ => Taken::Valid,
        })
        .collect();
    let run = Run::of(&steps);
    let (mut world, order) = left(Leaves::HidesRun, &run);
    audited(&mut world, order, &run);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(gain(&world, world.runner(order, 0)), tokens(10));
}

/// Nobody audits: no finding speaks against it.
#[test]
fn a_copy_that_nobody_would_audit_is_paid() {
    let (mut world, order) = left(Leaves::HidesRun, &truth());
    while !world.phase(order).is_final() {
        if world.phase(order) == Phase::Opening {
            open(&mut world, order, &truth());
        }
        world.deliver(order);
        world.advance(1);
    }
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    assert_eq!(gain(&world, world.runner(order, 0)), tokens(10));
    // What no validator has earned comes back.
    assert_eq!(gain(&world, Who::Requester), tokens(-10));
    all_free(&world);
}

/// A bad result of a copy that was audited alone is complained about as any other.
#[test]
fn a_complaint_about_a_copy_left_alone_is_judged() {
    for good in [true, false] {
        let (mut world, order) = left(Leaves::HidesRun, &truth());
        audited(&mut world, order, &truth());
        world.apply(Who::Requester, OrderCall::Complain { order });
        let last = truth().at(assay_ledger::StepIndex(terms().steps));
        world.attest(order, good.then_some(last));
        let fees = judged(&world.order(order));
        let (outcome, gained) = match good {
            // The judges are paid from the deposit.
            true => (Outcome::Paid, tokens(10 + 1) - i128::from(fees)),
            false => (Outcome::NoCopies, tokens(-20)),
        };
        assert_eq!(world.order(order).head.outcome, Some(outcome));
        assert_eq!(gain(&world, world.runner(order, 0)), gained);
        all_free(&world);
    }
}

/// What happens too seldom by chance: one left alone by two that fall together, in either way.
pub(crate) fn rare() -> Vec<World> {
    let together = [lie(5, "one"), lie(5, "other"), truth()];
    let mut silent = crowd();
    let order = silent.compared(&together);
    silent.expire(order);
    assert_eq!(silent.phase(order), Phase::Committed);
    crate::life::wait(&mut silent, order);
    let mut wrong = crowd();
    let order = wrong.compared(&together);
    wrong.judge_all(order, &together);
    assert_eq!(wrong.phase(order), Phase::Committed);
    crate::life::wait(&mut wrong, order);
    let (mut hidden, order) = left(Leaves::HidesRun, &truth());
    crate::life::wait(&mut hidden, order);
    // A bad result, where others have committed to the same.
    let mut bad = crowd();
    let order = bad.compared(&[truth(), truth(), truth()]);
    bad.apply(Who::Requester, OrderCall::Complain { order });
    bad.attest(order, None);
    assert_eq!(bad.phase(order), Phase::Accepted);
    crate::life::wait(&mut bad, order);
    vec![silent, wrong, hidden, bad]
}
