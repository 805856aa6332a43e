//! Openings, commitments and reveals.

use assay_crypto::Digest;
use assay_ledger::{
    Amount, BoundedVec, FailureReason, OrderCall, OrderRefusal, Parameters, Phase, Refusal,
    SegmentIndex, Status, StepIndex, query,
};

use crate::world::{BOND, Run, Who, World, blocks, parameters, salt, sealed, starts, terms};

fn opening() -> (World, assay_ledger::OrderId, Run) {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    world.fill(order);
    assert_eq!(world.phase(order), Phase::Opening);
    (world, order, truth)
}

#[test]
fn openings_must_be_the_ones_asked_for() {
    let (mut world, order, truth) = opening();
    let provider = world.provider(order);
    let expected = starts(&world.order(order));
    let place = world.here(order);
    let open = |openings| OrderCall::OpenStarts { place, openings };
    let mut fewer = expected.clone();
    fewer.pop();
    let mut reversed = expected.clone();
    reversed.reverse();
    let mut more = expected.clone();
    more.push(StepIndex(terms().steps));
    for steps in [fewer, reversed, more, vec![]] {
        if steps == expected {
            continue;
        }
        let refusal = world.refuse(provider, open(truth.openings(&steps)));
        assert_eq!(
            refusal,
            Refusal::Order(OrderRefusal::WrongOpenings {
                order,
                expected: expected.clone()
            })
        );
    }
    let lie = Run::lie(&terms(), 0, "provider");
    let refusal = world.refuse(provider, open(lie.openings(&expected)));
    assert_eq!(
        refusal,
        Refusal::Order(OrderRefusal::BadPath {
            order,
            step: StepIndex(0)
        })
    );
    world.apply(provider, open(truth.openings(&expected)));
    let refusal = world.refuse(provider, open(truth.openings(&expected)));
    assert_eq!(refusal, Refusal::Order(OrderRefusal::AlreadyDone { order }));
}

#[test]
fn auditors_begin_when_starts_and_keys_are_there() {
    let (mut world, order, truth) = opening();
    let provider = world.provider(order);
    let auditors = world.auditors(order);
    let place = world.here(order);
    let grant = |to: Who| OrderCall::Grant {
        place,
        grantee: to.id(),
        sealed: sealed("keys"),
    };
    world.apply(provider, grant(auditors[0]));
    let openings = truth.openings(&starts(&world.order(order)));
    world.apply(
        provider,
        OrderCall::OpenStarts {
            place: world.here(order),
            openings,
        },
    );
    // The requester may hand keys over too, but that does not excuse the provider.
    world.apply(Who::Requester, grant(auditors[1]));
    assert_eq!(world.phase(order), Phase::Opening);
    let refusal = world.refuse(provider, grant(Who::Stranger));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotAGrantee { .. })
    ));
    world.apply(provider, grant(auditors[1]));
    assert_eq!(world.phase(order), Phase::Auditing);
    // From here on nothing that was granted can be mended.
    let refusal = world.refuse(provider, grant(auditors[0]));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
}

#[test]
fn a_provider_that_withholds_loses_its_whole_bond() {
    // Neither leaves nor keys; leaves but no keys; keys but no leaves.
    for (leaves, keys) in [(false, false), (true, false), (false, true)] {
        let (mut world, order, truth) = opening();
        let provider = world.provider(order);
        let auditors = world.auditors(order);
        if leaves {
            let openings = truth.openings(&starts(&world.order(order)));
            world.apply(
                provider,
                OrderCall::OpenStarts {
                    place: world.here(order),
                    openings,
                },
            );
        }
        if keys {
            for auditor in &auditors {
                let grantee = auditor.id();
                world.apply(
                    provider,
                    OrderCall::Grant {
                        place: world.here(order),
                        grantee,
                        sealed: sealed("keys"),
                    },
                );
            }
        }
        world.advance(blocks(terms().deadlines.open) + 1);
        let failure = world.failures(order)[0].1;
        assert_eq!(
            (failure.reason, failure.slashed),
            (FailureReason::Withheld, terms().provider_bond)
        );
        for auditor in auditors {
            let registration = world.registration(auditor);
            assert_eq!(
                (registration.bond, registration.locked),
                (BOND, Amount::ZERO)
            );
        }
    }
}

#[test]
fn a_provider_that_does_not_open_the_ends_loses_its_whole_bond() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    for auditor in &auditors {
        world.commit_results(order, *auditor, &truth.results(&world.order(order)));
    }
    let before: Vec<_> = auditors.iter().map(|who| world.balance(*who).0).collect();
    world.advance(blocks(terms().deadlines.open) + 1);
    let failure = world.failures(order)[0].1;
    assert_eq!(
        (failure.reason, failure.slashed),
        (FailureReason::Withheld, terms().provider_bond)
    );
    for (auditor, before) in auditors.iter().zip(before) {
        assert_eq!(
            world.balance(*auditor).0,
            before + terms().provider_bond.0 / 4
        );
    }
}

