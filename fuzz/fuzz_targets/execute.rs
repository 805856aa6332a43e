//! Calls on a state: whatever comes in, money is conserved and the state stays readable.
//!
//! An input is a list of calls, each behind its sender's number and its length; a length of zero
//! ends the block. Names and places of orders, which no mutation would guess, are put in from those
//! that exist; what a mutation can change is whether a call is for the place where moves count now.
#![no_main]

use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::ledger::{self as samples, World};
use assay_fuzz::to_borsh;
use assay_ledger::{Call, Occasion, Order, OrderCall, Phase, Place, query};
use borsh::BorshDeserialize;
use libfuzzer_sys::fuzz_target;

/// Most blocks of one input.
const MAX_BLOCKS: usize = 24;

fn seeds() -> Vec<Vec<u8>> {
    let one = |sender: u8, call: &Call| [&[sender][..], &part(&to_borsh(call))].concat();
    let end = || [&[0][..], &part(&[])].concat();
    // Posted by the requester's third transaction.
    let calls = samples::calls(samples::order(2));
    let named = |name: &str| {
        let mut calls = calls.iter();
        calls.find(|call| call.name() == name).expect("one of each")
    };
    let mut opening = one(samples::REQUESTER, named("put_file"));
    let second = Call::from(samples::put("train"));
    opening.extend(one(samples::REQUESTER, &second));
    opening.extend(end());
    opening.extend(one(samples::REQUESTER, named("post_order")));
    opening.extend(end());
    opening.extend(end());
    let single = calls.iter().map(|call| {
        let mut seed = opening.clone();
        for sender in [samples::REQUESTER, 4, 5, 6, 7, 8, 0] {
            seed.extend(one(sender, call));
        }
        seed.extend(end());
        seed
    });
    let mut life = opening.clone();
    for name in [
        "grant",
        "commit_trace",
        "open_starts",
        "commit_audit",
        "open_ends",
        "reveal_audit",
        "complain",
        "bisect",
        "commit_finding",
        "attest",
        "accept",
        "ask_grant",
        "approve_grant",
        "revoke_grant",
    ] {
        for sender in [samples::REQUESTER, 4, 5, 6, 7, 8, 0, 1, 2] {
            life.extend(one(sender, named(name)));
        }
        life.extend(end());
        life.extend(end());
    }
    single.chain([life.clone()]).collect()
}

/// The call with its order, if it has one, replaced by an order that exists, and with its place by
/// the one that counts there now, unless its run says that it is to be left alone.
fn aimed(world: &World, bytes: &[u8]) -> Option<Call> {
    let mut call = Call::try_from_slice(bytes).ok()?;
    let Some(named) = call.order() else {
        return Some(call);
    };
    let orders = query::orders(&world.store).unwrap();
    let count = orders.len().max(1);
    let Some(aim) = orders.get(usize::from(named.0.0[0]) % count) else {
        return Some(call);
    };
    let Call::Order(order_call) = &mut call else {
        return Some(call);
    };
    match order_call {
        OrderCall::Post(_) => {}
        OrderCall::Cancel { order }
        | OrderCall::Accept { order }
        | OrderCall::Complain { order } => *order = aim.head.id,
        OrderCall::Grant { place, grantee, .. } => {
            *place = there(aim, *place);
            if let Some(provider) = aim.provider() {
                *grantee = provider;
            }
        }
        OrderCall::Answer { place, .. }
        | OrderCall::Decline { place, .. }
        | OrderCall::CommitTrace { place, .. }
        | OrderCall::CommitRun { place, .. }
        | OrderCall::RevealRun { place, .. }
        | OrderCall::OpenStarts { place, .. }
        | OrderCall::CommitAudit { place, .. }
        | OrderCall::OpenEnds { place, .. }
        | OrderCall::RevealAudit { place, .. }
        | OrderCall::Bisect { place, .. }
        | OrderCall::Deliver { place, .. }
        | OrderCall::Attest { place, .. }
        | OrderCall::CommitFinding { place, .. } => *place = there(aim, *place),
    }
    Some(call)
}

fn there(order: &Order, named: Place) -> Place {
    if named.run.0 > 3 {
        return Place {
            order: order.head.id,
            ..named
        };
    }
    let place = match order.head.phase {
        Phase::Opening | Phase::Auditing | Phase::Closing | Phase::Revealing => order.round_place(),
        Phase::Bisecting | Phase::Attesting => order.dispute_place(),
        Phase::Asked | Phase::Called => order.list_place(),
        _ => None,
    };
    place.unwrap_or(Place {
        order: order.head.id,
        run: order.attempt(),
        occasion: Occasion::Work,
    })
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut world = World::new();
    let supply = query::supply(&world.store).unwrap().total;
    let mut parts = Parts::new(data);
    let mut calls = Vec::new();
    let mut blocks = 0;
    while !parts.is_empty() && blocks < MAX_BLOCKS {
        let (sender, bytes) = (parts.byte(), parts.part());
        if !bytes.is_empty() {
            calls.extend(aimed(&world, bytes).map(|call| (sender, call)));
            if calls.len() < 16 {
                continue;
            }
        }
        world.block(calls.drain(..));
        blocks += 1;
        assert_eq!(query::supply(&world.store).unwrap().total, supply, "money appeared or vanished");
    }
    for order in query::orders(&world.store).unwrap() {
        let again = query::order(&world.store, &order.head.id).unwrap();
        assert_eq!(again.as_ref(), Some(&order));
    }
});
