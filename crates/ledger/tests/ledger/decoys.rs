//! Orders that are posted to keep others from being drawn for: by the hundred, for terms that nobody
//! takes, or that everybody does.

use std::collections::BTreeSet;

use assay_ledger::{
    AccountCall, Amount, BoundedString, Call, Deadlines, Event, Height, JobKind, Offer, OrderCall,
    OrderEvent, OrderId, Parameters, Phase, Role, Terms, query,
};

use crate::watch;
use crate::world::{Run, Who, World, file, ms, parameters, terms};

/// Blocks within which an order is drawn for, whatever decoys lie about that nobody takes.
const BOUND: u64 = 10;

fn numbers() -> Parameters {
    Parameters {
        max_draws: 8,
        // Terms that nobody is eligible for may be posted.
        max_bond_multiple: u32::MAX,
        ..parameters()
    }
}

/// The usual terms, which everybody takes, with time enough to wait for a draw.
fn usual() -> Terms {
    Terms {
        price: Amount::tokens(1),
        provider_bond: Amount::tokens(1),
        deadlines: Deadlines {
            assign: ms(10_000),
            ..Deadlines::all(ms(1_000))
        },
        ..terms()
    }
}

/// Terms that no provider has bond enough for.
fn demanding() -> Terms {
    Terms {
        provider_bond: Amount::tokens(101),
        ..usual()
    }
}

/// Terms that nobody takes, all in classes of their own.
fn all_different(count: u64) -> Vec<Terms> {
    let different = |i: u64| {
        let mut terms = demanding();
        terms.deadlines.run = ms(2 << (i % 10));
        terms.deadlines.open = ms(2 << (i / 10 % 10));
        terms.deadlines.dispute = ms(2 << (i / 100 % 10));
        terms
    };
    (0..count).map(different).collect()
}

fn record_inputs(world: &mut World, who: Who) {
    for name in ["model", "train"] {
        world.apply(who, world.put(file(who, name)));
    }
}

/// Posts orders, as many in each block as it can hold.
fn post(world: &mut World, who: Who, all: &[Terms]) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for some in all.chunks(200) {
        let nonce = world.nonce(who);
        ids.extend(
            (nonce..)
                .take(some.len())
                .map(|nonce| OrderId::new(world.chain, who.id(), nonce)),
        );
        let call = |terms: &Terms| -> (Who, Call) {
            (who, OrderCall::Post(Box::new(terms.clone())).into())
        };
        let receipts = world.block(some.iter().map(call).collect());
        for receipt in &receipts.receipts {
            assert_eq!(receipt.status, assay_ledger::Status::Applied);
        }
    }
    ids
}

/// Blocks until an order is drawn for, up to a bound.
fn waits(world: &mut World, order: OrderId, most: u64) -> Option<u64> {
    for blocks in 1..=most {
        world.advance(1);
        if !matches!(world.phase(order), Phase::Posted | Phase::Committed) {
            return Some(blocks);
        }
    }
    None
}

fn flooded(mut world: World, decoys: &[Terms]) -> (World, OrderId) {
    record_inputs(&mut world, Who::Stranger);
    record_inputs(&mut world, Who::Requester);
    post(&mut world, Who::Stranger, decoys);
    let real = post(&mut world, Who::Requester, &[usual()])[0];
    (world, real)
}

#[test]
fn decoys_that_nobody_takes_hold_up_nobody() {
    // Far from what anybody takes, a little above it, and each in a class of its own.
    let mut far = demanding();
    far.provider_bond = Amount::tokens(1_000);
    for decoys in [vec![far; 400], vec![demanding(); 400], all_different(400)] {
        let (mut world, real) = flooded(World::with(numbers()), &decoys);
        let waited = waits(&mut world, real, BOUND);
        assert_eq!(waited, Some(1));
        watch::check_indexes(&world.store);
        assert_eq!(world.replay(), world.root);
        // The control: a block that looks at few of them.
        let few = Parameters {
            max_looks: 4,
            ..numbers()
        };
        let (mut world, real) = flooded(World::out_of_range(few), &decoys);
        assert_eq!(waits(&mut world, real, BOUND), None);
    }
}

/// Terms that only the requester's own node takes, for which it cannot be drawn: their class is one that
/// somebody takes, and still they hold up nobody.
#[test]
fn decoys_that_only_their_own_node_would_take_hold_up_nobody() {
    let mut world = World::with(numbers());
    let own = AccountCall::Register {
        role: Role::Provider,
        bond: Amount::tokens(500),
        encryption_key: Who::Stranger.secret().encryption().public(),
        address: BoundedString::new("x").unwrap(),
        offer: Some(Offer::anything()),
    };
    world.apply(Who::Stranger, own);
    let (mut world, real) = flooded(world, &vec![demanding(); 200]);
    assert_eq!(waits(&mut world, real, BOUND), Some(1));
    // The decoys have found nobody and stay aside; another one's order of their class is drawn for.
    let other = post(&mut world, Who::Requester, &[demanding()])[0];
    assert_eq!(waits(&mut world, other, BOUND), Some(1));
    watch::check_indexes(&world.store);
}

