//! Differences: who may claim what, who wins, who pays.

use assay_crypto::{Digest, merkle};
use assay_ledger::{
    AccountCall, AccountRefusal, Amount, AuditResults, BoundedVec, FailureReason, OrderCall,
    OrderId, OrderRefusal, Outcome, Phase, Ppm, Question, Refusal, SegmentIndex, Status, StepIndex,
    Verdict, query,
};

use crate::judges::{commits, reveals, says};
use crate::world::{BOND, Run, Who, World, blocks, parameters, sealed, starts, terms};

fn attest_by(world: &mut World, order: OrderId, validators: &[u8], leaf: Option<Digest>) {
    let findings: Vec<_> = validators.iter().map(|i| (*i, leaf)).collect();
    world.judge(order, &findings);
}

fn attest(world: &mut World, order: OrderId, leaf: Option<Digest>) {
    attest_by(world, order, &[0, 1, 2], leaf);
}

fn bond(world: &World, who: Who) -> u64 {
    world.registration(who).bond.0
}

/// What the first auditor reveals is changed by `change`; the others find the truth.
fn audited(run: &Run, change: impl Fn(&mut AuditResults)) -> (World, OrderId, Vec<Who>) {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(run);
    let auditors = world.open(order, run);
    let view = world.order(order);
    let results = |i: usize| {
        let mut results = truth.results(&view);
        if i == 0 {
            change(&mut results);
        }
        results
    };
    for (i, auditor) in auditors.iter().enumerate() {
        world.commit_results(order, *auditor, &results(i));
    }
    world.open_ends(order, run);
    for (i, auditor) in auditors.iter().enumerate() {
        world.reveal(order, *auditor, &results(i));
    }
    (world, order, auditors)
}

#[test]
fn a_false_challenger_pays_and_the_audit_goes_on() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 2, "auditor");
    let order = world.ran(&truth);
    let provider = world.provider(order);
    let auditors = world.audit(order, &truth, |i, _| {
        if i == 0 { lie.clone() } else { truth.clone() }
    });
    world.bisect(order, &truth, &lie);
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!(dispute.disputed.step.0, dispute.agreed.step.0 + 1);
    let before = world.balance(provider).0;
    attest(&mut world, order, Some(dispute.disputed.leaf));
    let record = world.order(order);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Provider));
    assert_eq!(bond(&world, auditors[0]), BOND.0 - terms().auditor_bond.0);
    assert_eq!(bond(&world, provider), BOND.0);
    let half = Ppm(500_000).of(terms().auditor_bond);
    assert_eq!(world.balance(provider).0, before + half.0);
    // One reveal stands, the other seat is drawn anew with fresh segments.
    assert_eq!(record.head.phase, Phase::Committed);
    let again = world.audit(order, &truth, |_, _| truth.clone());
    assert_eq!(again.len(), 1);
    assert!(!auditors.contains(&again[0]));
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    for auditor in [auditors[1], again[0]] {
        assert_eq!(world.registration(auditor).locked, Amount::ZERO);
    }
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
}

/// A provider whose accomplice challenges first, and loses on purpose, is still caught.
#[test]
fn a_sham_challenge_does_not_shield_a_cheat() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let order = world.ran(&lie);
    let provider = world.provider(order);
    let sham = Run::lie(&terms(), 0, "accomplice");
    let auditors = world.audit(order, &lie, |i, _| {
        if i == 0 { sham.clone() } else { truth.clone() }
    });
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!(dispute.challenger, auditors[0].id());
    assert_eq!(dispute.question, Question::Initial);
    attest(&mut world, order, Some(truth.leaves[0]));
    // The accomplice lost; the honest auditor's difference comes next.
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!(dispute.challenger, auditors[1].id());
    world.bisect(order, &lie, &truth);
    let step = world.order(order).dispute().unwrap().disputed.step;
    attest(&mut world, order, Some(truth.at(step)));
    assert_eq!(
        world.failures(order)[0].1.reason,
        FailureReason::WrongResult
    );
    assert_eq!(bond(&world, provider), BOND.0 - terms().provider_bond.0);
    assert_eq!(bond(&world, auditors[0]), BOND.0 - terms().auditor_bond.0);
    assert_eq!(bond(&world, auditors[1]), BOND.0);
}

