//! Every call, by everybody, in every phase: only the moves of the table take effect.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{
    BoundedVec, Call, DeclineReason, Finding, Order, OrderCall, OrderId, Phase, Place, Status,
    StepIndex, Trace, query,
};

use crate::redundant::crew::{copies, crowd, files};
use crate::world::{Run, Who, World, here, lock, salt, sealed, starts, terms};

/// The most plausible form of every call about an order, as `who` would make it.
pub(crate) fn calls(world: &World, order: OrderId, who: Who) -> Vec<Call> {
    calls_with(world, order, who, Run::truth(&terms()))
}

/// Where a move of somebody would count: in its own run of several.
fn own_place(record: &Order, who: Who) -> Place {
    match record.run_of(who.id()) {
        Some(run) if record.head.terms.copies > 1 && record.dispute().is_none() => {
            record.work(run.index)
        }
        _ => here(record),
    }
}

/// The same, of somebody whose run is this one.
fn calls_with(world: &World, order: OrderId, who: Who, truth: Run) -> Vec<Call> {
    let record = world.order(order);
    let results = match record.round() {
        Some(_) => truth.results(&record),
        None => assay_ledger::AuditResults {
            initial: None,
            segments: BoundedVec::default(),
        },
    };
    let step = world.middle(order);
    let opening = truth.opening(step);
    let place = own_place(&record, who);
    let (files, result) = files(who);
    let trace = (&truth.root(), &files[..], &result);
    let ends = [StepIndex(0), StepIndex(terms().steps)].map(|step| truth.opening(step));
    let mut all = vec![
        OrderCall::CommitRun {
            place,
            commitment: Trace::commitment(
                &place,
                who.id(),
                trace,
                (&lock(who).public(), &salt(who)),
            ),
        },
        OrderCall::RevealRun {
            place,
            root: truth.root(),
            checkpoints: files.clone(),
            result,
            first_invalid: truth.first_invalid(),
            lock: lock(who).public(),
            salt: salt(who),
            openings: BoundedVec::new(ends.to_vec()).unwrap(),
        },
        OrderCall::Cancel { order },
        OrderCall::Answer {
            place: here(&record),
            accept: true,
        },
        OrderCall::Decline {
            place,
            reason: DeclineReason::Inputs,
        },
        OrderCall::CommitTrace {
            place: world.here(order),
            root: truth.root(),
            checkpoints: BoundedVec::new(vec![crate::world::file_id("checkpoint 0"); 6]).unwrap(),
            result: crate::world::file_id("checkpoint 6"),
            counts: truth.counts(),
            first_invalid: None,
            lock: lock(who).public(),
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
            openings: truth.openings(&crate::world::ends(&record)),
        },
        OrderCall::RevealAudit {
            place: world.here(order),
            results,
            salt: salt(who),
        },
        OrderCall::Bisect {
            place: world.here(order),
            step,
            leaf: opening.leaf(),
            path: Some(opening.path),
        },
        OrderCall::CommitFinding {
            place: world.here(order),
            commitment: Digest::ZERO,
        },
        OrderCall::Attest {
            place: world.here(order),
            found: Finding::Leaf(Digest::ZERO),
            salt: None,
        },
        OrderCall::Complain { order },
        OrderCall::Accept { order },
    ];
    if let Some(run) = record.run_of(who.id()) {
        all.push(world.deliver_call(order, run.index));
    }
    all.extend(Who::all().map(|to| {
        let grantee = to.id();
        OrderCall::Grant {
            place: own_place(&record, to),
            grantee,
            sealed: sealed("keys"),
        }
    }));
    all.into_iter().map(Call::from).collect()
}

