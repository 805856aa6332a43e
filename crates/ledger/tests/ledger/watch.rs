//! What must hold of a state after every block, and of the phases that follow each other.

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::query::{self, Which};
use assay_ledger::{
    AccountId, Event, GrantState, MemoryStore, Order, OrderEvent, OrderId, Outcome, Phase,
};

use crate::world::{Who, World};

/// Every index of orders says what looking at all orders says.
pub(crate) fn check_indexes(store: &MemoryStore) {
    let orders = query::orders(store).unwrap();
    let listed = |which| {
        let all = query::list(store, which, usize::MAX).unwrap();
        assert!(!all.more);
        let first = query::list(store, which, 1).unwrap();
        let expected = &all.entries[..all.entries.len().min(1)];
        assert_eq!(first.entries, expected, "{which:?}");
        assert_eq!(first.more, all.entries.len() > 1, "{which:?}");
        all.entries
    };
    let check = |which: Which, fits: &dyn Fn(&Order) -> bool, latest: fn(&Order) -> u64| {
        let mut expected: Vec<&Order> = orders.iter().filter(|order| fits(order)).collect();
        expected.sort_by_key(|order| (u64::MAX - latest(order), order.head.id));
        let expected: Vec<OrderId> = expected.iter().map(|order| order.head.id).collect();
        assert_eq!(listed(which), expected, "{which:?}");
    };
    let posted = |order: &Order| order.head.posted.0;
    check(Which::Latest, &|_| true, |order| order.head.updated.0);
    for phase in Phase::ALL {
        check(Which::In(phase), &|order| order.head.phase == phase, posted);
    }
    for who in Who::all() {
        let id = who.id();
        let by = |order: &Order| order.head.requester == id;
        check(Which::PostedBy(id), &by, posted);
        check(Which::WithPart(id), &|order| takes_part(order, id), |_| 0);
    }
    let judged = |order: &Order| order.head.phase.is_judged();
    check(Which::Judged, &judged, |_| 0);
    check_queue(store, &orders);
    check_open(store, &orders);
}

/// Every order that waits for a draw stands in one line, or lies aside in one place; nothing else does.
fn check_queue(store: &MemoryStore, orders: &[Order]) {
    let places = keys(store, b'w').chain(keys(store, b'v'));
    let mut places: Vec<(Vec<u8>, u8, [u8; 8])> = places
        .map(|key| {
            let (rest, id) = key.split_at(key.len() - 32);
            (id.to_vec(), rest[1], *rest.last_chunk().unwrap())
        })
        .collect();
    places.sort();
    let waits = orders.iter().filter(|o| o.head.phase.waits_for_draw());
    let waits = waits.map(|order| {
        let head = &order.head;
        let idle = head.phase == Phase::Posted && order.standing().next().is_none();
        let since = head.since.height.0.to_be_bytes();
        (head.id.0.0.to_vec(), u8::from(idle), since)
    });
    assert_eq!(places, waits.collect::<Vec<_>>());
}

/// The open orders of every account are counted.
fn check_open(store: &MemoryStore, orders: &[Order]) {
    let mut open: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for order in orders.iter().filter(|order| !order.head.phase.is_final()) {
        let key = [&b"u"[..], &order.head.requester.0].concat();
        *open.entry(key).or_default() += 1;
    }
    let counted = store.pairs().iter().filter(|(key, _)| key[0] == b'u');
    let counted = counted.map(|(key, value)| (key.clone(), borsh::from_slice(value).unwrap()));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), open);
}

fn takes_part(order: &Order, account: AccountId) -> bool {
    let in_run = |run: &assay_ledger::Run| {
        run.provider == account || run.seats().any(|seat| seat.auditor == account)
    };
    !order.head.phase.is_final()
        && (order.head.requester == account
            || order.is_asked(account)
            || order.runs.iter().any(in_run))
}

/// Keys that were handed over are there only while somebody may need them, or are being forgotten;
/// and what is being forgotten is over.
pub(crate) fn check_grants(store: &MemoryStore) {
    let forgotten: BTreeSet<Vec<u8>> = forgetting(store).collect();
    let mut kept = 0;
    for order in query::orders(store).unwrap() {
        for run in &order.runs {
            let grants = query::grants(store, &order.head.id, run.index).unwrap();
            let over = order.head.phase.is_final() || run.failed.is_some();
            let name = [&order.head.id.0.0[..], &run.index.0.to_be_bytes()].concat();
            match forgotten.contains(&name) {
                true => assert!(over, "forgotten too early: {run:?}"),
                false => assert!(!over || grants.is_empty(), "never forgotten: {run:?}"),
            }
            kept += grants.len();
        }
    }
    assert_eq!(keys(store, b'k').count(), kept, "grants of no run");
}