#[test]
fn a_wrong_initial_state_is_found() {
    let truth = Run::truth(&terms());
    let crafted = truth.clone().beginning(Digest::of("crafted", &[]));
    let (mut world, order, _) = audited(&crafted, |_| {});
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!(
        (dispute.question, dispute.disputed.step),
        (Question::Initial, StepIndex(0))
    );
    assert_eq!(dispute.claimed, Some(truth.leaves[0]));
    attest(&mut world, order, dispute.claimed);
    assert_eq!(
        world.failures(order)[0].1.reason,
        FailureReason::WrongResult
    );
}

#[test]
fn when_both_are_wrong_both_pay() {
    let lie = Run::lie(&terms(), 0, "provider");
    let (mut world, order, auditors) = audited(&lie, |results| {
        results.initial = Some(Digest::of("other lie", &[]))
    });
    let provider = world.provider(order);
    attest(&mut world, order, Some(Run::truth(&terms()).leaves[0]));
    assert_eq!(world.failures(order).len(), 1);
    assert_eq!(
        world.order(order).disputes[0].verdict,
        Some(Verdict::Neither)
    );
    assert_eq!(bond(&world, provider), BOND.0 - terms().provider_bond.0);
    assert_eq!(bond(&world, auditors[0]), BOND.0 - terms().auditor_bond.0);
    let both = terms().provider_bond.0 + terms().auditor_bond.0;
    let judges = 3 * parameters().judge_fee.0;
    assert_eq!(query::supply(&world.store).unwrap().pot.0, both - judges);
}

#[test]
fn an_auditor_that_could_not_begin_is_heard() {
    let truth = Run::truth(&terms());
    for usable in [true, false] {
        let (mut world, order, auditors) = audited(&truth, |results| {
            let none: Vec<_> = results.segments.iter().map(|(k, _)| (*k, None)).collect();
            results.segments = BoundedVec::new(none).unwrap();
        });
        let provider = world.provider(order);
        let dispute = world.order(order).dispute().cloned().unwrap();
        assert_eq!(dispute.question, Question::Start);
        assert_eq!(dispute.from.leaf, truth.at(dispute.from.step));
        let first = world.order(order).round().unwrap().segments[0];
        assert_eq!(dispute.from.step, terms().segment_start(first));
        attest(&mut world, order, usable.then_some(dispute.from.leaf));
        let (lost, cost) = match usable {
            true => (auditors[0], terms().auditor_bond),
            false => (provider, terms().provider_bond),
        };
        for who in [provider, auditors[0]] {
            let cut = if who == lost { cost.0 } else { 0 };
            assert_eq!(bond(&world, who), BOND.0 - cut, "{usable} {who:?}");
        }
        if !usable {
            let failure = &world.failures(order)[0].1;
            assert_eq!(failure.reason, FailureReason::Unavailable);
        }
    }
}

/// Stretches of neighbouring segments are replayed from their first start; a difference within
/// one starts at the checkpoint of its own segment.
#[test]
fn a_difference_within_a_stretch_starts_at_its_segment() {
    let truth = Run::truth(&terms());
    for seed in 0..200 {
        let mut world = World::new();
        world.beacon_seed = seed;
        let order = world.ran(&truth);
        world.fill(order);
        let view = world.order(order);
        let Some((first, last)) = view
            .run()
            .unwrap()
            .stretches()
            .into_iter()
            .find(|(a, b)| a < b)
        else {
            continue;
        };
        // The start of the second segment stays closed: it is the end of the first.
        assert!(starts(&view).contains(&terms().segment_start(first)));
        assert!(!starts(&view).contains(&terms().segment_start(last)));
        let provider = world.provider(order);
        let lie = Run::lie(&terms(), terms().segment_start(last).0 + 1, "auditor");
        let place = world.here(order);
        let openings = truth.openings(&starts(&view));
        let open = OrderCall::OpenStarts { place, openings };
        let mut calls = vec![(provider, open.into())];
        let auditors = world.auditors(order);
        for auditor in &auditors {
            let grantee = auditor.id();
            let sealed = sealed("x");
            let grant = OrderCall::Grant {
                place,
                grantee,
                sealed,
            };
            calls.push((provider, grant.into()));
        }
        world.block(calls);
        for auditor in &auditors {
            world.commit_results(order, *auditor, &lie.results(&view));
        }
        world.open_ends(order, &truth);
        for auditor in &auditors {
            world.reveal(order, *auditor, &lie.results(&view));
        }
        let dispute = world.order(order).dispute().cloned().unwrap();
        assert_eq!(dispute.segment, last);
        assert_eq!(dispute.from.step, terms().segment_start(last));
        assert_eq!(dispute.from.leaf, truth.at(dispute.from.step));
        return;
    }
    panic!("no draw of 200 had neighbouring segments");
}

