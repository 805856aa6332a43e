//! Complaints about the delivered result: the next standing run's counts if the first one's is bad.

use assay_ledger::{
    Amount, FailureReason, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Question, Refusal,
    RunIndex, StepIndex,
};

use super::crew::{all_free, crowd, gain, judged, tokens, truth};
use crate::world::{Who, World, parameters, terms};

fn accepted() -> (World, OrderId) {
    let mut world = crowd();
    let order = world.compared(&[truth(), truth(), truth()]);
    assert_eq!(world.phase(order), Phase::Accepted);
    (world, order)
}

fn complain(world: &mut World, order: OrderId) {
    world.apply(Who::Requester, OrderCall::Complain { order });
    assert_eq!(world.phase(order), Phase::Attesting);
    let head = world.order(order).head;
    assert_eq!(head.deposit, parameters().complaint_deposit);
}

#[test]
fn a_wrong_complaint_pays_its_deposit_to_the_provider() {
    let (mut world, order) = accepted();
    complain(&mut world, order);
    let dispute = world.order(order).dispute().cloned().unwrap();
    assert_eq!((dispute.run, dispute.rival), (RunIndex(0), None));
    assert_eq!(dispute.question, Question::Result);
    assert_eq!(dispute.challenger, Who::Requester.id());
    world.attest(order, Some(truth().at(StepIndex(terms().steps))));
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    let gains = [0, 1, 2].map(|run| gain(&world, world.runner(order, run)));
    let judges = i128::from(judged(&world.order(order)));
    assert_eq!(gains, [tokens(11) - judges, tokens(10), tokens(10)]);
    assert_eq!(gain(&world, Who::Requester), tokens(-31));
    all_free(&world);
}

/// Each run has to deliver: complaints about one after the other are heard.
#[test]
fn after_a_right_complaint_the_next_runs_result_counts() {
    for bad in 1..=3u32 {
        let (mut world, order) = accepted();
        for run in 0..bad {
            assert_eq!(world.phase(order), Phase::Accepted);
            let record = world.order(order);
            assert_eq!(record.result_run().unwrap().index, RunIndex(run));
            complain(&mut world, order);
            // Another leaf, or nothing that can be opened.
            let found = (run == 1).then(|| truth().at(StepIndex(3)));
            world.attest(order, found);
            let reason = match found {
                Some(_) => FailureReason::WrongResult,
                None => FailureReason::Unavailable,
            };
            let record = world.order(order);
            let failure = record.runs[run as usize].failed.unwrap();
            assert_eq!(failure.reason, reason);
            assert_eq!(record.head.deposit, Amount::ZERO);
            assert_eq!(gain(&world, world.runner(order, run)), tokens(-20));
        }
        if bad < 3 {
            world.apply(Who::Requester, OrderCall::Accept { order });
        }
        let outcome = match bad {
            3 => Outcome::NoCopies,
            _ => Outcome::Paid,
        };
        assert_eq!(world.order(order).head.outcome, Some(outcome));
        for run in bad..3 {
            assert_eq!(gain(&world, world.runner(order, run)), tokens(10));
        }
        // What was not paid is the complainant's, and nothing of a bond.
        let bad = i128::from(bad);
        assert_eq!(gain(&world, Who::Requester), tokens(-10 * (3 - bad)));
        all_free(&world);
        assert_eq!(world.replay(), world.root);
    }
}

#[test]
fn only_the_requester_complains_and_with_a_deposit() {
    let (mut world, order) = accepted();
    for who in [world.runner(order, 0), Who::Validator(0), Who::Stranger] {
        assert!(matches!(
            world.refuse(who, OrderCall::Complain { order }),
            Refusal::Order(OrderRefusal::NotYourMove { .. })
        ));
    }
    complain(&mut world, order);
    assert!(matches!(
        world.refuse(Who::Requester, OrderCall::Complain { order }),
        Refusal::Order(OrderRefusal::WrongPhase { .. })
    ));
}

#[test]
fn a_complaint_without_a_verdict_is_lost() {
    let (mut world, order) = accepted();
    complain(&mut world, order);
    world.expire(order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    let gains = [0, 1, 2].map(|run| gain(&world, world.runner(order, run)));
    assert_eq!(gains, [tokens(11), tokens(10), tokens(10)]);
    assert_eq!(gain(&world, Who::Requester), tokens(-31));
    all_free(&world);
}
