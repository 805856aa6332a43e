//! Everybody, in every phase, with every call; and those who would be paid for what they did not do.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{
    AccountCall, BoundedVec, Call, ClaimStage, OrderCall, OrderId, OrderRefusal, Phase,
    ProcedureName, RunIndex, Scores, Status, StepIndex, query,
};

use super::{CLAIMANTS, refusal, run, terms, truth, world};
use crate::adversaries;
use crate::places::{moved, others};
use crate::world::{BOND, Run, Who, World, file};

/// Every call about a contest, as plausible as `who` can make it.
fn calls(world: &World, order: OrderId, who: Who) -> Vec<Call> {
    let mut all = adversaries::calls(world, order, who);
    let place = world.order(order).contest_place().unwrap();
    let (under, dealing) = world.dealing(order);
    let mut more = vec![
        world.deal_call(order, under, &dealing),
        world.check_call(order, true),
        OrderCall::Claim { order },
        OrderCall::Leave { order },
        world.scores_commit(order, who, &truth()),
        world.scores_call(order, who, &truth()),
        OrderCall::ChallengeScore {
            place: world.order(order).work(RunIndex(0)),
            score: Some(1),
        },
    ];
    if world.contest(order).custody.is_some()
        && let Some(share) = world.share(order, who)
    {
        more.push(OrderCall::OpenShare { place, share });
    }
    if world.contest(order).number_of(&who.id()).is_some() {
        more.push(world.seal_call(order, who, &run(who)));
        more.push(world.show_call(order, who, &run(who)));
    }
    all.extend(more.into_iter().map(Call::from));
    all
}