type Moves = BTreeSet<(Who, &'static str)>;

/// What takes effect now: sender and name of the call.
fn effective(world: &World, order: OrderId) -> Moves {
    made(world, order, |_| Run::truth(&terms())).0
}

/// What takes effect now, and what of it the order waits for, where everybody has this run.
fn made(world: &World, order: OrderId, run: impl Fn(Who) -> Run) -> (Moves, Moves) {
    let (mut applied, mut awaited) = (Moves::new(), Moves::new());
    for who in Who::all() {
        for call in calls_with(world, order, who, run(who)) {
            let applies = world.would(who, call.clone()) == Status::Applied;
            let turn = query::turn(&world.store, who.id(), &call).unwrap();
            if applies {
                applied.insert((who, call.name()));
            }
            if turn.is_some() {
                awaited.insert((who, call.name()));
            }
        }
    }
    (applied, awaited)
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
    // A draw happens at the beginning of the next block, before its calls.
    let ranked = world.ask(order);
    let answers = |ranked: &[Who]| -> Vec<(Who, &'static str)> {
        ranked.iter().map(|who| (*who, "answer")).collect()
    };
    let cancel = [(requester, "cancel_order")];
    check(
        &world,
        Phase::Asked,
        &[&answers(&ranked)[..], &cancel].concat(),
    );
    world.answer(order, ranked[1], true);
    let left = [ranked[0], ranked[2]];
    check(
        &world,
        Phase::Asked,
        &[&answers(&left)[..], &cancel].concat(),
    );
    world.answer(order, ranked[0], false);
    world.advance(1);
    let provider = world.provider(order);
    assert_eq!(provider, ranked[1]);
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
    let ranked = world.ask(order);
    check(&world, Phase::Called, &answers(&ranked));
    world.accept(order);
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
    let attest: Vec<_> = (0..4)
        .map(|i| (Who::Validator(i), "commit_finding"))
        .collect();
    check(&world, Phase::Attesting, &[&holders[..], &attest].concat());
    let leaf = world
        .order(order)
        .dispute()
        .map(|dispute| dispute.disputed.leaf);
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
    world.kept_back = true;
    world.audit(order, &truth, |_, _| truth.clone());
    check(&world, Phase::Delivering, &[(provider, "deliver")]);
    world.kept_back = false;
    world.deliver(order);
    check(
        &world,
        Phase::Accepted,
        &[(requester, "accept"), (requester, "complain")],
    );
    world.apply(requester, OrderCall::Complain { order });
    let holders = [requester, provider].map(|who| (who, "grant"));
    check(&world, Phase::Attesting, &[&holders[..], &attest].concat());
    let leaf = Some(truth.at(StepIndex(terms().steps)));
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
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

    // Nobody can be drawn for the audit.
    let mut world = World::new();
    let order = crate::last_resort::committed(&mut world, &Run::truth(&terms()));
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(effective(&world, order), BTreeSet::new());
}

/// The same of an order with three copies, in every phase: who may do what, and for whom it waits.
#[test]
fn only_the_moves_of_the_table_take_effect_among_copies() {
    let lie = Run::lie(&terms(), 6, "liar");
    let runs = [Run::truth(&terms()), lie, Run::truth(&terms())];
    let requester = Who::Requester;
    // Nobody can do anything while it waits, but for its requester.
    let mut waiting = World::new();
    let waits = waiting.post(&copies(8));
    assert_eq!(
        effective(&waiting, waits),
        [(requester, "cancel_order")].into()
    );
    let mut world = crowd();
    // Files are recorded early, so that nothing is refused for want of them.
    for who in Who::all() {
        world.record(who);
    }
    let order = world.drawn(&copies(3));
    let crew = [0, 1, 2].map(|run| world.runner(order, run));
    let check = |world: &World, phase: Phase, moves: &[(Who, &'static str)], waits: &[usize]| {
        let own = |who: Who| {
            let run = crew.iter().position(|member| *member == who);
            runs[run.unwrap_or(0)].clone()
        };
        assert_eq!(world.phase(order), phase);
        let (applied, awaited) = made(world, order, own);
        assert_eq!(applied, moves.iter().copied().collect(), "{phase}");
        let waits: Moves = waits.iter().map(|i| moves[*i]).collect();
        assert_eq!(awaited, waits, "{phase}");
    };
    let granting = [(requester, "grant"), (requester, "cancel_order")];
    check(&world, Phase::Assigned, &granting, &[0]);
    world.hand(order, 1);
    check(&world, Phase::Assigned, &granting[..1], &[0]);
    world.hand_all(order);
    let of = |who, name| (who, name);
    let working = crew.map(|who| [of(who, "commit_run"), of(who, "decline")]);
    check(
        &world,
        Phase::Running,
        &working.concat(),
        &[0, 1, 2, 3, 4, 5],
    );
    world.commit_run(order, 1, &runs[1]);
    let rest = [working[0], working[2]].concat();
    check(&world, Phase::Running, &rest, &[0, 1, 2, 3]);
    world.commit_run(order, 0, &runs[0]);
    world.commit_run(order, 2, &runs[2]);
    let reveals = crew.map(|who| of(who, "reveal_run"));
    check(&world, Phase::Revealing, &reveals, &[0, 1, 2]);
    world.reveal_run(order, 0, &runs[0]);
    check(&world, Phase::Revealing, &reveals[1..], &[0, 1]);
    world.reveal_run(order, 1, &runs[1]);
    world.reveal_run(order, 2, &runs[2]);
    let holders = [requester, crew[0], crew[1]].map(|who| of(who, "grant"));
    let sides = [of(crew[0], "bisect"), of(crew[1], "bisect")];
    let both = [&holders[..], &sides].concat();
    check(&world, Phase::Bisecting, &both, &[0, 1, 2, 3, 4]);
    let step = world.middle(order);
    let call = world.bisect_call(order, step, &runs[1]);
    world.apply(crew[1], call);
    check(&world, Phase::Bisecting, &both[..4], &[0, 1, 2, 3]);
    let call = world.bisect_call(order, step, &runs[0]);
    world.apply(crew[0], call);
    world.narrow(order, &runs);
    let attest: Vec<_> = (0..4)
        .map(|i| (Who::Validator(i), "commit_finding"))
        .collect();
    let judging = [&holders[..], &attest].concat();
    check(&world, Phase::Attesting, &judging, &[0, 1, 2, 3, 4, 5, 6]);
    world.kept_back = true;
    world.judge_all(order, &runs);
    let left = world.standing(order).into_iter();
    let left: Vec<_> = left
        .map(|run| of(world.runner(order, run), "deliver"))
        .collect();
    check(&world, Phase::Delivering, &left, &[0, 1]);
    world.kept_back = false;
    world.deliver(order);
    let content = [(requester, "accept"), (requester, "complain")];
    check(&world, Phase::Accepted, &content, &[0, 1]);
    world.apply(requester, OrderCall::Complain { order });
    let holders = [requester, crew[0]].map(|who| of(who, "grant"));
    let judging = [&holders[..], &attest].concat();
    check(&world, Phase::Attesting, &judging, &[0, 1, 2, 3, 4, 5]);
    world.attest(order, Some(runs[0].at(StepIndex(terms().steps))));
    check(&world, Phase::Settled, &[], &[]);
}
