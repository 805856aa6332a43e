//! Every call, by everybody, in every phase: only the moves of the table take effect.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{BoundedVec, Call, DeclineReason, OrderCall, OrderId, Phase, Status, StepIndex};

use crate::world::{Run, Who, World, ends, salt, sealed, starts, terms};

/// The most plausible form of every call about an order, as `who` would make it.
pub(crate) fn calls(world: &World, order: OrderId, who: Who) -> Vec<Call> {
    let record = world.order(order);
    let truth = Run::truth(&terms());
    let results = match record.round() {
        Some(_) => truth.results(&record),
        None => assay_ledger::AuditResults {
            initial: None,
            segments: BoundedVec::default(),
        },
    };
    let step = world.middle(order);
    let opening = truth.opening(step);
    let mut all = vec![
        OrderCall::Cancel { order },
        OrderCall::Decline {
            place: world.here(order),
            reason: DeclineReason::Inputs,
        },
        OrderCall::CommitTrace {
            place: world.here(order),
            root: truth.root(),
            checkpoints: BoundedVec::new(vec![crate::world::file_id("checkpoint 0"); 6]).unwrap(),
            result: crate::world::file_id("checkpoint 6"),
        },
        OrderCall::OpenStarts {
            place: world.here(order),
            openings: truth.openings(&starts(&record)),
        },
        OrderCall::CommitAudit {
            place: world.here(order),
            commitment: results.commitment(&world.here(order), who.id(), &salt(who)),
        },
        OrderCall::OpenEnds {
            place: world.here(order),
            openings: truth.openings(&ends(&record)),
        },
        OrderCall::RevealAudit {
            place: world.here(order),
            results,
            salt: salt(who),
        },
        OrderCall::Bisect {
            place: world.here(order),
            step,
            leaf: opening.leaf,
            path: Some(opening.path),
        },
        OrderCall::Attest {
            place: world.here(order),
            leaf: Some(Digest::ZERO),
        },
        OrderCall::Complain { order },
        OrderCall::Accept { order },
    ];
    all.extend(Who::all().map(|to| {
        let grantee = to.id();
        OrderCall::Grant {
            place: world.here(order),
            grantee,
            sealed: sealed("keys"),
        }
    }));
    all.into_iter().map(Call::from).collect()
}

/// What takes effect now: sender and name of the call.
fn effective(world: &World, order: OrderId) -> BTreeSet<(Who, &'static str)> {
    let tries = Who::all().flat_map(|who| {
        calls(world, order, who)
            .into_iter()
            .map(move |call| (who, call))
    });
    tries
        .filter(|(who, call)| world.would(*who, call.clone()) == Status::Applied)
        .map(|(who, call)| (who, call.name()))
        .collect()
}

#[test]
fn only_the_moves_of_the_table_take_effect() {
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 2, "auditor");
    let mut world = World::new();
    let order = world.posted();
    let check = |world: &World, phase: Phase, moves: &[(Who, &'static str)]| {
        assert_eq!(world.phase(order), phase);
        assert_eq!(
            effective(world, order),
            moves.iter().copied().collect(),
            "{phase}"
        );
    };
    let requester = Who::Requester;
    // The draw of the provider happens at the beginning of the next block, before its calls.
    let provider = world.assign(order);
    check(
        &world,
        Phase::Assigned,
        &[(requester, "cancel_order"), (requester, "grant")],
    );
    world.grant_to_provider(order);
    world.commit_call(order, &truth);
    check(
        &world,
        Phase::Running,
        &[(provider, "commit_trace"), (provider, "decline")],
    );
    world.commit(order, &truth);
    world.advance(1);
    let grants = [
        (requester, "grant"),
        (provider, "grant"),
        (provider, "open_starts"),
    ];
    check(&world, Phase::Opening, &grants);
    let auditors = {
        let mut probe = world.clone();
        probe
            .auditors(order)
            .into_iter()
            .inspect(|_| probe.advance(0))
            .collect::<Vec<_>>()
    };
    let openings = truth.openings(&starts(&world.order(order)));
    world.apply(
        provider,
        OrderCall::OpenStarts {
            place: world.here(order),
            openings,
        },
    );
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
    let commits = [
        (requester, "grant"),
        (auditors[0], "commit_audit"),
        (auditors[1], "commit_audit"),
    ];
    check(&world, Phase::Auditing, &commits);
    let view = world.order(order);
    world.commit_results(order, auditors[0], &lie.results(&view));
    world.commit_results(order, auditors[1], &truth.results(&view));
    check(&world, Phase::Closing, &[(provider, "open_ends")]);
    world.open_ends(order, &truth);
    check(&world, Phase::Revealing, &[(auditors[1], "reveal_audit")]);
    world.reveal(order, auditors[0], &lie.results(&view));
    world.reveal(order, auditors[1], &truth.results(&view));
    let holders = [requester, provider, auditors[0]].map(|who| (who, "grant"));
    let moves = [(provider, "bisect"), (auditors[0], "bisect")];
    check(&world, Phase::Bisecting, &[&holders[..], &moves].concat());
    world.bisect(order, &truth, &lie);
    let attest: Vec<_> = (0..4).map(|i| (Who::Validator(i), "attest")).collect();
    check(&world, Phase::Attesting, &[&holders[..], &attest].concat());
    let leaf = world
        .order(order)
        .dispute()
        .map(|dispute| dispute.disputed.leaf);
    for i in 0..3 {
        world.apply(
            Who::Validator(i),
            OrderCall::Attest {
                place: world.here(order),
                leaf,
            },
        );
    }
    world.audit(order, &truth, |_, _| truth.clone());
    check(
        &world,
        Phase::Accepted,
        &[(requester, "accept"), (requester, "complain")],
    );
    world.apply(requester, OrderCall::Complain { order });
    let holders = [requester, provider].map(|who| (who, "grant"));
    check(&world, Phase::Attesting, &[&holders[..], &attest].concat());
    let leaf = Some(truth.at(StepIndex(terms().steps)));
    for i in 0..3 {
        world.apply(
            Who::Validator(i),
            OrderCall::Attest {
                place: world.here(order),
                leaf,
            },
        );
    }
    check(&world, Phase::Settled, &[]);
}

/// Waiting orders: nobody can move them but the beacon, and the requester by withdrawing.
#[test]
fn waiting_orders_are_moved_by_the_beacon_alone() {
    let mut demanding = terms();
    demanding.provider_bond = assay_ledger::Amount::tokens(101);
    let mut world = World::new();
    let order = world.post(&demanding);
    assert_eq!(
        effective(&world, order),
        [(Who::Requester, "cancel_order")].into()
    );

    let mut demanding = terms();
    demanding.auditor_bond = assay_ledger::Amount::tokens(101);
    let mut world = World::new();
    let order = world.post(&demanding);
    world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &Run::truth(&terms()));
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(effective(&world, order), BTreeSet::new());
}
