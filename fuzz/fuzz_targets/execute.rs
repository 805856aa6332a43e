//! Calls on a state: whatever comes in, money is conserved and the state stays readable.
//!
//! An input is a list of calls, each behind its sender's number and its length; a length of zero
//! ends the block. Names of orders, which no mutation would guess, are put in from those that exist.
#![no_main]

use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::ledger::{self as samples, World};
use assay_fuzz::to_borsh;
use assay_ledger::{Call, query};
use borsh::BorshDeserialize;
use libfuzzer_sys::fuzz_target;

/// Most blocks of one input.
const MAX_BLOCKS: usize = 24;

fn seeds() -> Vec<Vec<u8>> {
    let one = |sender: u8, call: &Call| [&[sender][..], &part(&to_borsh(call))].concat();
    let end = || [&[0][..], &part(&[])].concat();
    let calls = samples::calls(samples::order(0));
    let mut opening = one(samples::REQUESTER, &calls[3]);
    let samples_model = Call::PutFile(Box::new(samples::file("train")));
    opening.extend(one(samples::REQUESTER, &samples_model));
    opening.extend(end());
    opening.extend(one(samples::REQUESTER, &calls[4]));
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
    for call in [6, 8, 9, 10, 11, 12, 15, 13, 14, 16] {
        for sender in [samples::REQUESTER, 4, 5, 6, 7, 8, 0, 1, 2] {
            life.extend(one(sender, &calls[call]));
        }
        life.extend(end());
        life.extend(end());
    }
    single.chain([life.clone()]).collect()
}

/// The call with its order, if it has one, replaced by an order that exists.
fn aimed(world: &World, bytes: &[u8]) -> Option<Call> {
    let call = Call::try_from_slice(bytes).ok()?;
    let Some(named) = call.order() else {
        return Some(call);
    };
    let orders = query::orders(&world.store).unwrap();
    let count = orders.len().max(1);
    let Some(order) = orders.get(usize::from(named.0.0[0]) % count) else {
        return Some(call);
    };
    // Borsh: one byte for the variant, then the order.
    let mut bytes = bytes.to_vec();
    bytes[1..33].copy_from_slice(&order.id.0.0);
    if let (Call::Grant { .. }, Some(assignment)) = (&call, &order.assignment) {
        bytes[33..65].copy_from_slice(&assignment.provider.0);
    }
    Call::try_from_slice(&bytes).ok()
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
        let again = query::order(&world.store, &order.id).unwrap();
        assert_eq!(again.as_ref(), Some(&order));
    }
});
