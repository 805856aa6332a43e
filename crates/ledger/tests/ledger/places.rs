//! A move counts at its place and nowhere else, and what was fixed at a draw stays as it was.

use std::collections::BTreeMap;

use assay_crypto::{Digest, EncryptionKey};
use assay_ledger::{
    AccountCall, Amount, BoundedString, Call, Occasion, Offer, OrderCall, OrderId, OrderRefusal,
    Phase, Place, Refusal, Role, RunIndex, Status, Verdict, execute_block,
};

use crate::adversaries::calls;
use crate::judges::{commits, reveals};
use crate::life::REACH;
use crate::world::{Run, Who, World, blocks, salt, terms};

/// The same call, meant for another place.
pub(crate) fn moved(call: &Call, to: Place) -> Option<Call> {
    let Call::Order(call) = call else {
        return None;
    };
    let mut call = call.clone();
    match &mut call {
        OrderCall::Grant { place, .. }
        | OrderCall::Answer { place, .. }
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
        | OrderCall::CommitFinding { place, .. }
        | OrderCall::Contradict { place, .. }
        | OrderCall::CommitUpdate { place, .. }
        | OrderCall::Hold { place, .. }
        | OrderCall::AttestModel { place, .. }
        | OrderCall::DealKey { place, .. }
        | OrderCall::CheckShare { place, .. }
        | OrderCall::OpenShare { place, .. }
        | OrderCall::RevealScores { place, .. }
        | OrderCall::ChallengeScore { place, .. } => *place = to,
        OrderCall::Post(_)
        | OrderCall::Cancel { .. }
        | OrderCall::Accept { .. }
        | OrderCall::Complain { .. }
        | OrderCall::Join { .. }
        | OrderCall::Leave { .. }
        | OrderCall::Claim { .. } => return None,
    }
    Some(call.into())
}

/// Every place near this one that is another: other runs, other kinds of occasion, other numbers.
pub(crate) fn others(here: Place) -> Vec<Place> {
    let occasions = [
        Occasion::Work,
        Occasion::Round(0),
        Occasion::Round(1),
        Occasion::Dispute(0),
        Occasion::Dispute(1),
        Occasion::Dispute(u16::MAX),
        Occasion::List(0),
        Occasion::List(1),
    ];
    let runs = [0, 1, u32::MAX].map(RunIndex);
    let all = runs.into_iter().flat_map(|run| {
        let at = move |occasion| Place {
            run,
            occasion,
            ..here
        };
        occasions.into_iter().map(at)
    });
    all.filter(|place| *place != here).collect()
}

/// What a block of these calls writes, the money and nonces of fees left out.
fn writes(world: &World, calls: Vec<(Who, Call)>) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let txs = world.sign(calls);
    let mut writes = execute_block(&world.store, &world.next_context(), &txs)
        .unwrap()
        .writes;
    writes.retain(|key, _| !b"am".contains(&key[0]));
    writes
}

#[test]
fn a_move_for_another_place_is_refused_in_every_phase() {
    let truth = Run::truth(&terms());
    let mut refused = BTreeMap::new();
    for (phase, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        // A draw comes before the calls of its block.
        let mut next = world.clone();
        next.advance(1);
        let here = next.here(order);
        let nothing = writes(&world, vec![]);
        for who in Who::all() {
            for call in calls(&world, order, who) {
                let counts = world.would(who, call.clone()) == Status::Applied;
                // What is refused at its place is refused elsewhere; one other place will do.
                let places = others(here);
                let few = if counts { places.len() } else { 1 };
                for place in places.into_iter().take(few) {
                    let Some(call) = moved(&call, place) else {
                        continue;
                    };
                    let status = world.would(who, call.clone());
                    let Status::Refused(refusal) = status else {
                        panic!("{who:?} was allowed {call:?} when {phase} at {here}");
                    };
                    if counts {
                        let expected = OrderRefusal::OtherPlace {
                            expected: here,
                            found: place,
                        };
                        assert_eq!(refusal, expected.into());
                        *refused.entry(call.name()).or_insert(0) += 1;
                        assert_eq!(writes(&world, vec![(who, call)]), nothing);
                    }
                }
            }
        }
    }
    // Not `commit_trace`, whose files are not recorded here, and not `attest`, which waits for
    // commitments: see below.
    let names: Vec<_> = refused.keys().copied().collect();
    let expected = [
        "answer",
        "bisect",
        "commit_audit",
        "commit_finding",
        "decline",
        "deliver",
        "grant",
        "open_ends",
        "open_starts",
        "reveal_audit",
    ];
    assert_eq!(names, expected, "{refused:?}");
}

