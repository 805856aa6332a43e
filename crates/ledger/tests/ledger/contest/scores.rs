//! Scores: sealed, told by liars, challenged.

use assay_ledger::{
    Amount, Hearing, OrderCall, OrderRefusal, Outcome, Phase, RunIndex, Scores, query,
};

use super::{CLAIMANTS, refusal, run, sheet, terms, truth, world};
use crate::world::{Who, World, ms, salt};

fn scores(world: &World, order: assay_ledger::OrderId) -> Vec<Option<u64>> {
    let contest = world.contest(order);
    contest.entries.iter().map(|of| of.score).collect()
}

#[test]
fn one_liar_of_four_changes_no_score_and_earns_nothing() {
    let lies: [Scores; 4] = [
        sheet(&[Some(u64::MAX), Some(0), Some(0)]),
        sheet(&[None, None, None]),
        sheet(&[Some(600_000), Some(900_000), Some(899_999)]),
        Scores(None),
    ];
    for (case, lie) in lies.into_iter().enumerate() {
        let mut world = world();
        let order = world.validating(&terms(), run);
        let said = [(0, lie), (1, truth()), (2, truth()), (3, truth())];
        world.score(order, &said);
        assert_eq!(world.phase(order), Phase::Verifying);
        let found = [Some(600_000), Some(900_000), Some(700_000)];
        assert_eq!(scores(&world, order), found);
        world.wait_out(order, Phase::Verifying);
        world.pass_claim_audits(order);
        world.advance(1);
        let paid = |i: u8| world.paid(order, Who::Validator(i).id());
        // One lie was right about two of three: it shares in those.
        let (lied, each) = match case {
            2 => (1_200_000 * 2 / 11, 1_200_000 * 3 / 11),
            _ => (0, 400_000),
        };
        assert_eq!((paid(0), paid(1)), (lied, each), "{case}");
    }
}

/// A validator that cannot get one model loses its part for that one alone.
#[test]
fn a_model_that_some_cannot_get_is_scored_by_the_others() {
    let mut world = world();
    let order = world.validating(&terms(), run);
    let blind = sheet(&[Some(600_000), None, Some(700_000)]);
    let said = [(0, truth()), (1, truth()), (2, blind.clone()), (3, truth())];
    world.score(order, &said);
    assert_eq!(scores(&world, order)[1], Some(900_000));
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    let paid = |i: u8| world.paid(order, Who::Validator(i).id());
    assert_eq!(paid(2), 1_200_000 * 2 / 11);
    assert_eq!(paid(3), 1_200_000 * 3 / 11);
    // What half of them cannot get has no score, and is not paid.
    let order = world.validating(&terms(), run);
    let said = [(0, truth()), (1, truth()), (2, blind.clone()), (3, blind)];
    world.score(order, &said);
    world.wait_out(order, Phase::Validating);
    assert_eq!(scores(&world, order)[1], None);
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    assert_eq!(world.paid(order, CLAIMANTS[1].id()), 0);
    let most = 7_500_000 * 7 / 10;
    assert!(world.paid(order, CLAIMANTS[2].id()) > most);
}

/// The control: whoever waits for what others say commits too late, is heard, and earns nothing.
#[test]
fn a_validator_that_copies_is_not_paid() {
    let mut world = world();
    let order = world.validating(&terms(), run);
    for i in 0..3 {
        let who = Who::Validator(i);
        let call = world.scores_commit(order, who, &truth());
        world.apply(who, call);
    }
    let copier = Who::Validator(3);
    // Another's commitment is no commitment of its own.
    let place = world.order(order).contest_place().unwrap();
    let commitment = truth().commitment(&place, Who::Validator(0).id(), &salt(copier));
    world.apply(copier, OrderCall::CommitFinding { place, commitment });
    for i in 0..3 {
        let who = Who::Validator(i);
        let call = world.scores_call(order, who, &truth());
        world.apply(who, call);
    }
    let call = world.scores_call(order, copier, &truth());
    let refused = refusal(world.would(copier, call));
    assert_eq!(refused, OrderRefusal::CommitmentMismatch { order });
    world.wait_out(order, Phase::Validating);
    assert_eq!(world.phase(order), Phase::Verifying);
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    assert_eq!(world.paid(order, copier.id()), 0);
    assert_eq!(world.paid(order, Who::Validator(0).id()), 400_000);
}

/// Who never committed is heard, for its voice may be needed, and is not paid for what it may have copied.
#[test]
fn a_validator_that_shows_scores_without_having_committed_is_heard_and_not_paid() {
    let mut world = world();
    let mut slow = terms();
    slow.deadlines.attest = ms(80);
    let order = world.validating(&slow, run);
    for i in 0..3 {
        let who = Who::Validator(i);
        let call = world.scores_commit(order, who, &truth());
        world.apply(who, call);
    }
    let heard = |world: &World| {
        let now = query::now(&world.store).unwrap();
        world.order(order).scores_heard(now)
    };
    let wait = |world: &mut World, until: Hearing| {
        while heard(world) < Some(until) {
            world.advance(1);
        }
    };
    wait(&mut world, Hearing::Committed);
    for i in 0..2 {
        let who = Who::Validator(i);
        let call = world.scores_call(order, who, &truth());
        world.apply(who, call);
    }
    let copier = Who::Validator(3);
    let call = world.scores_call(order, copier, &truth());
    let early = refusal(world.would(copier, call.clone()));
    assert_eq!(early, OrderRefusal::FindingsSealed { order });
    wait(&mut world, Hearing::Open);
    world.apply(copier, call);
    world.wait_out(order, Phase::Validating);
    // Without it there had been no quorum.
    assert_eq!(world.phase(order), Phase::Verifying);
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    let paid = |i: u8| world.paid(order, Who::Validator(i).id());
    assert_eq!([0, 1, 2, 3].map(paid), [600_000, 600_000, 0, 0]);
}

