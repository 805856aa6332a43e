//! Runs that come to nothing before they are shown, and who does them in place of those.

use std::collections::BTreeSet;

use assay_ledger::{
    Amount, DeclineReason, FailureReason, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Ppm,
    Refusal, RunIndex, Terms,
};

use super::crew::{all_free, copies, crowd, gain, tokens, truth};
use crate::world::{Who, World, parameters, terms};

fn with(count: u8, attempts: u8) -> Terms {
    Terms {
        attempts,
        ..copies(count)
    }
}

/// Drawn, and all hold keys.
fn running(world: &mut World, terms: &Terms) -> OrderId {
    let order = world.drawn(terms);
    world.hand_all(order);
    order
}

/// What a provider gets that was kept waiting for nothing.
fn idle() -> i128 {
    i128::from(terms().idle_fee(&parameters()).0)
}

fn decline(world: &mut World, order: OrderId, run: u32) {
    let call = OrderCall::Decline {
        place: world.order(order).work(RunIndex(run)),
        reason: DeclineReason::Inputs,
    };
    world.apply(world.runner(order, run), call);
}

fn reason(world: &World, order: OrderId, run: u32) -> Option<FailureReason> {
    let record = world.order(order);
    record.runs[run as usize].failed.map(|failed| failed.reason)
}

/// All the runs that stand are revealed.
fn reveal_all(world: &mut World, order: OrderId) {
    for run in world.standing(order) {
        world.reveal_run(order, run, &truth());
    }
}

#[test]
fn a_late_run_costs_a_share_of_the_bond_and_is_replaced() {
    let mut world = crowd();
    let order = running(&mut world, &with(3, 2));
    let late = world.runner(order, 1);
    for run in [0, 2] {
        world.commit_run(order, run, &truth());
    }
    world.expire(order);
    assert_eq!(world.phase(order), Phase::Posted);
    assert_eq!(reason(&world, order, 1), Some(FailureReason::Late));
    let cut = parameters().late_rate.of(terms().provider_bond);
    assert_eq!(gain(&world, late), -i128::from(cut.0));
    // Those who are committed stay bound to it.
    assert_eq!(world.standing(order), [0, 2]);
    world.fill(order);
    assert_eq!(world.phase(order), Phase::Assigned);
    assert_eq!(world.standing(order), [0, 2, 3]);
    // Only the new one needs keys.
    world.hand_all(order);
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    let again = world.commit_run_call(order, 0, &truth());
    assert_eq!(world.refuse(world.runner(order, 0), again), done);
    world.commit_run(order, 3, &truth());
    assert_eq!(world.phase(order), Phase::Revealing);
    reveal_all(&mut world, order);
    world.apply(Who::Requester, OrderCall::Accept { order });
    for run in [0, 2, 3] {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(10));
    }
    assert_eq!(gain(&world, late), -i128::from(cut.0));
    all_free(&world);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn a_declined_run_costs_nothing_and_is_replaced() {
    let mut world = crowd();
    let order = running(&mut world, &with(2, 2));
    let gone = world.runner(order, 0);
    decline(&mut world, order, 0);
    // The other still works.
    assert_eq!(world.phase(order), Phase::Running);
    world.commit_run(order, 1, &truth());
    assert_eq!(world.phase(order), Phase::Posted);
    world.fill(order);
    world.hand_all(order);
    world.commit_run(order, 2, &truth());
    reveal_all(&mut world, order);
    world.apply(Who::Requester, OrderCall::Accept { order });
    let declined = FailureReason::Declined(DeclineReason::Inputs);
    assert_eq!(reason(&world, order, 0), Some(declined));
    assert_eq!(gain(&world, gone), 0);
    all_free(&world);
}

#[test]
fn a_run_without_keys_costs_its_provider_nothing_and_is_replaced() {
    ungranted();
}

/// What happens too seldom by chance: copies without keys, beside two that are committed.
pub(crate) fn ungranted() -> World {
    let mut world = crowd();
    let order = world.drawn(&with(3, 2));
    for run in [0, 1] {
        world.hand(order, run);
    }
    assert_eq!(world.phase(order), Phase::Assigned);
    world.expire(order);
    assert_eq!(reason(&world, order, 2), Some(FailureReason::NotGranted));
    assert_eq!(gain(&world, world.runner(order, 2)), idle());
    assert_eq!(world.phase(order), Phase::Running);
    for run in [0, 1] {
        world.commit_run(order, run, &truth());
    }
    assert_eq!(world.phase(order), Phase::Posted);
    world.fill(order);
    // Two committed runs are enough if the third gets no keys either.
    world.expire(order);
    assert_eq!(world.phase(order), Phase::Revealing);
    assert_eq!(reason(&world, order, 3), Some(FailureReason::NotGranted));
    reveal_all(&mut world, order);
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    // Two providers were kept waiting for nothing.
    assert_eq!(gain(&world, Who::Requester), tokens(-20) - 2 * idle());
    all_free(&world);
    world
}

