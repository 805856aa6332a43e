//! What a move writes: the records it changes, and no others.

use std::collections::BTreeSet;

use assay_ledger::{Call, OrderCall, Phase, execute_block};

use crate::judges::{commits, reveals};
use crate::life::REACH;
use crate::world::{Run, Who, World, salt, sealed, starts, terms};

/// The tags of the keys that a block with this one call writes, as the layout names them.
fn tags(world: &World, who: Who, call: impl Into<Call>) -> String {
    let txs = world.sign(vec![(who, call.into())]);
    let executed = execute_block(&world.store, &world.next_context(), &txs).unwrap();
    let receipt = &executed.receipts.receipts[0];
    assert_eq!(receipt.status, assay_ledger::Status::Applied);
    assert_eq!(executed.receipts.events, []);
    // Every block writes its height and its fees, every transaction its sender's account.
    let keys = executed.writes.keys().map(|key| char::from(key[0]));
    let keys: BTreeSet<char> = keys.filter(|tag| !"abm".contains(*tag)).collect();
    keys.into_iter().collect()
}

fn reached(phase: Phase) -> (World, assay_ledger::OrderId, Run) {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let (_, reach) = REACH
        .into_iter()
        .find(|(known, _)| *known == phase)
        .unwrap();
    let order = reach(&mut world, &truth);
    assert_eq!(world.phase(order), phase);
    (world, order, truth)
}

/// `o` is the head, `n` a run, `s` a dispute, `k` a grant; `t` and `y` are the order's timer and
/// its place among the latest changes, `x` and `j` the indexes of its phase.
#[test]
fn a_move_writes_the_records_that_it_changes() {
    let (world, order, _) = reached(Phase::Attesting);
    let place = world.here(order);
    let commit = commits(place, (0, None));
    assert_eq!(tags(&world, Who::Validator(0), commit), "osty");
    let mut sealed_all = world.clone();
    for i in 0..3 {
        sealed_all.apply(Who::Validator(i), commits(place, (i, None)));
    }
    let attest = reveals(place, (0, None));
    assert_eq!(tags(&sealed_all, Who::Validator(0), attest), "osty");
    let grant = OrderCall::Grant {
        place,
        grantee: Who::Validator(0).id(),
        sealed: sealed("evidence"),
    };
    assert_eq!(tags(&world, Who::Requester, grant), "koty");

    // An answer that closes no list; `w` and `x` come with the phase, `n`, `p` and `r` with the run.
    let (world, order, _) = reached(Phase::Asked);
    let ranked = world.ranked(order);
    let answer = world.answer_call(order, true);
    assert_eq!(tags(&world, ranked[1], answer.clone()), "oty");
    assert_eq!(tags(&world, ranked[0], answer), "dnoprtwxy");

    let (world, order, truth) = reached(Phase::Bisecting);
    let step = world.middle(order);
    let opening = truth.opening(step);
    let bisect = OrderCall::Bisect {
        place: world.here(order),
        step,
        leaf: opening.leaf(),
        path: Some(opening.path),
    };
    assert_eq!(tags(&world, world.provider(order), bisect), "osty");

    let (world, order, truth) = reached(Phase::Opening);
    let place = world.here(order);
    let openings = truth.openings(&starts(&world.order(order)));
    let open = OrderCall::OpenStarts { place, openings };
    assert_eq!(tags(&world, world.provider(order), open), "noty");
    let grant = OrderCall::Grant {
        place,
        grantee: world.auditors(order)[0].id(),
        sealed: sealed("some"),
    };
    assert_eq!(tags(&world, world.provider(order), grant), "koty");

    let (world, order, _) = reached(Phase::Auditing);
    let commit = OrderCall::CommitAudit {
        place: world.here(order),
        commitment: world.root,
    };
    let auditor = world.auditors(order)[0];
    assert_eq!(tags(&world, auditor, commit), "noty");

    let (world, order, truth) = reached(Phase::Revealing);
    let auditor = world.auditors(order)[0];
    let reveal = OrderCall::RevealAudit {
        place: world.here(order),
        results: truth.results(&world.order(order)),
        salt: salt(auditor),
    };
    assert_eq!(tags(&world, auditor, reveal), "noty");

    // A move into the next phase also moves the order in the index of phases.
    let (world, order, _) = reached(Phase::Assigned);
    let grant = OrderCall::Grant {
        place: world.here(order),
        grantee: world.provider(order).id(),
        sealed: sealed("keys"),
    };
    assert_eq!(tags(&world, Who::Requester, grant), "kotxy");
    let (world, order, _) = reached(Phase::Accepted);
    let complain = OrderCall::Complain { order };
    assert_eq!(tags(&world, Who::Requester, complain), "jostxy");
}
