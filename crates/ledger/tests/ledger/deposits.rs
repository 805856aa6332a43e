//! What an open order costs whoever posts it: a deposit that comes back, and a place among few.

use assay_ledger::{Amount, OrderCall, OrderRefusal, Outcome, Parameters, Phase, Refusal, Status};

use crate::watch;
use crate::world::{BALANCE, FEE, Who, World, parameters, terms};

const DEPOSIT: Amount = Amount::tokens(7);

fn numbers() -> Parameters {
    Parameters {
        order_deposit: DEPOSIT,
        max_open_orders: 3,
        ..parameters()
    }
}

/// The fees of an account's transactions.
fn fees(world: &World, who: Who) -> u64 {
    world.nonce(who) * FEE.0
}

#[test]
fn a_deposit_is_held_until_an_order_ends_and_nothing_is_paid_from_it() {
    // However the order ends, the requester has its deposit back: what it is short of, others were paid.
    for outcome in [
        Outcome::Withdrawn,
        Outcome::NoProvider,
        Outcome::Paid,
        Outcome::NotGranted,
    ] {
        let mut world = World::with(numbers());
        let order = match outcome {
            Outcome::Paid => world.accepted(),
            Outcome::NotGranted => {
                let order = world.posted();
                world.assign(order);
                order
            }
            _ => world.posted(),
        };
        let held = world.order(order).head.escrow;
        let pay = terms().pay().unwrap().0;
        let idle = terms().idle_fee(&numbers()).0;
        assert_eq!(held.0, pay + idle + DEPOSIT.0, "{outcome:?}");
        let before = world.balance(Who::Requester).0;
        assert_eq!(before + held.0 + fees(&world, Who::Requester), BALANCE.0);
        match outcome {
            Outcome::Withdrawn => drop(world.apply(Who::Requester, OrderCall::Cancel { order })),
            Outcome::Paid => drop(world.apply(Who::Requester, OrderCall::Accept { order })),
            _ => crate::life::wait(&mut world, order),
        }
        assert_eq!(world.order(order).head.outcome, Some(outcome));
        let paid = match outcome {
            Outcome::Paid => pay,
            // It was drawn for in the block of the withdrawal.
            Outcome::NotGranted | Outcome::Withdrawn => idle,
            _ => 0,
        };
        let left = BALANCE.0 - fees(&world, Who::Requester) - paid;
        assert_eq!(world.balance(Who::Requester).0, left, "{outcome:?}");
        watch::check_indexes(&world.store);
    }
}

/// Whoever floods the queue must have so much that it could have paid for work with it.
#[test]
fn a_flood_of_orders_takes_a_deposit_for_each() {
    let flood = |deposit: Amount| {
        let mut world = World::with(Parameters {
            order_deposit: deposit,
            max_open_orders: u32::MAX,
            ..parameters()
        });
        let mut penny = terms();
        (penny.price, penny.provider_bond) = (Amount(50_000), Amount::tokens(1));
        (penny.auditor_fee, penny.auditor_bond) = (Amount(50_000), Amount::tokens(1));
        penny.deadlines.assign = 3_600_000;
        world.posted();
        let post = || {
            (
                Who::Requester,
                OrderCall::Post(Box::new(penny.clone())).into(),
            )
        };
        let receipts = world.block((0..200).map(|_| post()).collect()).receipts;
        receipts
            .iter()
            .filter(|receipt| receipt.status == Status::Applied)
            .count()
    };
    // The control: without a deposit the escrow of a penny order is all that it takes.
    assert_eq!(flood(Amount::ZERO), 200);
    assert!(flood(Amount::tokens(7)) < 150);
}

#[test]
fn an_account_has_few_open_orders_and_room_for_another_when_one_ends() {
    let mut world = World::with(numbers());
    let first = world.posted();
    let post = || OrderCall::Post(Box::new(terms()));
    world.apply(Who::Requester, post());
    world.apply(Who::Requester, post());
    let refusal = world.refuse(Who::Requester, post());
    assert_eq!(
        refusal,
        Refusal::Order(OrderRefusal::TooManyOpen { most: 3 })
    );
    // Those that were drawn for are open, too; those that are over are not.
    world.advance(1);
    assert_eq!(world.phase(first), Phase::Asked);
    assert!(matches!(
        world.would(Who::Requester, post()),
        Status::Refused(_)
    ));
    world.apply(Who::Requester, OrderCall::Cancel { order: first });
    world.apply(Who::Requester, post());
    assert!(matches!(
        world.would(Who::Requester, post()),
        Status::Refused(_)
    ));
    watch::check_indexes(&world.store);
}
