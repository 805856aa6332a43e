//! What happens by itself: how much of it in one block, and what is possible in the meantime.

use std::collections::BTreeSet;

use assay_ledger::{
    AccountCall, AccountEvent, Amount, AskGrant, BoundedBytes, BoundedString, Call, Deadlines,
    Event, FileCall, FileEvent, FileRefusal, GrantState, Height, LedgerTime, Offer, OrderCall,
    OrderEvent, OrderId, OrderRefusal, Outcome, Parameters, Phase, Refusal, Role, Status, Terms,
    query,
};

use crate::watch;
use crate::world::{Run, Who, World, blocks, file_id, ms, over, parameters, some_key, terms, time};

fn few(max_timers: u32) -> Parameters {
    Parameters {
        max_timers,
        // Terms that nobody is eligible for may be posted.
        max_bond_multiple: u32::MAX,
        ..parameters()
    }
}

/// Terms that no provider is eligible for.
fn demanding() -> Terms {
    Terms {
        provider_bond: Amount::tokens(101),
        price: Amount::tokens(1),
        ..terms()
    }
}

/// Posts further orders in one block; the inputs are recorded already.
fn post(world: &mut World, count: u64, terms: &Terms) -> Vec<OrderId> {
    let nonce = world.nonce(Who::Requester);
    let ids =
        (nonce..nonce + count).map(|nonce| OrderId::new(world.chain, Who::Requester.id(), nonce));
    let ids: Vec<_> = ids.collect();
    let post = |_| {
        (
            Who::Requester,
            OrderCall::Post(Box::new(terms.clone())).into(),
        )
    };
    world.block((0..count).map(post).collect());
    ids
}

fn ask(until: LedgerTime, purpose: &str) -> Call {
    let ask = AskGrant {
        file: file_id("model"),
        owner: Who::Requester.id(),
        encryption_key: some_key(),
        purpose: BoundedString::new(purpose).unwrap(),
        until,
    };
    FileCall::AskGrant(Box::new(ask)).into()
}

/// What a block did by itself, in words; what an order was refunded goes with its end.
fn own(world: &World, height: Height) -> Vec<String> {
    let told = world.told.iter();
    let own = told.filter(|told| told.height == height && told.tx.is_none());
    let said = own.filter_map(|told| match &told.event {
        Event::Account(AccountEvent::Unbonded { account, .. }) => {
            Some(format!("bond {:?}", Who::of(*account)))
        }
        Event::File(FileEvent::Grant { grantee, .. }) => {
            Some(format!("grant {:?}", Who::of(*grantee)))
        }
        Event::Order {
            order,
            event: OrderEvent::Ended { .. },
        } => Some(format!("order {order}")),
        _ => None,
    });
    said.collect()
}