#[test]
fn bisection_moves_are_checked() {
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let mut world = World::new();
    let order = world.ran(&lie);
    let auditors = world.audit(order, &lie, |_, _| truth.clone());
    let provider = world.provider(order);
    let step = world.order(order).dispute().unwrap().middle().unwrap();
    let opening = lie.opening(step);
    let (leaf, path) = (opening.leaf(), Some(opening.path));
    // Not under the root: another leaf, no path, a path of another step.
    let other = truth.at(step);
    let elsewhere = Some(lie.opening(StepIndex(step.0 + 1)).path);
    for (leaf, path) in [(other, path.clone()), (leaf, None), (leaf, elsewhere)] {
        let refusal = world.refuse(
            provider,
            OrderCall::Bisect {
                place: world.here(order),
                step,
                leaf,
                path,
            },
        );
        assert_eq!(
            refusal,
            Refusal::Order(OrderRefusal::BadPath { order, step })
        );
    }
    let bisect = OrderCall::Bisect {
        place: world.here(order),
        step,
        leaf,
        path,
    };
    for outsider in [Who::Requester, auditors[1], Who::Validator(0)] {
        let refusal = world.refuse(outsider, bisect.clone());
        assert!(matches!(
            refusal,
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
    }
    world.apply(provider, bisect.clone());
    assert_eq!(
        world.refuse(provider, bisect),
        Refusal::Order(OrderRefusal::AlreadyDone { order })
    );
}

/// Every round has its own full deadline, and a fight over 4 steps takes 2 rounds.
#[test]
fn bisection_is_logarithmic() {
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let mut world = World::new();
    let order = world.ran(&lie);
    world.audit(order, &lie, |_, _| truth.clone());
    let start = world.height().0;
    world.bisect(order, &lie, &truth);
    let span = world.order(order).dispute().unwrap().clone();
    assert_eq!(span.disputed.step.0 - span.agreed.step.0, 1);
    assert_eq!(world.height().0 - start, 4);
}

#[test]
fn whoever_falls_silent_in_a_dispute_loses() {
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "auditor");
    for (provider_speaks, challenger_speaks) in [(true, false), (false, true), (false, false)] {
        let mut world = World::new();
        let order = world.ran(&truth);
        let auditors = world.audit(order, &truth, |i, _| {
            if i == 0 { lie.clone() } else { truth.clone() }
        });
        let provider = world.provider(order);
        let step = world.order(order).dispute().unwrap().middle().unwrap();
        if provider_speaks {
            let opening = truth.opening(step);
            let (leaf, path) = (opening.leaf(), Some(opening.path));
            world.apply(
                provider,
                OrderCall::Bisect {
                    place: world.here(order),
                    step,
                    leaf,
                    path,
                },
            );
        }
        if challenger_speaks {
            world.apply(
                auditors[0],
                OrderCall::Bisect {
                    place: world.here(order),
                    step,
                    leaf: lie.at(step),
                    path: None,
                },
            );
        }
        world.advance(blocks(terms().deadlines.dispute) + 1);
        let cut = |speaks: bool, bond: Amount| if speaks { 0 } else { bond.0 };
        assert_eq!(
            bond(&world, provider),
            BOND.0 - cut(provider_speaks, terms().provider_bond)
        );
        let lost = cut(challenger_speaks, terms().auditor_bond);
        assert_eq!(bond(&world, auditors[0]), BOND.0 - lost);
        if !provider_speaks {
            assert_eq!(world.failures(order)[0].1.reason, FailureReason::Silent);
        }
    }
}

#[test]
fn only_validators_attest_and_once_each() {
    let lie = Run::lie(&terms(), 0, "provider");
    let (mut world, order, auditors) = audited(&lie, |_| {});
    let leaf = Some(Run::truth(&terms()).leaves[0]);
    let place = world.here(order);
    for call in [commits(place, (0, leaf)), reveals(place, (0, leaf))] {
        for outsider in [
            Who::Requester,
            auditors[0],
            world.provider(order),
            Who::Stranger,
        ] {
            assert!(matches!(
                world.would(outsider, call.clone()),
                Status::Refused(Refusal::Order(OrderRefusal::NotYourMove { .. }))
            ));
        }
    }
    let done = Status::Refused(OrderRefusal::AlreadyDone { order }.into());
    let findings = [(0, leaf), (1, leaf), (2, None)];
    for (by, found) in findings {
        let call = commits(place, (by, found));
        world.apply(Who::Validator(by), call.clone());
        assert_eq!(world.would(Who::Validator(by), call), done);
    }
    // Two of four are no quorum, nor are three that differ.
    for (by, found) in findings {
        let call = reveals(place, (by, found));
        world.apply(Who::Validator(by), call.clone());
        assert_eq!(world.would(Who::Validator(by), call), done);
    }
    assert_eq!(world.phase(order), Phase::Attesting);
    world.apply(Who::Validator(3), says(place, (3, leaf)));
    assert_eq!(world.failures(order).len(), 1);
}

/// Without a verdict who challenged is let go, unpaid and unharmed, and another auditor looks. It is the
/// same whether the provider lies: nobody was shown to.
#[test]
fn without_a_verdict_the_challenger_gets_nothing_and_it_goes_on() {
    let lie = Run::lie(&terms(), 0, "provider");
    let (mut world, order, auditors) = audited(&lie, |_| {});
    let provider = world.provider(order);
    let leaf = Some(Run::truth(&terms()).leaves[0]);
    for (n, judges) in [&[0u8, 1][..], &[2, 3]].into_iter().enumerate() {
        // Both auditors say the same, one after the other; two of four are no quorum.
        assert_eq!(world.order(order).disputes.len(), n + 1);
        let mut findings: Vec<_> = judges.iter().map(|i| (*i, leaf)).collect();
        findings.push(((2 * n as u8 + 2) % 4, None));
        world.judge(order, &findings);
        world.advance(blocks(terms().deadlines.attest) + 1);
        let verdict = world.order(order).disputes[n].verdict;
        assert_eq!(verdict, Some(Verdict::None));
    }
    assert_ne!(world.phase(order), Phase::Attesting);
    let record = world.order(order);
    let seats = &record.runs[0].rounds[0].seats;
    assert!(seats.iter().all(|seat| seat.dismissed && !seat.slashed));
    assert_eq!(record.run().map(|run| run.provider), Some(provider.id()));
    for auditor in auditors {
        let locked = world.registration(auditor).locked;
        assert_eq!((bond(&world, auditor), locked), (BOND.0, Amount::ZERO));
        assert_eq!(world.paid(order, auditor.id()), 0);
    }
    assert_eq!(world.registration(provider).locked, terms().provider_bond);
}

/// One validator more than can be liars could not get what the provider has to show to all of them, and
/// could not when it was to be shown again: that beats it, though it is no quorum.
#[test]
fn a_provider_that_shows_its_evidence_to_some_judges_only_loses() {
    let truth = Run::truth(&terms());
    let blind = |results: &mut AuditResults| results.initial = None;
    let (mut world, order, auditors) = audited(&truth, blind);
    let provider = world.provider(order);
    let leaf = Some(truth.leaves[0]);
    world.judge(order, &[(0, leaf), (1, leaf), (2, None), (3, None)]);
    let record = world.order(order);
    assert_eq!(record.disputes[0].question, Question::Start);
    assert_eq!(record.disputes[0].verdict, Some(Verdict::Challenger));
    let (_, failure) = world.failures(order)[0];
    assert_eq!(failure.reason, FailureReason::Unavailable);
    assert_eq!(bond(&world, provider), BOND.0 - terms().provider_bond.0);
    assert!(bond(&world, auditors[0]) >= BOND.0);
}

#[test]
fn evidence_is_granted_to_validators_by_those_who_hold_it() {
    let lie = Run::lie(&terms(), 0, "provider");
    let (mut world, order, auditors) = audited(&lie, |_| {});
    let provider = world.provider(order);
    let place = world.here(order);
    let grant = |to: Who| OrderCall::Grant {
        place,
        grantee: to.id(),
        sealed: sealed("evidence"),
    };
    for from in [Who::Requester, provider, auditors[0]] {
        world.apply(from, grant(Who::Validator(1)));
        let refusal = world.refuse(from, grant(Who::Validator(1)));
        assert_eq!(refusal, Refusal::Order(OrderRefusal::AlreadyDone { order }));
    }
    let refusal = world.refuse(auditors[1], grant(Who::Validator(1)));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    let refusal = world.refuse(provider, grant(auditors[0]));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotAGrantee { .. })
    ));
    assert_eq!(world.granted(order, 0, Who::Validator(1)).len(), 3);
}

