//! Hundreds of orders whose time is over in the same block, and the deadlines of those that are worked
//! on beside them.

use assay_ledger::{
    Amount, Deadlines, Event, Height, OrderCall, OrderEvent, OrderId, Parameters, Phase, Status,
    Terms,
};

use crate::watch;
use crate::world::{Run, Who, World, ms, over, parameters, terms};

const FLOOD: usize = 240;

fn numbers() -> Parameters {
    Parameters {
        max_timers: 4,
        max_bond_multiple: u32::MAX,
        ..parameters()
    }
}

/// Terms that nobody takes, so that each such order ends by its deadline.
fn decoy(length: u64) -> Terms {
    Terms {
        price: Amount(1_000),
        provider_bond: Amount::tokens(101),
        deadlines: Deadlines::all(length),
        ..terms()
    }
}

/// Posts the flood in one block; all of it is over at the beginning of the same block.
fn flood(world: &mut World, length: u64) -> Vec<OrderId> {
    let nonce = world.nonce(Who::Requester);
    let id = |nonce| OrderId::new(world.chain, Who::Requester.id(), nonce);
    let ids = (nonce..nonce + FLOOD as u64).map(id).collect();
    let post = || {
        (
            Who::Requester,
            OrderCall::Post(Box::new(decoy(length))).into(),
        )
    };
    let receipts = world.block((0..FLOOD).map(|_| post()).collect());
    assert!(
        receipts
            .receipts
            .iter()
            .all(|receipt| receipt.status == Status::Applied)
    );
    ids
}

/// When an order went on.
fn ended(world: &World, order: OrderId, phase: Phase) -> Height {
    let mut told = world.told.iter().rev();
    let entered = told.find(|told| match &told.event {
        Event::Order { order: of, event } if *of == order => match event {
            OrderEvent::PhaseEntered { phase: entered } => *entered == phase,
            OrderEvent::Ended { .. } => phase.is_final(),
            _ => false,
        },
        _ => false,
    });
    entered.map(|told| told.height).unwrap()
}

/// An accepted run is paid when its time to complain is over, though a flood of posted orders is over just
/// before it.
#[test]
fn work_is_paid_on_time_beside_a_flood_of_deadlines() {
    let mut world = World::with(numbers());
    let order = world.accepted();
    let due = over(world.order(order).head.deadline);
    let ids = flood(&mut world, ms(5));
    assert!(over(world.order(ids[0]).head.deadline) < due);
    while world.height() < due {
        world.advance(1);
    }
    assert_eq!(ended(&world, order, Phase::Settled), due);
    let left = ids
        .iter()
        .filter(|id| !world.phase(**id).is_final())
        .count();
    assert!(left > FLOOD / 2, "the flood was still there: {left}");
    // The control: an order on which nobody works is one of the flood, and waits for all of it.
    let last = world.height();
    let mut blocks = 0;
    while ids.iter().any(|id| !world.phase(*id).is_final()) {
        world.advance(1);
        blocks += 1;
    }
    assert_eq!(blocks, left.div_ceil(4), "from {last}");
    watch::check_timers(&world.store);
    assert_eq!(world.replay(), world.root);
}

/// Every move counts up to its deadline, however much falls due in the blocks before it.
#[test]
fn moves_of_honest_parties_count_beside_a_flood_of_deadlines() {
    let mut world = World::with(numbers());
    let truth = Run::truth(&terms());
    let order = world.posted();
    world.assign(order);
    world.grant_to_provider(order);
    // Records the files of its run.
    let call = world.commit_call(order, &truth);
    flood(&mut world, ms(2));
    let last = over(world.order(order).head.deadline).0 - 1;
    while world.height().0 + 1 < last {
        world.advance(1);
    }
    // The last block in which the provider may commit.
    world.apply(world.provider(order), call);
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(world.height().0, last);
}