#[test]
fn scores_are_sealed_while_anybody_may_commit_and_as_many_as_claims() {
    let mut world = world();
    let order = world.validating(&terms(), run);
    let who = Who::Validator(0);
    let call = world.scores_commit(order, who, &truth());
    world.apply(who, call.clone());
    let refused = refusal(world.would(who, call));
    assert_eq!(refused, OrderRefusal::AlreadyDone { order });
    let early = world.scores_call(order, who, &truth());
    let refused = refusal(world.would(who, early));
    assert_eq!(refused, OrderRefusal::FindingsSealed { order });
    let short = world.scores_call(order, who, &sheet(&[Some(1)]));
    let refused = refusal(world.would(who, short));
    assert!(matches!(
        refused,
        OrderRefusal::OtherScores {
            expected: 3,
            found: 1,
            ..
        }
    ));
    let call = world.scores_commit(order, Who::Validator(1), &truth());
    let refused = refusal(world.would(CLAIMANTS[0], call));
    assert!(matches!(refused, OrderRefusal::NotYourMove { .. }));
}

/// The median of three where one lies is not always what an honest one says if another was asleep and one more
/// was wrong: a challenge has a quorum look.
fn challenged(world: &mut World, by: Who, score: Option<u64>) -> assay_ledger::OrderId {
    let order = world.validating(&terms(), run);
    let wrong = sheet(&[Some(600_000), Some(100), Some(700_000)]);
    let said = [(0, wrong.clone()), (1, wrong), (2, truth())];
    world.score(order, &said);
    world.wait_out(order, Phase::Validating);
    assert_eq!(scores(world, order)[1], Some(100));
    let place = world.order(order).work(RunIndex(1));
    world.apply(by, OrderCall::ChallengeScore { place, score });
    assert_eq!(world.phase(order), Phase::Recounting);
    order
}

/// All validators score one claim once more.
fn recount(world: &mut World, order: assay_ledger::OrderId, found: Option<u64>) {
    let said: Vec<_> = (0..3).map(|i| (i, sheet(&[found]))).collect();
    world.score(order, &said);
    assert_eq!(world.phase(order), Phase::Verifying);
}

#[test]
fn whoever_shows_that_a_score_is_wrong_is_paid_and_the_score_is_mended() {
    let mut world = world();
    let who = Who::Auditor(0);
    let before = world.purse(who);
    let order = challenged(&mut world, who, Some(900_000));
    assert_eq!(world.cost(who, before), 1_000_000);
    recount(&mut world, order, Some(900_000));
    assert_eq!(scores(&world, order)[1], Some(900_000));
    // The deposit is back, and a third of the verifiers' share, for three scores.
    assert_eq!(world.cost(who, before), -166_666);
    // Each score is challenged once.
    let place = world.order(order).work(RunIndex(1));
    let again = OrderCall::ChallengeScore {
        place,
        score: Some(1),
    };
    let refused = refusal(world.would(who, again));
    assert_eq!(refused, OrderRefusal::AlreadyDone { order });
    world.wait_out(order, Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    // Those who had said it wrong are paid for the other two.
    let paid = |i: u8| world.paid(order, Who::Validator(i).id());
    assert_eq!(paid(0), 1_200_000 * 2 / 7);
    assert_eq!(paid(2), 1_200_000 * 3 / 7);
}

#[test]
fn whoever_doubts_a_score_that_is_right_loses_the_deposit_to_the_judges_and_the_pot() {
    let mut world = world();
    let who = Who::Auditor(0);
    let before = world.purse(who);
    let pot = query::supply(&world.store).unwrap().pot;
    let order = challenged(&mut world, who, Some(900_000));
    recount(&mut world, order, Some(100));
    assert_eq!(world.cost(who, before), 1_000_000);
    let after = query::supply(&world.store).unwrap().pot;
    assert_eq!(after.0 - pot.0, 1_000_000 - 3 * 5_000);
    assert_eq!(world.order(order).head.deposit, Amount::ZERO);
}

#[test]
fn where_both_are_wrong_or_nobody_judges_the_deposit_comes_back() {
    let mut world = world();
    let who = Who::Auditor(0);
    let before = world.purse(who);
    let order = challenged(&mut world, who, None);
    recount(&mut world, order, Some(7));
    assert_eq!(scores(&world, order)[1], Some(7));
    assert_eq!(world.cost(who, before), 0);
    let order = challenged(&mut world, who, None);
    world.score(order, &[(0, sheet(&[None])), (1, sheet(&[Some(1)]))]);
    world.wait_out(order, Phase::Recounting);
    assert_eq!(scores(&world, order)[1], Some(100));
    assert_eq!(world.cost(who, before), 0);
}

#[test]
fn a_challenge_needs_a_bond_another_score_and_a_claim_that_was_scored() {
    let mut world = world();
    let order = world.validating(&terms(), run);
    world.verifying(order, &truth());
    let challenge = |number: u32, score| OrderCall::ChallengeScore {
        place: world.order(order).work(RunIndex(number)),
        score,
    };
    let refused = refusal(world.would(Who::Stranger, challenge(1, None)));
    assert_eq!(refused, OrderRefusal::NotBonded { order });
    let refused = refusal(world.would(Who::Storage(0), challenge(1, Some(900_000))));
    assert_eq!(refused, OrderRefusal::SameScore { order });
    for number in [3, u32::MAX] {
        let refused = refusal(world.would(Who::Storage(0), challenge(number, None)));
        assert_eq!(refused, OrderRefusal::AlreadyDone { order });
    }
}