#[test]
fn complaints_are_judged() {
    for founded in [true, false] {
        let mut world = World::new();
        let order = world.accepted();
        let provider = world.provider(order);
        let before = (world.balance(Who::Requester).0, world.balance(provider).0);
        world.apply(Who::Requester, OrderCall::Complain { order });
        let deposit = parameters().complaint_deposit.0;
        assert_eq!(world.order(order).head.deposit.0, deposit);
        let dispute = world.order(order).dispute().cloned().unwrap();
        let last = Run::truth(&terms()).at(StepIndex(terms().steps));
        assert_eq!(
            (dispute.question, dispute.disputed.leaf),
            (Question::Result, last)
        );
        assert_eq!(dispute.segment, SegmentIndex(terms().segments() - 1));
        attest(&mut world, order, (!founded).then_some(last));
        let record = world.order(order);
        assert_eq!(record.head.deposit, Amount::ZERO);
        let fee = crate::world::FEE.0;
        if founded {
            // Not paid; half of the bond for two auditors, and a new attempt.
            assert_eq!(record.head.phase, Phase::Posted);
            assert_eq!(bond(&world, provider), BOND.0 - terms().provider_bond.0);
            assert_eq!(world.balance(Who::Requester).0, before.0 - fee);
            let share = terms().provider_bond.0 / 2 / 2;
            for seat in record.runs[0].seats() {
                assert_eq!(world.paid(order, seat.auditor), share);
            }
        } else {
            assert_eq!(record.head.outcome, Some(Outcome::Paid));
            assert_eq!(
                world.balance(provider).0,
                before.1 + terms().price.0 + deposit - 3 * parameters().judge_fee.0
            );
            let idle = terms().idle_fee(&parameters()).0;
            let left = before.0 - fee - deposit + idle;
            assert_eq!(world.balance(Who::Requester).0, left);
        }
    }
}