/// Order and run of the keys that are being forgotten.
pub(crate) fn forgetting(store: &MemoryStore) -> impl Iterator<Item = Vec<u8>> {
    let timers = keys(store, b't').filter(|key| key[1] == 3);
    timers.map(|key| key[10..].to_vec())
}

pub(crate) fn keys(store: &MemoryStore, tag: u8) -> impl Iterator<Item = &Vec<u8>> {
    store.pairs().keys().filter(move |key| key[0] == tag)
}

/// Every timer belongs to a phase, a grant or a bond that it will end, and each of those has one.
pub(crate) fn check_timers(store: &MemoryStore) {
    let mut found: BTreeSet<&[u8]> = keys(store, b't').map(Vec::as_slice).collect();
    let key = |kind: u8, due: u64, rest: &[&[u8]]| {
        [&[b't', kind][..], &due.to_be_bytes(), &rest.concat()].concat()
    };
    for order in query::orders(store).unwrap() {
        if !order.head.phase.is_final() {
            let head = &order.head;
            // One whose time is over may wait for its blocks.
            let waits = head.deadline.height.0 + 1;
            let idle = head.phase == Phase::Posted && head.begun == 0;
            let kind = if idle { 5 } else { 1 };
            let timers = [(kind, head.deadline.time.0 + 1), (4, waits)];
            let timers = timers.map(|(kind, due)| key(kind, due, &[&head.id.0.0]));
            let removed = timers.iter().filter(|key| found.remove(key.as_slice()));
            assert_eq!(removed.count(), 1, "{head:?}");
        }
    }
    let mut take = |kind: u8, due: u64, rest: &[&[u8]]| {
        let key = key(kind, due, rest);
        assert!(found.remove(key.as_slice()), "a timer is missing: {key:?}");
    };
    for who in Who::all() {
        for grant in query::grants_to(store, &who.id(), usize::MAX)
            .unwrap()
            .entries
        {
            let alive = matches!(grant.state, GrantState::Asked | GrantState::Approved);
            assert_eq!(
                alive && grant.state == GrantState::Approved,
                !grant.sealed.is_empty()
            );
            if alive {
                let parts: [&[u8]; 3] = [&grant.file.0.0, &grant.owner.0, &grant.grantee.0];
                take(2, grant.until.0, &parts);
            }
        }
    }
    for record in query::files(store).unwrap() {
        let contract = query::file_contract(store, &record.id, &record.owner).unwrap();
        take(
            6,
            contract.unwrap().until.0,
            &[&record.id.0.0, &record.owner.0],
        );
    }
    for (due, account, role, amount) in query::unbonding(store).unwrap() {
        assert!(amount.0 > 0);
        let role = borsh::to_vec(&role).unwrap();
        take(0, due.0, &[&role, &account.0]);
    }
    // What the others are for, `check_grants` says.
    found.retain(|key| key[1] != 3);
    assert!(found.is_empty(), "timers of nothing: {found:?}");
}

/// The last phase of an order that ends like this.
pub(crate) fn ending(outcome: Outcome) -> Phase {
    match outcome {
        Outcome::Paid | Outcome::Failed => Phase::Settled,
        Outcome::Withdrawn => Phase::Cancelled,
        _ => Phase::Refunded,
    }
}

/// Which phases followed which, and how often, in everything that was told: of orders with one
/// copy, or with one that was left alone, and of those with several.
pub(crate) fn steps(world: &World) -> [BTreeMap<(Phase, Phase), usize>; 2] {
    let mut now: BTreeMap<OrderId, Phase> = BTreeMap::new();
    let mut alone: BTreeSet<OrderId> = BTreeSet::new();
    let mut steps = [BTreeMap::new(), BTreeMap::new()];
    for told in &world.told {
        let (order, next) = match &told.event {
            Event::Order {
                order,
                event: OrderEvent::PhaseEntered { phase },
            } => (*order, *phase),
            Event::Order {
                order,
                event: OrderEvent::Ended { outcome },
            } => (*order, ending(*outcome)),
            _ => continue,
        };
        match now.insert(order, next) {
            Some(before) => {
                let several = world.order(order).head.terms.copies > 1 && !alone.contains(&order);
                let steps = &mut steps[usize::from(several)];
                *steps.entry((before, next)).or_insert(0) += 1;
                if several && next == Phase::Committed {
                    alone.insert(order);
                }
            }
            None => assert_eq!(next, Phase::Posted),
        }
    }
    steps
}
