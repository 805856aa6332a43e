//! Requesters that set terms to take bonds: by deadlines that nobody can keep, by bonds that are large
//! beside the pay, by keys to which nothing can be handed, and by complaints that time is to decide.

use assay_crypto::EncryptionKey;
use assay_crypto::release::LockKey;
use assay_ledger::{
    AccountCall, AccountRefusal, Amount, BoundedString, Deadlines, FailureReason, Offer, OrderCall,
    OrderRefusal, Outcome, Parameters, Refusal, Role, Status, Terms, query,
};

use crate::redundant::crew::copies;
use crate::world::{BOND, Run, Who, World, blocks, parameters, terms};

/// Points of small order: all zeros, one, and one of order 8.
fn unusable() -> [EncryptionKey; 3] {
    let mut one = [0; 32];
    one[0] = 1;
    let eight = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    [
        EncryptionKey([0; 32]),
        EncryptionKey(one),
        eight.parse().unwrap(),
    ]
}

fn refused(world: &mut World, terms: Terms) -> String {
    match world.refuse(Who::Requester, OrderCall::Post(Box::new(terms))) {
        Refusal::Order(OrderRefusal::BadTerms { problem }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_that_nothing_can_be_sealed_to_is_nobodys() {
    let mut world = World::new();
    for key in unusable() {
        let register = AccountCall::Register {
            role: Role::Auditor,
            bond: Amount::tokens(1),
            encryption_key: key,
            address: BoundedString::new("localhost:1").unwrap(),
            offer: Some(Offer::anything()),
        };
        let unusable = Refusal::Account(AccountRefusal::UnusableKey { key });
        assert_eq!(world.refuse(Who::Auditor(0), register), unusable);
    }
}

#[test]
fn a_key_that_nothing_can_be_released_to_is_no_orders() {
    let mut world = World::new();
    world.posted();
    for key in [[0; 32], [0xff; 32]].map(LockKey) {
        let changed = Terms {
            delivery_key: key,
            ..terms()
        };
        let problem = refused(&mut world, changed);
        assert!(problem.contains("Ristretto255"), "{problem}");
    }
}

#[test]
fn a_bond_is_bounded_by_what_the_order_pays() {
    let mut world = World::new();
    world.posted();
    let most = u64::from(Parameters::default().max_bond_multiple);
    let bonds = |provider: u64, auditor: u64| Terms {
        price: Amount(1_000_000),
        provider_bond: Amount(provider),
        auditor_fee: Amount(100_000),
        auditor_bond: Amount(auditor),
        ..terms()
    };
    let (provider, auditor) = (1_000_000 * most, 100_000 * most);
    world.apply(
        Who::Requester,
        OrderCall::Post(Box::new(bonds(provider, auditor))),
    );
    let problem = refused(&mut world, bonds(provider + 1, auditor));
    assert!(
        problem.starts_with("provider_bond is 20.000001"),
        "{problem}"
    );
    let problem = refused(&mut world, bonds(provider, auditor + 1));
    assert!(problem.starts_with("auditor_bond is 2.000001"), "{problem}");
    // So nobody works for next to nothing with something to lose.
    let cheap = |price: u64, fee: u64| Terms {
        price: Amount(price),
        auditor_fee: Amount(fee),
        ..bonds(1_000_000, 1_000_000)
    };
    for (price, fee) in [(0, 100_000), (1, 100_000), (1_000_000, 0), (1_000_000, 1)] {
        refused(&mut world, cheap(price, fee));
    }
    // Where nothing is audited, no auditor's bond counts.
    let copies = Terms {
        price: Amount(1_000_000),
        provider_bond: Amount(provider),
        ..copies(2)
    };
    world.apply(Who::Requester, OrderCall::Post(Box::new(copies)));
}

/// What a judge may have to replay is bounded by what the terms say of it.
#[test]
fn a_segment_is_no_dearer_than_a_judge_can_be_asked_for() {
    let post = |most: u64, step_units: u64| {
        let mut world = World::with(Parameters {
            max_judge_units: most,
            ..parameters()
        });
        world.posted();
        let dear = Terms {
            step_units,
            segment_steps: 4,
            ..terms()
        };
        world.would(Who::Requester, OrderCall::Post(Box::new(dear)))
    };
    assert_eq!(post(4_000, 1_000), Status::Applied);
    for (most, step) in [
        (3_999, 1_000),
        (4_000, 1_001),
        (4_000, u64::MAX),
        (4_000, 0),
    ] {
        assert!(
            matches!(post(most, step), Status::Refused(_)),
            "{most} {step}"
        );
    }
    // The control: where there is no bound, a judge is asked for anything.
    assert_eq!(post(u64::MAX, u64::MAX), Status::Applied);
}

/// With the bound on bonds taken away, so that nothing else stands in the way.
#[test]
fn who_makes_a_provider_late_wins_nothing() {
    let mut world = World::with(Parameters {
        max_bond_multiple: u32::MAX,
        ..parameters()
    });
    let hostile = Terms {
        price: Amount(1),
        provider_bond: BOND,
        attempts: 1,
        deadlines: Deadlines {
            run: parameters().floors.run,
            ..terms().deadlines
        },
        ..terms()
    };
    let order = world.post(&hostile);
    let provider = world.assign(order);
    world.grant_to_provider(order);
    let before = query::supply(&world.store).unwrap().pot;
    world.advance(2 + 1);
    let (_, failure) = world.failures(order)[0];
    assert_eq!(failure.reason, FailureReason::Late);
    let cut = parameters().late_rate.of(BOND);
    assert_eq!(world.registration(provider).bond, Amount(BOND.0 - cut.0));
    let escrow = hostile.escrow(&world.genesis.parameters).unwrap();
    assert_eq!(world.paid(order, Who::Requester.id()), escrow.0);
    let after = query::supply(&world.store).unwrap().pot;
    assert_eq!(after.0 - before.0, cut.0);
}

/// The same for leaves that are not opened in time.
#[test]
fn who_makes_a_provider_withhold_wins_nothing() {
    let mut world = World::with(Parameters {
        max_bond_multiple: u32::MAX,
        ..parameters()
    });
    let hostile = Terms {
        provider_bond: BOND,
        attempts: 1,
        deadlines: Deadlines {
            open: parameters().floors.open,
            ..terms().deadlines
        },
        ..terms()
    };
    let order = world.post(&hostile);
    let provider = world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &Run::truth(&hostile));
    world.fill(order);
    world.advance(2 + 1);
    let (_, failure) = world.failures(order)[0];
    assert_eq!(failure.reason, FailureReason::Withheld);
    assert_eq!(world.registration(provider).bond, Amount::ZERO);
    let escrow = hostile.escrow(&world.genesis.parameters).unwrap();
    assert_eq!(world.paid(order, Who::Requester.id()), escrow.0);
}

#[test]
fn a_complaint_that_nobody_judges_in_time_is_lost() {
    let mut world = World::new();
    let order = world.accepted();
    let provider = world.provider(order);
    world.apply(Who::Requester, OrderCall::Complain { order });
    world.judge(order, &[(0, None), (1, None)]);
    world.advance(blocks(terms().deadlines.attest) + 1);
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(Outcome::Paid));
    let deposit = parameters().complaint_deposit;
    let paid = terms().price.0 + deposit.0;
    assert_eq!(world.paid(order, provider.id()), paid);
    // Nobody was kept waiting for nothing.
    let idle = terms().idle_fee(&parameters());
    assert_eq!(world.paid(order, Who::Requester.id()), idle.0);
    assert_eq!(world.registration(provider).bond, BOND);
}