/// Bonds, phases and grants that fall due in one block, more than one block ends: they end in
/// order, a few of each kind in each block, and none of them waits for ever.
#[test]
fn what_falls_due_together_ends_in_order() {
    for most in [1, 2, 3, 100] {
        let mut world = World::with(few(most));
        world.posted();
        // Everything below falls due at the beginning of the same block.
        let unbonding = parameters().unbonding_ms;
        let due = world.height().after(blocks(unbonding)).after(1);
        let mut all = terms();
        all.deadlines = Deadlines::all(unbonding);
        all.deadlines.assign -= ms(1);
        all.provider_bond = Amount::tokens(101);
        let role = Role::Auditor;
        let nonce = world.nonce(Who::Requester);
        let ids: Vec<OrderId> = (nonce..nonce + 3)
            .map(|nonce| OrderId::new(world.chain, Who::Requester.id(), nonce))
            .collect();
        let mut calls: Vec<(Who, Call)> = Vec::new();
        for i in 0..2 {
            calls.push((Who::Auditor(i), AccountCall::Unregister { role }.into()));
        }
        for _ in 0..3 {
            let post = OrderCall::Post(Box::new(all.clone()));
            calls.push((Who::Requester, post.into()));
        }
        for who in [Who::Stranger, Who::Validator(0)] {
            calls.push((who, ask(time(due), "a study")));
        }
        world.block(calls);
        for id in &ids {
            assert_eq!(over(world.order(*id).head.deadline), due);
        }
        let sorted = |mut names: Vec<(Vec<u8>, String)>| {
            names.sort();
            names.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        let named = |who: Who, kind: &str| (who.id().0.to_vec(), format!("{kind} {who:?}"));
        let bonds = sorted(vec![
            named(Who::Auditor(0), "bond"),
            named(Who::Auditor(1), "bond"),
        ]);
        let orders = ids
            .iter()
            .map(|id| (id.0.0.to_vec(), format!("order {id}")));
        let orders = sorted(orders.collect());
        let grants = sorted(vec![
            named(Who::Stranger, "grant"),
            named(Who::Validator(0), "grant"),
        ]);
        while world.height().after(1) < due {
            world.advance(1);
            assert_eq!(own(&world, world.height()).len(), 0);
        }
        // Nobody else's time is over in the meantime: only these seven.
        let mut left = [bonds, orders, grants];
        let expected = left.concat();
        while left.iter().any(|kind| !kind.is_empty()) {
            world.advance(1);
            // So many of each kind, whatever waits of the others.
            let now = left.each_mut().map(|kind| {
                let now = kind.len().min(most as usize);
                kind.drain(..now).collect::<Vec<_>>()
            });
            let mut found = own(&world, world.height());
            found.retain(|what| expected.contains(what));
            assert_eq!(found, now.concat(), "{most} at {}", world.height());
            watch::check_timers(&world.store);
            watch::check_indexes(&world.store);
        }
        assert_eq!(world.replay(), world.root);
    }
}

/// Whoever comes after the deadline is refused, also while the block that ends the phase is late.
#[test]
fn what_is_overdue_is_over() {
    let mut world = World::with(few(1));
    world.posted();
    let ids = post(&mut world, 4, &demanding());
    let asked = world.height().after(blocks(terms().deadlines.assign));
    world.apply(Who::Stranger, ask(time(asked.after(1)), "a study"));
    let deadline = world.order(ids[0]).head.deadline;
    assert_eq!(over(deadline), asked.after(1));
    while world.height().after(1) < over(deadline) {
        world.advance(1);
    }
    let mut ended = 0;
    // Four orders: the last of them ends three blocks late. The grant waits for none of them.
    for _ in 0..4 {
        let mut calls: Vec<(Who, Call)> = Vec::new();
        for order in &ids {
            calls.push((Who::Requester, OrderCall::Cancel { order: *order }.into()));
        }
        if ended == 0 {
            let approve = FileCall::ApproveGrant {
                file: file_id("model"),
                grantee: Who::Stranger.id(),
                sealed: BoundedBytes::new(b"key".to_vec()).unwrap(),
                until: time(world.height().after(5)),
            };
            calls.push((Who::Requester, approve.into()));
            calls.push((Who::Stranger, ask(time(world.height().after(5)), "again")));
        }
        let receipts = world.block(calls).receipts;
        for (receipt, order) in receipts.iter().zip(&ids) {
            let head = world.order(*order).head;
            let refusal = match &receipt.status {
                Status::Refused(Refusal::Order(refusal)) => refusal.clone(),
                other => panic!("{other:?}"),
            };
            if head.phase.is_final() {
                assert!(matches!(refusal, OrderRefusal::WrongPhase { .. }));
                assert_eq!(head.outcome, Some(Outcome::NoProvider));
            } else {
                let order = *order;
                assert_eq!(refusal, OrderRefusal::TooLate { order, deadline });
            }
        }
        if ended == 0 {
            // It expired at the beginning of this block: it cannot be approved any more, and was
            // asked for again.
            let refusal = match &receipts[4].status {
                Status::Refused(Refusal::File(refusal)) => refusal,
                other => panic!("{other:?}"),
            };
            assert!(matches!(refusal, FileRefusal::WrongGrantState { .. }));
            assert_eq!(receipts[5].status, Status::Applied);
        }
        ended += 1;
        let owner = Who::Requester.id();
        let grant = query::file_grant(&world.store, &file_id("model"), &owner, &Who::Stranger.id());
        assert_eq!(grant.unwrap().unwrap().state, GrantState::Asked);
        let over = ids.iter().filter(|id| world.phase(**id).is_final()).count();
        assert_eq!(over, ended);
    }
}

/// An order whose deadline has passed is not drawn for, though it still waits to be ended.
#[test]
fn an_overdue_order_is_not_drawn_for() {
    let mut world = World::with(few(1));
    world.posted();
    let ids = post(&mut world, 3, &demanding());
    let deadline = over(world.order(ids[0]).head.deadline);
    while world.height().after(1) < deadline {
        if world.height().after(2) == deadline {
            // From the next block on somebody is eligible.
            let register = AccountCall::Register {
                role: Role::Provider,
                bond: Amount::tokens(900),
                encryption_key: some_key(),
                address: BoundedString::new("x").unwrap(),
                offer: Some(Offer::anything()),
            };
            world.apply(Who::Stranger, register);
        } else {
            world.advance(1);
        }
    }
    world.advance(3);
    for id in ids {
        assert_eq!(world.order(id).head.outcome, Some(Outcome::NoProvider));
        assert_eq!(world.order(id).runs, []);
    }
}

/// The time of the next phase begins when the phase ends, not when it should have.
#[test]
fn a_late_end_shortens_no_next_phase() {
    let mut world = World::with(few(1));
    world.posted();
    let mut usual = terms();
    usual.deadlines.assign = ms(30);
    let ids = post(&mut world, 3, &usual);
    world.fill_all(&ids);
    let grants = ids.iter().map(|order| {
        let grant = OrderCall::Grant {
            place: world.here(*order),
            grantee: world.provider(*order).id(),
            sealed: Default::default(),
        };
        (Who::Requester, grant.into())
    });
    let grants = grants.collect();
    world.block(grants);
    for id in &ids {
        assert_eq!(world.phase(*id), Phase::Running);
    }
    let deadline = world.order(ids[0]).head.deadline;
    let commits: Vec<(Who, Call)> = ids
        .iter()
        .map(|id| {
            let call = world.commit_call(*id, &Run::truth(&usual));
            (world.provider(*id), call)
        })
        .collect();
    while world.height().after(1) < over(deadline) {
        world.advance(1);
    }
    let mut rung = BTreeSet::new();
    for _ in 0..3 {
        // Whoever commits now is too late, or its run has failed.
        let receipts = world.block(commits.clone()).receipts;
        for (receipt, id) in receipts.iter().zip(&ids) {
            let head = world.order(*id).head;
            match &receipt.status {
                Status::Refused(Refusal::Order(OrderRefusal::TooLate { deadline: at, .. })) => {
                    assert_eq!((head.phase, *at), (Phase::Running, deadline));
                }
                Status::Refused(_) if head.phase != Phase::Running => {}
                other => panic!("{other:?} when {}", head.phase),
            }
            if head.phase == Phase::Posted && rung.insert(*id) {
                assert_eq!(head.since.height, world.height());
                let full = world.height().after(blocks(usual.deadlines.assign));
                assert_eq!(over(head.deadline), full.after(1));
            }
        }
    }
    assert_eq!(rung.len(), 3);
    assert_eq!(world.height(), over(deadline).after(2));
    assert_eq!(world.replay(), world.root);
}
