//! Whole life cycles and where the money ends.

use assay_ledger::{Amount, FailureReason, OrderCall, Outcome, Phase, Ppm, RunIndex, query};

use crate::world::{BALANCE, BOND, FEE, Run, Who, World, blocks, parameters, terms};

fn fees(world: &World, who: Who) -> Amount {
    FEE.checked_mul(world.nonce(who)).unwrap()
}

/// A balance without the fees paid so far, relative to the genesis.
fn gained(world: &World, who: Who) -> i128 {
    i128::from(world.balance(who).0) + i128::from(fees(world, who).0) - i128::from(BALANCE.0)
}

/// What a requester pays in for the usual terms.
fn escrow(world: &World) -> Amount {
    let parameters = &world.genesis.parameters;
    terms().escrow(parameters).unwrap()
}

fn micro(amount: Amount) -> i128 {
    i128::from(amount.0)
}

fn all_free(world: &World) {
    for who in Who::all().filter(|who| who.is_drawn()) {
        assert_eq!(world.registration(who).locked, Amount::ZERO, "{who:?}");
    }
}

#[test]
fn an_honest_order_is_paid() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.posted();
    assert_eq!(gained(&world, Who::Requester), -micro(escrow(&world)));
    let provider = world.assign(order);
    assert_eq!(world.registration(provider).locked, terms().provider_bond);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    let auditors = world.audit(order, &truth, |_, _| truth.clone());
    assert_eq!(auditors.len(), 2);
    for auditor in &auditors {
        assert_eq!(world.registration(*auditor).locked, terms().auditor_bond);
    }
    assert_eq!(world.phase(order), Phase::Accepted);
    world.advance(blocks(terms().deadlines.complain));
    assert_eq!(world.phase(order), Phase::Accepted);
    world.advance(1);
    let record = world.order(order);
    assert_eq!(
        (record.head.phase, record.head.outcome),
        (Phase::Settled, Some(Outcome::Paid))
    );
    assert_eq!(record.head.escrow, Amount::ZERO);
    assert_eq!(gained(&world, provider), micro(terms().price));
    for auditor in auditors {
        assert_eq!(gained(&world, auditor), micro(terms().auditor_fee));
    }
    assert_eq!(
        gained(&world, Who::Requester),
        -micro(terms().pay().unwrap())
    );
    all_free(&world);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn accepting_ends_the_window_at_once() {
    let mut world = World::new();
    let order = world.accepted();
    let provider = world.provider(order);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(world.phase(order), Phase::Settled);
    assert_eq!(gained(&world, provider), micro(terms().price));
}

#[test]
fn a_lie_is_caught_and_another_provider_is_paid() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let order = world.ran(&lie);
    let liar = world.provider(order);
    let seed = world.order(order).run().unwrap().seed;
    let auditors = world.audit(order, &lie, |_, _| truth.clone());
    world.bisect(order, &lie, &truth);
    let disputed = world.order(order).dispute().unwrap().disputed.step;
    let leaf = Some(truth.at(disputed));
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
    let record = world.order(order);
    assert_eq!(
        (record.head.phase, record.next_run()),
        (Phase::Posted, RunIndex(1))
    );
    let (provider, failure) = world.failures(order)[0];
    assert_eq!(failure.reason, FailureReason::WrongResult);
    assert_eq!(
        (provider, failure.slashed),
        (liar.id(), terms().provider_bond)
    );
    // The whole locked bond is gone: half to the two who were right, half to the pot.
    assert_eq!(
        world.registration(liar).bond.0,
        BOND.0 - terms().provider_bond.0
    );
    let half = Ppm(500_000).of(terms().provider_bond);
    for auditor in &auditors {
        assert_eq!(gained(&world, *auditor), micro(half) / 2);
    }
    let pot = half.0 - 3 * parameters().judge_fee.0;
    assert_eq!(query::supply(&world.store).unwrap().pot, Amount(pot));
    assert_eq!(gained(&world, liar), 0);
    all_free(&world);

    // The next attempt draws another provider and another seed.
    let provider = world.assign(order);
    assert_ne!(provider, liar);
    assert_ne!(world.order(order).run().unwrap().seed, seed);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    world.audit(order, &truth, |_, _| truth.clone());
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(gained(&world, provider), micro(terms().price));
    assert_eq!(
        gained(&world, Who::Requester),
        -micro(terms().pay().unwrap())
    );
    all_free(&world);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn a_late_provider_is_charged_and_the_order_goes_on() {
    let mut world = World::new();
    let order = world.posted();
    let late = world.assign(order);
    world.grant_to_provider(order);
    world.advance(blocks(terms().deadlines.run));
    assert_eq!(world.phase(order), Phase::Running);
    world.advance(1);
    let record = world.order(order);
    assert_eq!(
        (record.head.phase, record.next_run()),
        (Phase::Posted, RunIndex(1))
    );
    let (_, failure) = world.failures(order)[0];
    assert_eq!(failure.reason, FailureReason::Late);
    let charged = Ppm(200_000).of(terms().provider_bond);
    assert_eq!(failure.slashed, charged);
    assert_eq!(world.registration(late).bond.0, BOND.0 - charged.0);
    // Whoever set the deadline gets nothing of it.
    assert_eq!(gained(&world, Who::Requester), -micro(escrow(&world)));
    all_free(&world);
    assert_ne!(world.assign(order), late);
}