#[test]
fn commitments_bind_the_auditor_and_its_results() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    let results = truth.results(&world.order(order));
    let commitment = results.commitment(&world.here(order), auditors[0].id(), &salt(auditors[0]));
    // The second auditor copies the first one's commitment.
    for auditor in &auditors {
        world.apply(
            *auditor,
            OrderCall::CommitAudit {
                place: world.here(order),
                commitment,
            },
        );
    }
    let refusal = world.would(
        auditors[0],
        OrderCall::CommitAudit {
            place: world.here(order),
            commitment,
        },
    );
    assert!(matches!(
        refusal,
        Status::Refused(Refusal::Order(OrderRefusal::WrongPhase { .. }))
    ));
    world.open_ends(order, &truth);
    world.reveal(order, auditors[0], &results);
    for salt in [salt(auditors[0]), salt(auditors[1])] {
        let results = results.clone();
        let refusal = world.refuse(
            auditors[1],
            OrderCall::RevealAudit {
                place: world.here(order),
                results,
                salt,
            },
        );
        assert_eq!(
            refusal,
            Refusal::Order(OrderRefusal::CommitmentMismatch { order })
        );
    }
    while world.phase(order) == Phase::Revealing {
        world.advance(1);
    }
    // The copier is cut and its seat drawn anew; the order is not accepted with one reveal.
    assert_eq!(
        world.registration(auditors[1]).bond.0,
        BOND.0 - terms().auditor_bond.0
    );
    assert_eq!(world.phase(order), Phase::Committed);
    let again = world.audit(order, &truth, |_, _| truth.clone());
    assert_eq!(again.len(), 1);
    assert!(!auditors.contains(&again[0]));
    assert_eq!(world.phase(order), Phase::Accepted);
}

#[test]
fn only_drawn_auditors_commit_and_reveal() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    let results = truth.results(&world.order(order));
    let outsider = (0..5)
        .map(Who::Auditor)
        .find(|who| !auditors.contains(who))
        .unwrap();
    let commitment = Digest::ZERO;
    for who in [outsider, world.provider(order), Who::Requester] {
        let refusal = world.refuse(
            who,
            OrderCall::CommitAudit {
                place: world.here(order),
                commitment,
            },
        );
        assert!(matches!(
            refusal,
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
    }
    world.commit_results(order, auditors[0], &results);
    let refusal = world.refuse(
        auditors[0],
        OrderCall::CommitAudit {
            place: world.here(order),
            commitment,
        },
    );
    assert_eq!(refusal, Refusal::Order(OrderRefusal::AlreadyDone { order }));
    // Revealing before the ends are open would show them to the others.
    let reveal = OrderCall::RevealAudit {
        place: world.here(order),
        results: results.clone(),
        salt: salt(auditors[0]),
    };
    let refusal = world.refuse(auditors[0], reveal.clone());
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::WrongPhase { .. })
    ));
    world.commit_results(order, auditors[1], &results);
    world.open_ends(order, &truth);
    world.apply(auditors[0], reveal.clone());
    assert_eq!(
        world.refuse(auditors[0], reveal),
        Refusal::Order(OrderRefusal::AlreadyDone { order })
    );
}

#[test]
fn results_list_the_drawn_segments() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    let good = truth.results(&world.order(order));
    let mut short = good.clone();
    short.segments = BoundedVec::new(good.segments[1..].to_vec()).unwrap();
    let mut other = good.clone();
    other.segments = BoundedVec::new(vec![(SegmentIndex(99), None)]).unwrap();
    world.commit_results(order, auditors[0], &short);
    world.commit_results(order, auditors[1], &other);
    world.open_ends(order, &truth);
    for (auditor, results) in [(auditors[0], short), (auditors[1], other)] {
        let reveal = OrderCall::RevealAudit {
            place: world.here(order),
            results,
            salt: salt(auditor),
        };
        assert_eq!(
            world.refuse(auditor, reveal),
            Refusal::Order(OrderRefusal::WrongSegments { order })
        );
    }
}

#[test]
fn missing_commitments_are_cut_and_the_others_go_on() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let auditors = world.open(order, &truth);
    world.commit_results(order, auditors[1], &truth.results(&world.order(order)));
    world.advance(blocks(terms().deadlines.audit));
    assert_eq!(world.phase(order), Phase::Closing);
    assert_eq!(
        world.registration(auditors[0]).bond.0,
        BOND.0 - terms().auditor_bond.0
    );
    assert_eq!(
        query::supply(&world.store).unwrap().pot,
        terms().auditor_bond
    );
    world.open_ends(order, &truth);
    world.reveal(order, auditors[1], &truth.results(&world.order(order)));
    assert_eq!(world.phase(order), Phase::Committed);
}

/// After so many draws of auditors that do nothing, validators are asked.
#[test]
fn when_auditors_run_out_the_provider_is_not_the_loser() {
    let parameters = Parameters {
        max_rounds: 2,
        ..parameters()
    };
    let mut world = World::with(parameters);
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    for round in 0..2 {
        assert!(!world.order(order).run().unwrap().last_resort, "{round}");
        world.open(order, &truth);
        while world.phase(order) == Phase::Auditing {
            world.advance(1);
        }
    }
    let record = world.order(order);
    assert_eq!(record.head.phase, Phase::Committed);
    assert!(record.run().unwrap().last_resort);
    assert_eq!(record.run().unwrap().failed, None);
}

#[test]
fn segments_are_drawn_with_replacement_and_evenly() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    world.ask(order);
    world.accept(order);
    let mut hits = [0i64; 6];
    for seed in 0..400 {
        let mut world = world.clone();
        world.beacon_seed = seed;
        world.advance(1);
        let segments = world.order(order).round().unwrap().segments.clone();
        assert!(segments.is_sorted_by(|a, b| a < b));
        assert!((1..=4).contains(&segments.len()));
        segments
            .iter()
            .for_each(|segment| hits[segment.0 as usize] += 1);
    }
    // Each is among 4 draws of 6 with probability 1 - (5/6)^4 = 0.518: 207 of 400, deviation 10.
    assert!(hits.iter().all(|hits| (hits - 207).abs() < 45), "{hits:?}");
}