/// Nothing takes effect but what the table names for the sender, and nothing of that at another place.
fn look(world: &World, order: OrderId, seen: &mut BTreeSet<(Phase, &'static str)>) {
    // A draw comes before the calls of its block.
    let mut next = world.clone();
    next.advance(1);
    let phase = next.phase(order);
    let drawn = phase != world.phase(order);
    let life = ProcedureName::Contest.life();
    let row = life.iter().find(|row| row.phase == phase).unwrap();
    for who in Who::all() {
        for call in calls(world, order, who) {
            let named = row.moves.iter().find(|known| known.call == call.name());
            let applied = world.would(who, call.clone()) == Status::Applied;
            assert!(named.is_some() || !applied, "{who:?} in {phase}: {call:?}");
            let awaited = query::turn(&world.store, who.id(), &call).unwrap();
            if !applied {
                continue;
            }
            seen.insert((phase, call.name()));
            let is_awaited = named.is_some_and(|known| known.awaited) && !drawn;
            assert_eq!(
                awaited.is_some(),
                is_awaited,
                "{who:?} in {phase}: {call:?}"
            );
            let Some(here) = call.order().and(match &call {
                Call::Order(call) => call.place(),
                _ => None,
            }) else {
                continue;
            };
            for other in others(here) {
                // A challenge names its claim by its place: other claims are other challenges.
                let call = moved(&call, other).unwrap();
                let challenge = call.name() == "challenge_score" && other.run.0 < 3;
                if !challenge || other.occasion != here.occasion {
                    let status = world.would(who, call.clone());
                    assert!(matches!(status, Status::Refused(_)), "{other}: {call:?}");
                }
            }
        }
    }
}

#[test]
fn in_every_phase_only_the_moves_of_the_table_take_effect_and_only_at_their_place() {
    let mut world = world();
    let mut seen = BTreeSet::new();
    let order = world.post_contest(&terms());
    look(&world, order, &mut seen);
    world.deal(order);
    look(&world, order, &mut seen);
    for i in 0..3 {
        world.apply(Who::Validator(i), world.check_call(order, true));
    }
    look(&world, order, &mut seen);
    world.apply(CLAIMANTS[0], OrderCall::Claim { order });
    look(&world, order, &mut seen);
    for who in &CLAIMANTS[1..] {
        world.apply(*who, OrderCall::Claim { order });
    }
    look(&world, order, &mut seen);
    world.advance(1);
    look(&world, order, &mut seen);
    for who in CLAIMANTS {
        let call = world.seal_call(order, who, &run(who));
        world.apply(who, call);
        world.record_claim(order, who);
    }
    look(&world, order, &mut seen);
    for who in CLAIMANTS {
        let call = world.show_call(order, who, &run(who));
        world.apply(who, call);
    }
    look(&world, order, &mut seen);
    world.open_test(order);
    look(&world, order, &mut seen);
    for i in 0..4 {
        let who = Who::Validator(i);
        let call = world.scores_commit(order, who, &truth());
        world.apply(who, call);
    }
    look(&world, order, &mut seen);
    for i in 0..4 {
        let who = Who::Validator(i);
        let call = world.scores_call(order, who, &truth());
        world.apply(who, call);
    }
    look(&world, order, &mut seen);
    let place = world.order(order).work(RunIndex(0));
    world.apply(
        Who::Auditor(0),
        OrderCall::ChallengeScore {
            place,
            score: Some(3),
        },
    );
    look(&world, order, &mut seen);
    world.score(order, &[0, 1, 2].map(|i| (i, super::sheet(&[Some(3)]))));
    world.wait_out(order, Phase::Verifying);
    look(&world, order, &mut seen);
    world.pass_claim_audits(order);
    look(&world, order, &mut seen);
    world.advance(1);
    look(&world, order, &mut seen);
    // Every move of the table was seen to take effect, but for the second showing of scores.
    let life = ProcedureName::Contest.life().iter();
    let listed: BTreeSet<_> = life
        .flat_map(|row| row.moves.iter().map(|known| (row.phase, known.call)))
        .collect();
    let never: Vec<_> = listed.difference(&seen).collect();
    assert_eq!(never, [&(Phase::Recounting, "reveal_scores")]);
}

/// The seed of each is bound to its account: the states of another are none of its own.
#[test]
fn a_copier_shows_the_best_model_as_its_own_and_loses_its_bond() {
    let mut world = world();
    let (best, copier) = (CLAIMANTS[1], CLAIMANTS[2]);
    let order = world.claiming(&terms());
    let contest = world.contest(order);
    let seeds = CLAIMANTS.map(|who| contest.seed_of(order, &who.id()).unwrap());
    assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), 3);
    for (number, who) in (0..).zip(CLAIMANTS) {
        let claim = world.claim_of(order, who);
        let audit = world.order(order).of_claim(number, &claim).unwrap();
        assert_eq!(audit.runs[0].seed, contest.seed_of(order, &who.id()));
    }
    // Another's commitment names another account and place.
    let stolen = world.seal_call(order, best, &run(best));
    let OrderCall::CommitRun { commitment, .. } = stolen.clone() else {
        unreachable!()
    };
    world.apply(best, stolen);
    let place = world.claim_place(order, copier);
    let theft = world.clone();
    let mut thief = theft;
    thief.apply(copier, OrderCall::CommitRun { place, commitment });
    let call = thief.seal_call(order, CLAIMANTS[0], &run(CLAIMANTS[0]));
    thief.apply(CLAIMANTS[0], call);
    thief.record_claim(order, copier);
    let shown = thief.show_call(order, copier, &run(best));
    let refused = refusal(thief.would(copier, shown));
    assert_eq!(refused, OrderRefusal::CommitmentMismatch { order });
    // It has an accomplice that gives it the model before claims close: the audit finds another run.
    let said = |who: Who| if who == copier { run(best) } else { run(who) };
    for who in [CLAIMANTS[0], copier] {
        let call = world.seal_call(order, who, &said(who));
        world.apply(who, call);
    }
    for who in CLAIMANTS {
        world.show(order, who, &said(who));
    }
    world.open_test(order);
    world.verifying(
        order,
        &super::sheet(&[Some(600_000), Some(900_000), Some(900_000)]),
    );
    world.wait_out(order, Phase::Verifying);
    let audits = world.claim_audits(order);
    let (audit, _) = audits.into_iter().find(|(_, who)| *who == copier).unwrap();
    world.fail_claim_audit(audit, &said(copier), &run(copier));
    assert_eq!(world.stage(order, copier), ClaimStage::Out);
    world.pass_claim_audits(order);
    world.advance(1);
    assert_eq!(world.paid(order, copier.id()), 0);
    assert_eq!(world.registration(copier).bond.0, BOND.0 - 20_000_000);
    assert_eq!(world.registration(best).bond, BOND);
}