/// First in, first out: an order waits for those before it and for no others.
#[test]
fn decoys_that_everybody_takes_delay_by_their_number() {
    let draws = u64::from(numbers().max_draws);
    for decoys in [50, 203] {
        let (mut world, real) = flooded(World::with(numbers()), &vec![usual(); decoys]);
        // Those that come later wait behind it.
        post(&mut world, Who::Stranger, &vec![usual(); 150]);
        let bound = decoys as u64 / draws + BOUND;
        let waited = waits(&mut world, real, bound).unwrap();
        // Those of the blocks before its own had one or two turns already.
        assert!(
            (bound - BOUND).saturating_sub(3) <= waited,
            "{decoys}: {waited}"
        );
        watch::check_indexes(&world.store);
    }
}

/// What nobody takes is left alone until an offer changes: nothing about it is written, and then it is
/// drawn for soon, in its order.
#[test]
fn orders_that_nobody_takes_wait_for_an_offer() {
    let mut world = World::with(numbers());
    record_inputs(&mut world, Who::Requester);
    let others = post(&mut world, Who::Requester, &all_different(100));
    let mine = {
        let mut terms = demanding();
        terms.kind = JobKind::new("finetune").unwrap();
        terms.provider_bond = Amount::tokens(300);
        terms
    };
    let first = post(&mut world, Who::Requester, std::slice::from_ref(&mine))[0];
    let second = post(&mut world, Who::Requester, &[mine])[0];
    world.advance(2);
    let queue = |world: &World| -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = world.store.pairs().iter();
        let queue = pairs.filter(|(key, _)| b"wvz".contains(&key[0]));
        queue
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let before = queue(&world);
    assert!(
        before.iter().all(|(key, _)| key[0] != b'w'),
        "all lie aside"
    );
    world.advance(20);
    assert_eq!(queue(&world), before);
    // Somebody comes who has bond enough for one of the two, and for no others.
    let register = AccountCall::Register {
        role: Role::Provider,
        bond: Amount::tokens(300),
        encryption_key: Who::Stranger.secret().encryption().public(),
        address: BoundedString::new("x").unwrap(),
        offer: Some(Offer {
            least_time: Deadlines::all(ms(1_000)),
            orders: 1,
            ..Offer::anything()
        }),
    };
    world.apply(Who::Stranger, register);
    assert_eq!(waits(&mut world, first, BOUND), Some(1));
    world.answer(first, Who::Stranger, true);
    world.advance(3);
    assert_eq!(
        world.phase(second),
        Phase::Posted,
        "its one slot is taken, first by being asked and then by serving"
    );
    let untouched = others.iter().all(|id| world.phase(*id) == Phase::Posted);
    assert!(untouched);
    watch::check_indexes(&world.store);
    assert_eq!(world.replay(), world.root);
}

/// A slot that comes free is a change, too: an order that found everybody busy is drawn for when one is
/// not.
#[test]
fn orders_that_found_everybody_busy_are_drawn_for_when_somebody_is_free() {
    let mut world = World::with(numbers());
    record_inputs(&mut world, Who::Requester);
    let whole = Terms {
        provider_bond: Amount::tokens(100),
        ..usual()
    };
    let busy: Vec<OrderId> = (0..3)
        .map(|_| {
            let order = post(&mut world, Who::Requester, std::slice::from_ref(&whole))[0];
            world.fill(order);
            order
        })
        .collect();
    let waiting = post(&mut world, Who::Requester, &[whole])[0];
    assert_eq!(waits(&mut world, waiting, BOUND), None);
    world.apply(Who::Requester, OrderCall::Cancel { order: busy[1] });
    assert_eq!(waits(&mut world, waiting, BOUND), Some(1));
}

/// The orders for which the last block drew.
fn drawn(world: &World) -> BTreeSet<OrderId> {
    let now = |at: &Height| *at == world.height();
    let told = world.told.iter().filter(|told| now(&told.height));
    let orders = told.filter_map(|told| match &told.event {
        Event::Order {
            order,
            event: OrderEvent::Asked { .. } | OrderEvent::AuditDrawn { .. },
        } => Some(*order),
        _ => None,
    });
    orders.collect()
}

/// Whoever waits with a run behind it does not wait for those who only just posted; nor do those wait for
/// ever.
#[test]
fn committed_work_is_drawn_for_before_posted_orders() {
    let mut world = World::with(numbers());
    record_inputs(&mut world, Who::Stranger);
    record_inputs(&mut world, Who::Requester);
    let runs = post(&mut world, Who::Requester, &vec![usual(); 8]);
    world.fill_all(&runs);
    let truth = Run::truth(&usual());
    for order in &runs {
        world.grant_to_provider(*order);
    }
    let flood = post(&mut world, Who::Stranger, &vec![usual(); 100]);
    let commits = runs
        .iter()
        .map(|order| (world.provider(*order), world.commit_call(*order, &truth)));
    let commits: Vec<_> = commits.collect();
    world.block(commits);
    world.advance(1);
    let found = drawn(&world);
    let committed = runs.iter().filter(|order| found.contains(order)).count();
    let posted = flood.iter().filter(|order| found.contains(order)).count();
    // All but a quarter is theirs, and the quarter is the others'.
    assert_eq!((committed, posted), (6, 2));
    world.advance(1);
    let found = drawn(&world);
    assert!(
        runs[..8]
            .iter()
            .filter(|order| found.contains(order))
            .count()
            == 2
    );
    let waiting = query::list(&world.store, query::Which::In(Phase::Committed), 10).unwrap();
    assert_eq!(waiting.entries, []);
}