#[test]
fn complaining_is_the_requesters_and_takes_a_deposit() {
    let mut world = World::new();
    let order = world.accepted();
    for outsider in [world.provider(order), Who::Stranger] {
        let refusal = world.refuse(outsider, OrderCall::Complain { order });
        assert!(matches!(
            refusal,
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
        let refusal = world.refuse(outsider, OrderCall::Accept { order });
        assert!(matches!(
            refusal,
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
    }
    let balance = world.balance(Who::Requester).0 - 2 * crate::world::FEE.0;
    let amount = Amount(balance - parameters().complaint_deposit.0 + 1);
    let to = Who::Stranger.id();
    world.apply(Who::Requester, AccountCall::Transfer { to, amount });
    let refusal = world.refuse(Who::Requester, OrderCall::Complain { order });
    assert!(matches!(
        refusal,
        Refusal::Account(AccountRefusal::InsufficientBalance { .. })
    ));
}

#[test]
fn a_path_is_bound_to_its_tree() {
    let truth = Run::truth(&terms());
    let path = truth.opening(StepIndex(3)).path;
    assert!(path.verify(&truth.root(), 3, 23, &truth.leaves[3]));
    assert!(!path.verify(&truth.root(), 3, 22, &truth.leaves[3]));
    assert!(!merkle::Path(Vec::new()).verify(&truth.root(), 3, 23, &truth.leaves[3]));
}