/// The model's key follows from the salt, which nobody knows before all claims are closed.
#[test]
fn a_model_is_its_claimants_alone_until_claims_are_closed() {
    let mut world = world();
    let order = world.sealed(&terms(), run);
    for who in CLAIMANTS {
        let claim = world.claim_of(order, who);
        assert!(claim.shown.is_none() && claim.commitment.is_some());
    }
    let late = world.seal_call(order, CLAIMANTS[0], &Run::truth(&terms()));
    let refused = refusal(world.would(CLAIMANTS[0], late));
    assert!(matches!(refused, OrderRefusal::WrongPhase { .. }));
    world.show(order, CLAIMANTS[0], &run(CLAIMANTS[0]));
    let shown = world.claim_of(order, CLAIMANTS[0]).shown.unwrap();
    let key = assay_ledger::Contest::model_key(order, &shown.salt);
    let other = assay_ledger::Contest::model_key(order, &Digest::ZERO);
    assert!(key != other);
}

#[test]
fn what_is_shown_is_what_was_committed_to_and_a_run_of_the_order() {
    let mut world = world();
    let me = CLAIMANTS[0];
    let order = world.sealed(&terms(), run);
    let good = world.show_call(order, me, &run(me));
    // Its files are not recorded yet.
    assert!(matches!(world.would(me, good.clone()), Status::Refused(_)));
    world.record_claim(order, me);
    let change = |by: &dyn Fn(&mut OrderCall)| {
        let mut call = good.clone();
        by(&mut call);
        call
    };
    let wrong = [
        change(&|call| {
            if let OrderCall::RevealRun { root, .. } = call {
                *root = Digest::ZERO;
            }
        }),
        change(&|call| {
            if let OrderCall::RevealRun { salt, .. } = call {
                *salt = Digest::ZERO;
            }
        }),
        change(&|call| {
            if let OrderCall::RevealRun { openings, .. } = call {
                let steps = [0, 5].map(|step| run(me).opening(StepIndex(step)));
                *openings = BoundedVec::new(steps.to_vec()).unwrap();
            }
        }),
        change(&|call| {
            if let OrderCall::RevealRun { openings, .. } = call {
                let steps = [0, 6].map(|step| Run::truth(&terms()).opening(StepIndex(step)));
                *openings = BoundedVec::new(steps.to_vec()).unwrap();
            }
        }),
        change(&|call| {
            if let OrderCall::RevealRun { first_invalid, .. } = call {
                *first_invalid = Some(StepIndex(1));
            }
        }),
    ];
    for call in wrong {
        assert!(
            matches!(world.would(me, call.clone()), Status::Refused(_)),
            "{call:?}"
        );
    }
    world.apply(me, good.clone());
    let refused = refusal(world.would(me, good));
    assert_eq!(refused, OrderRefusal::AlreadyDone { order });
}

