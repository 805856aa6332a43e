//! Which calls an order waits for: every one that a phase's deadline punishes the absence of.

use std::collections::BTreeSet;

use assay_ledger::{Call, Finding, Order, OrderCall, Phase, Status, query};

use crate::life::REACH;
use crate::places::{moved, others};
use crate::world::{Run, Who, World, here, lock, middle, sealed, starts, terms};

/// Every call that names the order, as good as the tests can make it.
fn calls(world: &World, order: &Order) -> Vec<Call> {
    let id = order.head.id;
    let truth = Run::truth(&terms());
    let digest = truth.root();
    let mut calls = vec![
        OrderCall::Cancel { order: id },
        OrderCall::Answer {
            place: here(order),
            accept: true,
        },
        OrderCall::Decline {
            place: here(order),
            reason: assay_ledger::DeclineReason::Inputs,
        },
        OrderCall::CommitTrace {
            place: here(order),
            root: digest,
            checkpoints: Default::default(),
            result: crate::world::file_id("result"),
            counts: truth.counts(),
            first_invalid: None,
            lock: lock(Who::Provider(0)).public(),
        },
        OrderCall::OpenStarts {
            place: here(order),
            openings: truth.openings(&[]),
        },
        OrderCall::CommitAudit {
            place: here(order),
            commitment: digest,
        },
        OrderCall::OpenEnds {
            place: here(order),
            openings: truth.openings(&[]),
        },
        OrderCall::Bisect {
            place: here(order),
            step: middle(order),
            leaf: digest,
            path: None,
        },
        OrderCall::CommitFinding {
            place: here(order),
            commitment: digest,
        },
        OrderCall::Attest {
            place: here(order),
            found: Finding::Leaf(digest),
            salt: None,
        },
        OrderCall::Complain { order: id },
        OrderCall::Accept { order: id },
    ];
    if order.round().is_some() {
        calls.push(OrderCall::RevealAudit {
            place: here(order),
            results: truth.results(order),
            salt: digest,
        });
    }
    if let Some(run) = order.run() {
        calls.push(world.deliver_call(order.head.id, run.index));
    }
    for who in Who::all() {
        calls.push(OrderCall::Grant {
            place: here(order),
            grantee: who.id(),
            sealed: sealed("keys"),
        });
    }
    calls.into_iter().map(Call::from).collect()
}

/// The moves that an order waits for, as `sender call`.
fn awaited(world: &World, order: &Order) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for call in calls(world, order) {
        for who in Who::all() {
            let Some(turn) = query::turn(&world.store, who.id(), &call).unwrap() else {
                continue;
            };
            assert_eq!((turn.order, turn.by), (order.head.id, who.id()));
            assert_eq!(turn.deadline, order.head.deadline);
            let to = match turn.grantee {
                Some(grantee) => format!(" {:?}", Who::of(grantee)),
                None => String::new(),
            };
            found.insert(format!("{who:?} {}{to}", call.name()));
        }
    }
    found
}

#[test]
fn each_phase_waits_for_those_it_punishes() {
    let truth = Run::truth(&terms());
    for (phase, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        let order = world.order(order);
        let found = awaited(&world, &order);
        let provider = order
            .provider()
            .map(|provider| format!("{:?}", Who::of(provider)));
        let provider = provider.unwrap_or_default();
        let seats: Vec<String> = order
            .round()
            .map(|round| {
                round
                    .seats
                    .iter()
                    .map(|s| format!("{:?}", Who::of(s.auditor)))
                    .collect()
            })
            .unwrap_or_default();
        let each = |call: &str| -> Vec<String> {
            seats.iter().map(|seat| format!("{seat} {call}")).collect()
        };
        let shown = |by: &str| -> Vec<String> {
            (0..4)
                .map(|i| format!("{by} grant Validator({i})"))
                .collect()
        };
        let expected: Vec<String> = match phase {
            Phase::Posted | Phase::Taken | Phase::Committed | Phase::Seated => vec![],
            Phase::Asked | Phase::Called => {
                let ranked = world.ranked(order.head.id).into_iter();
                ranked.map(|who| format!("{who:?} answer")).collect()
            }
            Phase::Assigned => vec![format!("Requester grant {provider}")],
            Phase::Running => vec![
                format!("{provider} commit_trace"),
                format!("{provider} decline"),
            ],
            Phase::Opening => {
                let mut all = vec![format!("{provider} open_starts")];
                all.extend(seats.iter().map(|seat| format!("{provider} grant {seat}")));
                all
            }
            Phase::Auditing => each("commit_audit"),
            Phase::Closing => vec![format!("{provider} open_ends")],
            Phase::Revealing => each("reveal_audit"),
            Phase::Bisecting | Phase::Attesting => {
                let challenger = format!("{:?}", Who::of(order.dispute().unwrap().challenger));
                let mut all = shown("Requester");
                all.extend(shown(&provider));
                all.extend(shown(&challenger));
                if phase == Phase::Bisecting {
                    all.push(format!("{provider} bisect"));
                    all.push(format!("{challenger} bisect"));
                } else {
                    // Nobody is heard yet.
                    all.extend((0..4).map(|i| format!("Validator({i}) commit_finding")));
                }
                all
            }
            Phase::Delivering => vec![format!("{provider} deliver")],
            Phase::Accepted => vec![
                "Requester accept".to_owned(),
                "Requester complain".to_owned(),
            ],
            // Of orders with rounds: `rounds.rs` looks at them.
            _ => unreachable!("{phase}"),
        };
        assert_eq!(found, expected.into_iter().collect(), "{phase}");
    }
}

/// Once made, a move is waited for no more: who has moved has no place to keep.
#[test]
fn a_move_that_is_made_is_waited_for_no_more() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.ran(&truth);
    world.fill(order);
    let provider = world.provider(order);
    let before = awaited(&world, &world.order(order)).len();
    let openings = truth.openings(&starts(&world.order(order)));
    world.apply(
        provider,
        OrderCall::OpenStarts {
            place: world.here(order),
            openings,
        },
    );
    assert_eq!(awaited(&world, &world.order(order)).len(), before - 1);
    let grantee = world.auditors(order)[0].id();
    let sealed = sealed("some");
    world.apply(
        provider,
        OrderCall::Grant {
            place: world.here(order),
            grantee,
            sealed,
        },
    );
    assert_eq!(awaited(&world, &world.order(order)).len(), before - 2);
}

/// A stranger's call about somebody's order takes no place, whatever it names.
#[test]
fn strangers_are_not_waited_for() {
    let truth = Run::truth(&terms());
    for (_, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        let record = world.order(order);
        for call in calls(&world, &record) {
            assert_eq!(
                query::turn(&world.store, Who::Stranger.id(), &call).unwrap(),
                None,
                "{call:?}"
            );
            let status = world.would(Who::Stranger, call);
            assert!(matches!(status, Status::Refused(_)));
        }
    }
}

/// No place in a pool is kept for a move that the ledger would refuse as one for another place.
#[test]
fn a_move_for_another_place_is_not_waited_for() {
    let truth = Run::truth(&terms());
    for (phase, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        let record = world.order(order);
        for call in calls(&world, &record) {
            for who in Who::all() {
                let waited = query::turn(&world.store, who.id(), &call).unwrap();
                if waited.is_none() {
                    continue;
                }
                for place in others(world.here(order)) {
                    if let Some(call) = moved(&call, place) {
                        let turn = query::turn(&world.store, who.id(), &call).unwrap();
                        assert_eq!(turn, None, "{phase} {place} {call:?}");
                    }
                }
            }
        }
    }
}