#[test]
fn two_committed_runs_suffice_when_the_attempts_are_used() {
    let mut world = crowd();
    let order = running(&mut world, &with(3, 1));
    world.commit_run(order, 0, &truth());
    decline(&mut world, order, 2);
    world.commit_run(order, 1, &truth());
    assert_eq!(world.phase(order), Phase::Revealing);
    reveal_all(&mut world, order);
    world.apply(Who::Requester, OrderCall::Accept { order });
    // The price of the copy that was not made went back.
    assert_eq!(gain(&world, Who::Requester), tokens(-20));
}

/// Two runs can no longer be had. Where nobody works that ends the order at once; whoever has begun goes
/// on, and is shown and audited alone.
#[test]
fn an_order_ends_once_nobody_works_and_two_runs_can_no_longer_be_had() {
    // The first declines while the other works.
    let mut world = crowd();
    let order = running(&mut world, &with(2, 1));
    decline(&mut world, order, 0);
    assert_eq!(world.phase(order), Phase::Running);
    world.commit_run(order, 1, &truth());
    assert_eq!(world.phase(order), Phase::Revealing);
    // The same after the other has committed, and with a provider that is late.
    for late in [false, true] {
        let mut world = crowd();
        let order = running(&mut world, &with(2, 1));
        world.commit_run(order, 1, &truth());
        if late {
            world.expire(order);
        } else {
            decline(&mut world, order, 0);
        }
        assert_eq!(world.phase(order), Phase::Revealing);
        world.reveal_run(order, 1, &truth());
        assert_eq!(world.phase(order), Phase::Committed);
    }
    // One more could be drawn, but one alone is no comparison.
    let mut world = crowd();
    let order = running(&mut world, &with(3, 2));
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoCopies));
    // Keys for one of two, and no other to be drawn.
    let mut world = crowd();
    let order = world.drawn(&with(2, 1));
    world.hand(order, 0);
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NotGranted));
    all_free(&world);
}

#[test]
fn where_all_are_late_others_are_drawn() {
    let mut world = crowd();
    let order = running(&mut world, &with(2, 3));
    world.expire(order);
    assert_eq!(world.phase(order), Phase::Posted);
    world.fill(order);
    assert_eq!(world.standing(order), [2, 3]);
    world.hand_all(order);
    for run in [2, 3] {
        world.commit_run(order, run, &truth());
    }
    reveal_all(&mut world, order);
    assert_eq!(world.phase(order), Phase::Accepted);
}

#[test]
fn nobody_to_be_drawn_is_no_provider() {
    // From the beginning: three providers, four copies.
    let mut world = World::new();
    let order = world.post(&copies(4));
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoProvider));
    assert_eq!(gain(&world, Who::Requester), 0);
    // In place of others: those that are committed are shown.
    for committed in [1, 2] {
        let mut world = World::new();
        let order = running(&mut world, &with(3, 3));
        for run in committed..3 {
            decline(&mut world, order, run);
        }
        for run in 0..committed {
            world.commit_run(order, run, &truth());
        }
        assert_eq!(world.phase(order), Phase::Posted);
        world.expire(order);
        assert_eq!(world.phase(order), Phase::Revealing);
        assert_eq!(world.standing(order).len(), committed as usize);
    }
}

#[test]
fn without_any_keys_nobody_works() {
    let mut world = crowd();
    let order = world.drawn(&with(3, 5));
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NotGranted));
    for run in 0..3 {
        assert_eq!(gain(&world, world.runner(order, run)), idle());
    }
    assert_eq!(gain(&world, Who::Requester), -3 * idle());
    all_free(&world);
}

#[test]
fn a_run_that_is_not_shown_costs_its_bond() {
    let mut world = crowd();
    let order = world.committed(&[truth(), truth(), truth()]);
    for run in [0, 2] {
        world.reveal_run(order, run, &truth());
    }
    world.expire(order);
    assert_eq!(reason(&world, order, 1), Some(FailureReason::Withheld));
    assert_eq!(gain(&world, world.runner(order, 1)), tokens(-20));
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(gain(&world, Who::Requester), tokens(-20));
    all_free(&world);
}