#[test]
fn when_every_attempt_fails_the_requester_is_refunded() {
    let mut world = World::new();
    let order = world.posted();
    for attempt in 0..terms().attempts {
        assert_eq!(world.order(order).next_run(), RunIndex(attempt.into()));
        world.assign(order);
        world.grant_to_provider(order);
        world.advance(blocks(terms().deadlines.run) + 1);
    }
    let record = world.order(order);
    assert_eq!(record.head.phase, Phase::Refunded);
    assert_eq!(record.head.outcome, Some(Outcome::AttemptsUsed));
    let failures = world.failures(order);
    let providers: Vec<_> = failures.iter().map(|(provider, _)| *provider).collect();
    assert_ne!(providers[0], providers[1]);
    assert_eq!(gained(&world, Who::Requester), 0);
    all_free(&world);
}

/// Every phase that is not final, with the shortest life that leads there.
pub(crate) type Reach = fn(&mut World, &Run) -> assay_ledger::OrderId;
pub(crate) const REACH: [(Phase, Reach); 16] = [
    (Phase::Posted, |world, _| world.posted()),
    (Phase::Asked, |world, _| {
        let order = world.posted();
        world.ask(order);
        order
    }),
    (Phase::Taken, |world, _| {
        let order = world.posted();
        world.ask(order);
        world.accept(order);
        order
    }),
    (Phase::Assigned, |world, _| {
        let order = world.posted();
        world.assign(order);
        order
    }),
    (Phase::Running, |world, _| {
        let order = world.posted();
        world.assign(order);
        world.grant_to_provider(order);
        order
    }),
    (Phase::Committed, |world, truth| world.ran(truth)),
    (Phase::Called, |world, truth| {
        let order = world.ran(truth);
        world.ask(order);
        order
    }),
    (Phase::Seated, |world, truth| {
        let order = world.ran(truth);
        world.ask(order);
        world.accept(order);
        order
    }),
    (Phase::Opening, |world, truth| {
        let order = world.ran(truth);
        world.fill(order);
        order
    }),
    (Phase::Auditing, |world, truth| {
        let order = world.ran(truth);
        world.open(order, truth);
        order
    }),
    (Phase::Closing, |world, truth| {
        let order = world.ran(truth);
        for auditor in world.open(order, truth) {
            world.commit_results(order, auditor, &truth.results(&world.order(order)));
        }
        order
    }),
    (Phase::Revealing, |world, truth| {
        let order = world.ran(truth);
        for auditor in world.open(order, truth) {
            world.commit_results(order, auditor, &truth.results(&world.order(order)));
        }
        world.open_ends(order, truth);
        order
    }),
    (Phase::Bisecting, |world, truth| {
        let order = world.ran(truth);
        world.audit(order, truth, |_, _| Run::lie(&terms(), 1, "auditor"));
        order
    }),
    (Phase::Attesting, |world, truth| {
        let order = world.ran(truth);
        world.audit(order, truth, |_, _| Run::lie(&terms(), 0, "auditor"));
        order
    }),
    (Phase::Delivering, |world, _| {
        world.kept_back = true;
        world.accepted_by_audit()
    }),
    (Phase::Accepted, |world, _| world.accepted()),
];

/// Waits until an order is final; providers deliver unless keys are kept back.
pub(crate) fn wait(world: &mut World, order: assay_ledger::OrderId) {
    for _ in 0..1_000 {
        if world.phase(order).is_final() {
            return;
        }
        world.deliver(order);
        world.advance(1);
    }
    panic!("stuck: {:?}", world.order(order));
}

#[test]
fn every_phase_ends_by_itself() {
    let truth = Run::truth(&terms());
    for (phase, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        assert_eq!(world.phase(order), phase);
        wait(&mut world, order);
        let record = world.order(order);
        assert_eq!(
            (record.head.escrow, record.head.deposit),
            (Amount::ZERO, Amount::ZERO)
        );
        all_free(&world);
        assert!(query::active_orders(&world.store).unwrap().is_empty());
        assert_eq!(world.replay(), world.root);
    }
}