fn other_place(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Order(OrderRefusal::OtherPlace { .. }))
}

#[test]
fn a_commitment_to_a_run_names_that_run() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.grant_to_provider(order);
    let call = world.commit_call(order, &truth);
    for place in others(world.here(order)) {
        let call = moved(&call, place).unwrap();
        let expected = OrderRefusal::OtherPlace {
            expected: world.here(order),
            found: place,
        };
        let status = world.would(provider, call);
        assert_eq!(status, Status::Refused(expected.into()));
    }
    world.apply(provider, call);
}

/// A dispute that follows at once on another: what came late for the first is not counted in it.
#[test]
fn an_attestation_counts_in_its_own_dispute() {
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 0, "auditors");
    let mut world = World::new();
    let order = world.ran(&truth);
    let auditors = world.audit(order, &truth, |_, _| lie.clone());
    let first = world.here(order);
    assert_eq!(first.occasion, Occasion::Dispute(0));
    let leaf = Some(truth.leaves[0]);
    let attest = |place, i| Call::from(reveals(place, (i, leaf)));
    let commit = |place, i| Call::from(commits(place, (i, leaf)));
    let seal = |place| (0..3).map(move |i| (Who::Validator(i), commit(place, i)));
    world.block(seal(first).collect());
    // The third of them is the verdict, the fourth comes too late in the very same block.
    let calls = (0..4).map(|i| (Who::Validator(i), attest(first, i)));
    let receipts = world.block(calls.collect());
    let second = world.here(order);
    assert_eq!(second.occasion, Occasion::Dispute(1));
    assert_eq!(
        receipts.receipts[3].status,
        Status::Refused(
            OrderRefusal::OtherPlace {
                expected: second,
                found: first
            }
            .into()
        )
    );
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Provider));
    assert_eq!(record.disputes[0].attestations.len(), 3);
    assert_eq!(record.dispute().unwrap().challenger, auditors[1].id());
    for i in 0..4 {
        for late in [attest(first, i), commit(first, i)] {
            let Status::Refused(refusal) = world.would(Who::Validator(i), late) else {
                panic!("it counts in the second dispute");
            };
            assert!(other_place(&refusal), "{refusal}");
        }
    }
    assert_eq!(world.order(order).disputes[1].attestations, []);
    // A commitment to a finding has to name the dispute, whether or not the call does.
    let commitment = crate::judges::commitment(first, (3, leaf));
    let call = OrderCall::CommitFinding {
        place: second,
        commitment,
    };
    world.apply(Who::Validator(3), call);
    for i in 0..2 {
        world.apply(Who::Validator(i), commit(second, i));
    }
    assert_eq!(
        world.refuse(Who::Validator(3), attest(second, 3)),
        OrderRefusal::CommitmentMismatch { order }.into()
    );
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
    let record = world.order(order);
    assert_eq!(record.disputes[1].verdict, Some(Verdict::Provider));
    assert_eq!(record.disputes[0].attestations.len(), 3);
}