#[test]
fn where_nobody_shows_a_run_all_lose_their_bonds() {
    let mut world = crowd();
    let order = world.committed(&[truth(), truth(), truth()]);
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoCopies));
    for run in 0..3 {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(-20));
    }
    assert_eq!(gain(&world, Who::Requester), 0);
    all_free(&world);
}

#[test]
fn cancelling_is_refused_once_somebody_holds_keys() {
    let cancel =
        |world: &mut World, order| world.refuse(Who::Requester, OrderCall::Cancel { order });
    // Before: while it waits, and while nobody holds keys.
    for drawn in [false, true] {
        let mut world = crowd();
        let order = world.post(&copies(3));
        if drawn {
            world.fill(order);
        }
        world.apply(Who::Requester, OrderCall::Cancel { order });
        let head = world.order(order).head;
        assert_eq!((head.phase, head.escrow), (Phase::Cancelled, Amount::ZERO));
        // While it waits the draw of that very block comes first, and nobody has accepted yet.
        let owed = if drawn { 3 } else { 1 };
        assert_eq!(gain(&world, Who::Requester), -owed * idle());
        all_free(&world);
    }
    let mut world = crowd();
    let order = world.drawn(&with(3, 2));
    world.hand(order, 0);
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    assert_eq!(cancel(&mut world, order), done);
    world.hand_all(order);
    let wrong = cancel(&mut world, order);
    assert!(matches!(
        wrong,
        Refusal::Order(OrderRefusal::WrongPhase { .. })
    ));
    // Nor while others are looked for in place of those who failed.
    decline(&mut world, order, 0);
    for run in [1, 2] {
        world.commit_run(order, run, &truth());
    }
    assert_eq!(world.phase(order), Phase::Posted);
    // The draw of the block comes first; then somebody is asked, and two hold keys.
    assert_eq!(cancel(&mut world, order), done);
    assert_eq!(world.phase(order), Phase::Asked);
    world.accept(order);
    assert_eq!(cancel(&mut world, order), done);
    assert_eq!(world.phase(order), Phase::Assigned);
    assert_eq!(cancel(&mut world, order), done);
}

#[test]
fn keys_go_to_providers_of_runs_and_once() {
    let mut world = crowd();
    let order = world.drawn(&copies(2));
    world.hand(order, 0);
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    let again = world.hand_call(order, 0);
    assert_eq!(world.refuse(Who::Requester, again), done);
    // At another run's place, or to somebody without a run.
    let mut call = world.hand_call(order, 1);
    if let OrderCall::Grant { place, .. } = &mut call {
        place.run = RunIndex(0);
    }
    assert!(matches!(
        world.refuse(Who::Requester, call.clone()),
        Refusal::Order(OrderRefusal::OtherPlace { .. })
    ));
    let nobody = Who::Stranger.id();
    if let OrderCall::Grant { grantee, .. } = &mut call {
        *grantee = nobody;
    }
    let none = OrderRefusal::NotAGrantee {
        order,
        grantee: nobody,
    };
    assert_eq!(world.refuse(Who::Requester, call), Refusal::Order(none));
    let call = world.hand_call(order, 1);
    assert!(matches!(
        world.refuse(world.runner(order, 0), call),
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
}

/// However many fall out: whoever had a run of an order gets no other of it.
#[test]
fn no_provider_is_drawn_twice_for_one_order() {
    for seed in 0..10 {
        let mut world = crowd();
        world.beacon_seed = seed;
        let order = world.drawn(&with(2, 7));
        let mut run = 0;
        loop {
            while world.standing(order).len() < 2 {
                world.fill(order);
            }
            world.hand_all(order);
            if run == 6 {
                break;
            }
            // The older one commits and stays until it is the only one; the other declines.
            let [first, second] = world.standing(order)[..] else {
                panic!("two copies");
            };
            if world.order(order).runs[first as usize].commitment.is_none() {
                world.commit_run(order, first, &truth());
            }
            decline(&mut world, order, second);
            run += 1;
        }
        let record = world.order(order);
        assert_eq!(record.runs.len(), 8);
        let distinct: BTreeSet<_> = record.runs.iter().map(|run| run.provider).collect();
        assert_eq!(distinct.len(), 8, "seed {seed}");
        assert!(!distinct.contains(&Who::Requester.id()));
    }
}

/// Late providers of a network in which being late costs nothing lose nothing.
#[test]
fn the_late_rate_is_the_networks() {
    let mut world = World::with(assay_ledger::Parameters {
        late_rate: Ppm(0),
        ..parameters()
    });
    let order = running(&mut world, &with(3, 1));
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoCopies));
    for run in 0..3 {
        assert_eq!(gain(&world, world.runner(order, run)), 0);
    }
}
