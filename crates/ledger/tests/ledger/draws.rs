//! Draws: how many in one block, for whom, and with which bonds.

use std::collections::BTreeSet;

use assay_ledger::{
    Amount, Deadlines, Event, OrderCall, OrderEvent, OrderId, Parameters, Phase, Role, Terms, query,
};

use crate::world::{Run, Who, World, ms, parameters, terms};

fn limited(max_draws: u32) -> World {
    World::with(Parameters {
        max_draws,
        // Terms that nobody is eligible for may be posted.
        max_bond_multiple: u32::MAX,
        ..parameters()
    })
}

fn post(world: &mut World, terms: &[Terms]) -> Vec<OrderId> {
    let nonce = world.nonce(Who::Requester);
    let ids = (nonce..).map(|nonce| OrderId::new(world.chain, Who::Requester.id(), nonce));
    let ids: Vec<_> = ids.take(terms.len()).collect();
    let post = |terms: &Terms| {
        let call = OrderCall::Post(Box::new(terms.clone()));
        (Who::Requester, call.into())
    };
    world.block(terms.iter().map(post).collect());
    ids
}

/// The orders for which something was drawn in the last block.
fn drawn(world: &World) -> Vec<OrderId> {
    let now = world
        .told
        .iter()
        .filter(|told| told.height == world.height());
    let orders = now.filter_map(|told| match &told.event {
        Event::Order {
            order,
            event: OrderEvent::Asked { .. } | OrderEvent::AuditDrawn { .. },
        } => Some(*order),
        _ => None,
    });
    orders.collect()
}

fn cheap(bond: u64, assign: u64) -> Terms {
    Terms {
        price: Amount(1),
        provider_bond: Amount::tokens(bond),
        deadlines: Deadlines {
            assign: ms(assign),
            grant: ms(1_000),
            run: ms(1_000),
            ..terms().deadlines
        },
        ..terms()
    }
}

#[test]
fn a_block_draws_for_a_few_orders_and_every_order_gets_its_turn() {
    for most in [1, 2, 5] {
        for seed in 0..10 {
            let mut world = limited(most);
            world.beacon_seed = seed;
            world.posted();
            world.advance(1);
            let ids = post(&mut world, &vec![cheap(1, 100); 12]);
            let mut left: BTreeSet<_> = ids.into_iter().collect();
            let mut blocks = 0;
            while !left.is_empty() {
                world.advance(1);
                blocks += 1;
                let found = drawn(&world);
                // All that wait can be drawn for: none of a block's turns is in vain.
                assert_eq!(found.len(), left.len().min(most as usize), "seed {seed}");
                assert!(found.iter().all(|id| left.remove(id)), "seed {seed}");
            }
            assert_eq!(blocks, 12u32.div_ceil(most));
        }
    }
}

/// Everybody who is asked for an order, in any of them, accepts, all in one block.
fn all_accept(world: &mut World, orders: &[OrderId]) {
    let mut calls = Vec::new();
    for order in orders {
        for who in world.ranked(*order) {
            calls.push((who, world.answer_call(*order, true).into()));
        }
    }
    world.block(calls);
}

/// A draw locks nothing, so the same accounts are asked for many orders; what one acceptance locks is
/// not there for the next of the same block.
#[test]
fn acceptances_of_one_block_share_the_free_bonds() {
    for (bond, each) in [(60, 1), (50, 2), (34, 2), (33, 3), (100, 1)] {
        for seed in 0..6 {
            let mut world = limited(64);
            world.beacon_seed = seed;
            let rest = world.posted();
            world.apply(Who::Requester, OrderCall::Cancel { order: rest });
            let ids = post(&mut world, &vec![cheap(bond, 20); 11]);
            world.advance(1);
            assert!(ids.iter().all(|id| world.phase(*id) == Phase::Asked));
            all_accept(&mut world, &ids);
            let taken = ids.iter().filter(|id| world.phase(**id) == Phase::Taken);
            assert_eq!(taken.count(), 3 * each, "bond {bond}, seed {seed}");
            // The others are looked for again.
            let waits = ids.iter().filter(|id| world.phase(**id) == Phase::Posted);
            assert_eq!(waits.count(), 11 - 3 * each, "bond {bond}, seed {seed}");
            for (_, provider) in query::registrations(&world.store, Role::Provider).unwrap() {
                assert_eq!(provider.locked, Amount::tokens(bond * each as u64));
            }
        }
    }
}

/// The same for auditors, several of whom are drawn for each order.
#[test]
fn seats_of_one_block_share_the_free_bonds() {
    for seed in 0..6 {
        let mut world = limited(64);
        world.beacon_seed = seed;
        world.posted();
        let mut usual = cheap(1, 20);
        usual.auditor_bond = Amount::tokens(60);
        let truth = Run::truth(&usual);
        let ids = post(&mut world, &vec![usual; 4]);
        world.fill_all(&ids);
        for id in &ids {
            world.grant_to_provider(*id);
        }
        let calls: Vec<_> = ids
            .iter()
            .map(|id| (world.provider(*id), world.commit_call(*id, &truth)))
            .collect();
        world.block(calls);
        assert!(ids.iter().all(|id| world.phase(*id) == Phase::Committed));
        world.advance(1);
        all_accept(&mut world, &ids);
        // Five auditors, two for each order, each with enough for one: the third order has one, and
        // keeps it while another is looked for.
        let seated = ids.iter().filter(|id| world.phase(**id) == Phase::Seated);
        assert_eq!(seated.count(), 2, "seed {seed}");
        let locked = query::registrations(&world.store, Role::Auditor).unwrap();
        let locked: Vec<_> = locked.iter().map(|(_, auditor)| auditor.locked).collect();
        let busy = locked
            .iter()
            .filter(|locked| **locked == Amount::tokens(60));
        assert_eq!(busy.count(), 5, "seed {seed}: {locked:?}");
    }
}

/// A block without a beacon draws nothing.
#[test]
fn without_a_beacon_nothing_is_drawn() {
    let mut world = World::new();
    let order = world.posted();
    let context = assay_ledger::BlockContext {
        beacon: assay_crypto::Digest::ZERO,
        ..world.next_context()
    };
    world.execute(context, vec![]);
    assert_eq!(world.phase(order), Phase::Posted);
    world.assign(order);
}