#[test]
fn a_commitment_of_one_audit_round_does_not_open_in_another() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.ran(&truth);
    let silent = world.open(order, &truth);
    let first = world.here(order);
    world.advance(blocks(terms().deadlines.audit) + 1);
    assert_eq!(world.phase(order), Phase::Committed);
    let auditors = world.open(order, &truth);
    let second = world.here(order);
    assert_eq!(
        [first.occasion, second.occasion],
        [Occasion::Round(0), Occasion::Round(1)]
    );
    let results = truth.results(&world.order(order));
    let commitment = |place: &_, who: Who| results.commitment(place, who.id(), &salt(who));
    // The commitment itself has to name the round, whether or not the call does.
    let [one, other] = [auditors[0], auditors[1]];
    for (who, place, commitment) in [
        (one, first, commitment(&first, one)),
        (one, first, commitment(&second, one)),
        (silent[0], second, commitment(&second, silent[0])),
    ] {
        world.refuse(who, OrderCall::CommitAudit { place, commitment });
    }
    for (who, at) in [(one, first), (other, second)] {
        let call = OrderCall::CommitAudit {
            place: second,
            commitment: commitment(&at, who),
        };
        world.apply(who, call);
    }
    world.open_ends(order, &truth);
    let reveal = |who, place| OrderCall::RevealAudit {
        place,
        results: results.clone(),
        salt: salt(who),
    };
    assert!(other_place(&world.refuse(one, reveal(one, first))));
    assert_eq!(
        world.refuse(one, reveal(one, second)),
        OrderRefusal::CommitmentMismatch { order }.into()
    );
    world.apply(other, reveal(other, second));
}

/// Everything that a commitment is bound to makes another commitment.
#[test]
fn a_commitment_depends_on_all_it_is_bound_to() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    let here = world.here(order);
    let results = truth.results(&world.order(order));
    let mut places = others(here);
    places.push(here);
    places.push(Place {
        order: OrderId(Digest::ZERO),
        ..here
    });
    let made = |place: &Place| {
        let by = |who: Who| results.commitment(place, who.id(), &salt(auditors[0]));
        auditors.iter().map(|who| by(*who)).collect::<Vec<_>>()
    };
    let all: std::collections::BTreeSet<_> = places.iter().flat_map(made).collect();
    assert_eq!(all.len(), 2 * places.len());
}

/// Whoever accepts and then registers another key changes nothing for those who seal to it.
#[test]
fn keys_are_those_of_the_acceptance() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.posted();
    let rekey = |role| AccountCall::Register {
        role,
        bond: Amount::tokens(1),
        encryption_key: EncryptionKey([66; 32]),
        address: BoundedString::new("elsewhere").unwrap(),
        offer: Some(Offer::anything()),
    };
    let provider = world.assign(order);
    let drawn = |world: &World| world.order(order).run().unwrap().encryption_key;
    assert_eq!(drawn(&world), provider.secret().encryption().public());
    world.apply(provider, rekey(Role::Provider));
    let registered = |world: &World, who: Who| world.registration(who).encryption_key;
    assert_eq!(registered(&world, provider), EncryptionKey([66; 32]));
    assert_eq!(drawn(&world), provider.secret().encryption().public());
    world.grant_to_provider(order);
    world.commit(order, &truth);
    let auditors = world.open(order, &truth);
    for auditor in &auditors {
        world.apply(*auditor, rekey(Role::Auditor));
        assert_eq!(registered(&world, *auditor), EncryptionKey([66; 32]));
    }
    let record = world.order(order);
    for seat in &record.round().unwrap().seats {
        let own = Who::of(seat.auditor).secret().encryption().public();
        assert_eq!(seat.encryption_key, own);
    }
    assert_eq!(drawn(&world), provider.secret().encryption().public());
    // Those who accept from now on are sealed to their new keys.
    world.advance(blocks(terms().deadlines.audit) + blocks(terms().deadlines.assign));
    let mut later = world.clone();
    let next = later.posted();
    for seed in 0..40 {
        let mut later = later.clone();
        later.beacon_seed = seed;
        later.fill(next);
        let order = later.order(next);
        if order.provider() == Some(provider.id()) {
            let run = order.run().unwrap();
            assert_eq!(run.encryption_key, EncryptionKey([66; 32]));
            return;
        }
    }
    panic!("never drawn again");
}
