//! Keys that parties of an order hand each other: there while somebody may need them, then gone.

use assay_ledger::{OrderCall, OrderId, Outcome, Phase};

use crate::life::{REACH, wait};
use crate::redundant::crew::{copies, crowd, lie, truth};
use crate::watch;
use crate::world::{Run, Who, World, sealed, terms};

/// Grants that are left once what is over has been forgotten.
fn kept(world: &World) -> usize {
    let mut later = world.clone();
    while watch::forgetting(&later.store).next().is_some() {
        let before = watch::keys(&later.store, b'k').count();
        later.block(Vec::new());
        let forgotten = before - watch::keys(&later.store, b'k').count();
        assert!(forgotten <= 8, "{forgotten} in one block");
    }
    watch::check_grants(&later.store);
    watch::keys(&later.store, b'k').count()
}

/// Requester and both sides hand keys to a validator.
fn to_a_judge(world: &mut World, order: OrderId, holders: &[Who]) {
    for who in holders {
        let call = OrderCall::Grant {
            place: world.here(order),
            grantee: Who::Validator(0).id(),
            sealed: sealed("keys"),
        };
        world.apply(*who, call);
    }
}

#[test]
fn keys_leave_the_state_when_an_order_is_settled() {
    let mut world = World::new();
    let order = world.accepted();
    // To the provider, and to two auditors.
    assert_eq!(kept(&world), 3);
    world.apply(Who::Requester, OrderCall::Complain { order });
    let provider = world.provider(order);
    to_a_judge(&mut world, order, &[Who::Requester, provider]);
    assert_eq!(kept(&world), 5);
    wait(&mut world, order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    assert_eq!(kept(&world), 0);

    let mut world = World::new();
    let order = world.accepted();
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(world.phase(order), Phase::Settled);
    assert_eq!(kept(&world), 0);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn keys_of_every_copy_leave_with_its_run_or_with_the_order() {
    let runs = [truth(), lie(5, "liar"), truth()];
    let mut world = crowd();
    let order = world.compared(&runs);
    assert_eq!(kept(&world), 3);
    let sides = [0, 1].map(|run| world.runner(order, run));
    to_a_judge(&mut world, order, &[Who::Requester, sides[0], sides[1]]);
    assert_eq!(kept(&world), 6);
    world.judge_all(order, &runs);
    // Those for the run that failed are gone.
    assert_eq!(world.standing(order), [0, 2]);
    assert_eq!(kept(&world), 5);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(kept(&world), 0);
    // Some have keys, and the order comes to nothing.
    let mut world = crowd();
    let order = world.drawn(&copies(2));
    world.hand(order, 0);
    assert_eq!(kept(&world), 1);
    wait(&mut world, order);
    assert_eq!(kept(&world), 0);
}

/// Wherever an order is left alone, what it ends with holds no keys; another order's stay.
#[test]
fn an_order_that_ends_by_itself_leaves_no_keys() {
    let honest = Run::truth(&terms());
    for (phase, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &honest);
        wait(&mut world, order);
        assert_eq!(kept(&world), 0, "{phase}");
    }
    let mut world = World::new();
    let second = world.drawn(&copies(2));
    world.hand_all(second);
    let first = world.posted();
    world.assign(first);
    world.grant_to_provider(first);
    assert_eq!(kept(&world), 3);
    world.expire(first);
    assert_eq!(kept(&world), 2);
    assert_eq!(world.phase(second), Phase::Running);
}
