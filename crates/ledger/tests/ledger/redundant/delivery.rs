//! Copies release the keys of their results one by one; who keeps its key back is not paid.

use assay_ledger::{FailureReason, OrderCall, Outcome, Phase, RunIndex};

use super::crew::{all_free, crowd, gain, tokens, truth};
use crate::world::{Who, World};

fn undelivered() -> (World, assay_ledger::OrderId) {
    let mut world = crowd();
    world.kept_back = true;
    let order = world.compared(&[truth(), truth(), truth()]);
    assert_eq!(world.phase(order), Phase::Delivering);
    (world, order)
}

fn deliver(world: &mut World, order: assay_ledger::OrderId, runs: &[u32]) {
    for run in runs {
        let call = world.deliver_call(order, RunIndex(*run));
        world.apply(world.runner(order, *run), call);
    }
}

#[test]
fn all_who_release_their_keys_are_paid_and_the_others_lose_their_bonds() {
    let sets: [&[u32]; 5] = [&[], &[1], &[0, 2], &[2, 1], &[2, 0, 1]];
    for delivering in sets {
        let (mut world, order) = undelivered();
        deliver(&mut world, order, delivering);
        if delivering.len() < 3 {
            assert_eq!(world.phase(order), Phase::Delivering);
            world.expire(order);
        }
        for run in 0..3 {
            let failed = world.order(order).runs[run as usize].failed;
            let reason = failed.map(|failed| failed.reason);
            let kept = (!delivering.contains(&run)).then_some(FailureReason::Withheld);
            assert_eq!(reason, kept, "{delivering:?}");
        }
        if delivering.is_empty() {
            let outcome = world.order(order).head.outcome;
            assert_eq!(outcome, Some(Outcome::NoCopies));
            assert_eq!(gain(&world, Who::Requester), 0);
        } else {
            assert_eq!(world.phase(order), Phase::Accepted);
            let result = world.order(order).result_run().unwrap().released;
            assert!(result.is_some(), "the result that counts can be read");
            world.apply(Who::Requester, OrderCall::Accept { order });
        }
        for run in 0..3 {
            let expected = if delivering.contains(&run) { 10 } else { -20 };
            assert_eq!(gain(&world, world.runner(order, run)), tokens(expected));
        }
        all_free(&world);
    }
}

#[test]
fn each_copy_releases_its_own_key_once() {
    let (mut world, order) = undelivered();
    deliver(&mut world, order, &[1]);
    let first = world.deliver_call(order, RunIndex(0));
    let second = world.runner(order, 1);
    // Neither again, nor for another.
    for call in [world.deliver_call(order, RunIndex(1)), first] {
        world.refuse(second, call);
    }
    assert_eq!(world.phase(order), Phase::Delivering);
}
