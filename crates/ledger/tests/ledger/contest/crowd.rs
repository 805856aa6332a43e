//! Many claimants: what a block does is bounded, and each is paid its part.

use assay_ledger::{
    AccountCall, Amount, BoundedString, ClaimStage, Deadlines, Offer, OrderCall, OrderId, Outcome,
    Phase, Role, Scores, Terms, query,
};

use super::{run, terms_with, validators, world};
use crate::world::{BOND, Who, World, ms};

/// Those who compete: every validator and auditor besides the usual three, each also a provider.
fn crowd() -> Vec<Who> {
    let usual = (0..3).map(Who::Provider);
    let more = (0..5).map(Who::Auditor).chain(validators());
    usual.chain(more).collect()
}

fn enlist(world: &mut World) {
    let register = |who: Who| {
        let register = AccountCall::Register {
            role: Role::Provider,
            bond: BOND,
            encryption_key: who.secret().encryption().public(),
            address: BoundedString::new("localhost:7001").unwrap(),
            offer: Some(Offer::anything()),
        };
        (who, register.into())
    };
    let more = crowd()
        .into_iter()
        .filter(|who| who.role() != Some(Role::Provider));
    world.block(more.map(register).collect());
}

/// Brings an order to where twelve claims are shown and no score is.
fn unscored(world: &mut World) -> OrderId {
    let slow = Terms {
        deadlines: Deadlines::all(ms(1_000)),
        ..terms_with(|of| {
            of.most = 12;
            of.places = 12;
        })
    };
    let order = world.joining(&slow);
    for who in crowd() {
        world.apply(who, OrderCall::Claim { order });
    }
    world.advance(1);
    for who in crowd() {
        let call = world.seal_call(order, who, &run(who));
        world.apply(who, call);
    }
    for who in crowd() {
        world.show(order, who, &run(who));
    }
    world.open_test(order);
    let unread: Vec<_> = (0..4).map(|i| (i, Scores(None))).collect();
    world.score(order, &unread);
    assert_eq!(world.phase(order), Phase::Closed);
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Checking);
    order
}

#[test]
fn eight_audits_are_under_way_at_once_and_the_others_follow() {
    let mut world = world();
    enlist(&mut world);
    let order = unscored(&mut world);
    let count = |world: &World, stage| world.contest(order).in_stage(stage).count();
    assert_eq!(count(&world, ClaimStage::Audited), 8);
    assert_eq!(count(&world, ClaimStage::Shown), 4);
    world.seat_claim_audits(order);
    let (first, who) = world.claim_audits(order)[0];
    let truth = run(who);
    world.audit(first, &truth, |_, _| truth.clone());
    assert_eq!(count(&world, ClaimStage::Stands), 1);
    world.begin_audits(order);
    assert_eq!(count(&world, ClaimStage::Audited), 8);
    while world.phase(order) == Phase::Checking {
        world.pass_claim_audits(order);
    }
    world.advance(1);
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(Outcome::TestUnread));
    assert_eq!(head.escrow, Amount::ZERO);
    for who in crowd() {
        // Validators said that the test set cannot be read, which was so.
        let said = if who.role() == Some(Role::Validator) {
            300_000
        } else {
            0
        };
        assert_eq!(
            world.paid(order, who.id()),
            7_500_000 / 12 + said,
            "{who:?}"
        );
        let registration = query::registration(&world.store, Role::Provider, &who.id());
        let registration = registration.unwrap().unwrap();
        assert_eq!(
            (registration.bond, registration.locked),
            (BOND, Amount::ZERO)
        );
    }
}
