//! What clients read from proofs: orders, receipts, files. The first byte picks the type.
#![no_main]

use std::fmt::Debug;

use assay_fuzz::samples::ledger::{self as samples, World};
use assay_fuzz::{canonical_borsh, through_json, to_borsh};
use assay_ledger::{
    Account, BlockReceipts, Claim, Contest, Dispute, Event, FileContract, FileGrant, FileRecord, Grant, Head,
    Receipt, Refusal, Registration, Role, Run, RunIndex, Terms, query,
};
use borsh::{BorshDeserialize, BorshSerialize};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut add = |kind: u8, bytes: Vec<u8>| seeds.push([&[kind][..], &bytes].concat());
    let mut world = World::new();
    for call in samples::calls(samples::order(2)) {
        let executed = world.block([(samples::REQUESTER, call)]);
        for receipt in &executed.receipts.receipts {
            add(1, to_borsh(receipt));
            receipt
                .events
                .iter()
                .for_each(|event| add(3, to_borsh(event)));
        }
        add(2, to_borsh(&executed.receipts));
        for order in query::orders(&world.store).unwrap() {
            add(0, to_borsh(&order.head));
            order.runs.iter().for_each(|run| add(9, to_borsh(run)));
            let disputes = order.disputes.iter();
            disputes.for_each(|dispute| add(10, to_borsh(dispute)));
            order.contest.iter().for_each(|of| add(14, to_borsh(of)));
            let claims = query::claims(&world.store, &order.head.id).unwrap();
            claims.iter().for_each(|claim| add(15, to_borsh(claim)));
            let grants = query::grants(&world.store, &order.head.id, RunIndex(0)).unwrap();
            grants.iter().for_each(|grant| add(11, to_borsh(grant)));
        }
    }
    let asked = query::grants_to(&world.store, &samples::account(samples::REQUESTER), 9).unwrap();
    asked
        .entries
        .iter()
        .for_each(|grant| add(12, to_borsh(grant)));
    for (_, provider) in query::registrations(&world.store, Role::Provider).unwrap() {
        add(5, to_borsh(&provider));
    }
    add(
        4,
        to_borsh(&query::account(&world.store, &samples::account(0)).unwrap()),
    );
    add(6, to_borsh(&samples::file("model")));
    let requester = samples::account(samples::REQUESTER);
    for record in query::files(&world.store).unwrap() {
        let contract = query::file_contract(&world.store, &record.id, &requester).unwrap();
        contract
            .iter()
            .for_each(|contract| add(13, to_borsh(contract)));
    }
    add(7, to_borsh(&samples::terms()));
    seeds
}

fn check<T>(bytes: &[u8])
where
    T: BorshSerialize + BorshDeserialize + Serialize + DeserializeOwned + PartialEq + Debug,
{
    if let Some(value) = canonical_borsh::<T>(bytes) {
        through_json(&value);
    }
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind {
        0 => check::<Head>(bytes),
        1 => check::<Receipt>(bytes),
        2 => check::<BlockReceipts>(bytes),
        3 => check::<Event>(bytes),
        4 => check::<Account>(bytes),
        5 => check::<Registration>(bytes),
        6 => check::<FileRecord>(bytes),
        7 => check::<Terms>(bytes),
        8 => check::<Refusal>(bytes),
        9 => check::<Run>(bytes),
        10 => check::<Dispute>(bytes),
        11 => check::<Grant>(bytes),
        12 => check::<FileGrant>(bytes),
        13 => check::<FileContract>(bytes),
        14 => check::<Contest>(bytes),
        15 => check::<Claim>(bytes),
        _ => {}
    }
});