#[test]
fn the_requester_and_its_nodes_do_not_compete_nor_whoever_has_no_bond_or_slot() {
    let mut world = world();
    let order = world.joining(&terms());
    let claim = OrderCall::Claim { order };
    for who in [Who::Requester, Who::Stranger, Who::Auditor(0)] {
        assert!(matches!(
            world.would(who, claim.clone()),
            Status::Refused(_)
        ));
    }
    let consent = assay_ledger::consent(world.chain, &Who::Requester.id());
    let own = AccountCall::Own {
        node: CLAIMANTS[0].id(),
        consent: CLAIMANTS[0]
            .secret()
            .sign(assay_ledger::CONSENT_DOMAIN, &consent),
    };
    world.apply(Who::Requester, own);
    let refused = refusal(world.would(CLAIMANTS[0], claim.clone()));
    assert!(
        matches!(refused, OrderRefusal::NotYourMove { .. }),
        "{refused:?}"
    );
    world.apply(CLAIMANTS[1], claim.clone());
    let refused = refusal(world.would(CLAIMANTS[1], claim));
    assert_eq!(refused, OrderRefusal::AlreadyDone { order });
}

/// Whatever a requester withholds after the claims, it pays as much, and has gained nothing.
#[test]
fn a_requester_that_withholds_the_test_set_pays_as_much_as_one_that_does_not() {
    let cost = |withholds: bool| {
        let mut world = world();
        let before = world.purse(Who::Requester);
        // As many audits either way.
        let order = world.validating(&super::terms_with(|of| of.places = 3), run);
        let said = match withholds {
            true => Scores(None),
            false => truth(),
        };
        world.score(order, &[0, 1, 2, 3].map(|i| (i, said.clone())));
        world.begin_audits(order);
        if !withholds {
            world.wait_out(order, Phase::Verifying);
        }
        world.pass_claim_audits(order);
        world.advance(1);
        let claimants = CLAIMANTS.map(|who| world.paid(order, who.id()));
        (
            world.cost(Who::Requester, before),
            claimants.iter().sum::<u64>(),
        )
    };
    let (honest, to_claimants) = cost(false);
    let (hostile, to_claimants_then) = cost(true);
    assert!(to_claimants.abs_diff(to_claimants_then) <= 2);
    // Rounding is the whole difference: validators are paid for saying so as for scoring.
    assert!((honest - hostile).abs() <= 3, "{honest} {hostile}");
}

#[test]
fn what_is_no_file_of_the_requesters_is_no_test_set() {
    let mut world = world();
    world.apply(Who::Requester, world.put(file(Who::Requester, "data")));
    let post = OrderCall::Post(Box::new(terms()));
    assert!(matches!(
        world.would(Who::Requester, post),
        Status::Refused(_)
    ));
}

/// Somebody leaked the test set, and a claimant fitted its model to it: the best score by far. Its seed, the
/// specification and the order's inputs give other states, which is what its audit looks at. The control: with every
/// auditor in league with it, it wins.
#[test]
fn a_model_that_was_fitted_to_the_test_set_wins_nothing_unless_all_its_auditors_are_accomplices() {
    for accomplices in [false, true] {
        let mut world = world();
        let cheat = CLAIMANTS[0];
        let said = |who: Who| match who == cheat {
            true => run(who).lying(4, "fitted to the test set"),
            false => run(who),
        };
        let order = world.validating(&terms(), said);
        world.verifying(
            order,
            &super::sheet(&[Some(1_000_000), Some(700_000), Some(600_000)]),
        );
        world.wait_out(order, Phase::Verifying);
        world.seat_claim_audits(order);
        let audits = world.claim_audits(order);
        assert_eq!(audits[0].1, cheat);
        let (audit, lie) = (audits[0].0, said(cheat));
        match accomplices {
            true => drop(world.audit(audit, &lie, |_, _| lie.clone())),
            false => world.fail_claim_audit(audit, &lie, &run(cheat)),
        }
        world.pass_claim_audits(order);
        world.advance(1);
        assert!(world.phase(order).is_final());
        assert_eq!(world.paid(order, cheat.id()) > 5_250_000, accomplices);
        let bond = world.registration(cheat).bond.0;
        assert_eq!(bond, BOND.0 - if accomplices { 0 } else { 20_000_000 });
    }
}
