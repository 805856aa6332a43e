//! Orders whose requester breaks the rules: nobody else loses by it.

use assay_ledger::{Amount, DeclineReason, FailureReason, Outcome, Question, Role, Verdict};
use assay_machine::Machine;
use assay_proof::parties::Requester;
use assay_proof::{Context, Identity, Input, OrderKeys, Output, Traced};
use assay_sim::liars::requesters::{FalseComplaint, wrong_keys};
use assay_sim::orders::{BALANCE, Cast, Plan};

use crate::{assert_unslashed, failures, honest, run};

/// An honest network with this requester.
fn with_requester<P: Machine<Protocol = Traced> + 'static>(
    requester: impl Fn(Identity, OrderKeys) -> P + Send + 'static,
) -> Cast {
    Cast {
        requester: Box::new(move |me, keys| Box::new(requester(me, keys))),
        ..honest()
    }
}

#[test]
fn keys_the_order_was_not_posted_with_are_declined_without_loss() {
    let attempts = Plan::default().attempts;
    let cast = with_requester(move |me, keys| wrong_keys(me, &keys, attempts.into()));
    let (world, order) = run(Plan::default(), cast);
    assert_eq!(order.head.outcome, Some(Outcome::AttemptsUsed));
    for failure in failures(&order) {
        assert_eq!(failure.reason, FailureReason::Declined(DeclineReason::Keys));
    }
    assert_unslashed(&world, Role::Provider, 0);
}

#[test]
fn a_good_result_is_paid_whatever_the_requester_says() {
    let cast = with_requester(|me, keys| FalseComplaint::new(Requester::new(me, keys)));
    let (world, order) = run(Plan::default(), cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(order.disputes.len(), 1);
    assert_eq!(order.disputes[0].question, Question::Result);
    assert_eq!(order.disputes[0].verdict, Some(Verdict::Provider));
    // Price, two fees, and the deposit of the complaint.
    let spent = BALANCE.0 - world.balance(0).0;
    assert!(spent > Amount::tokens(111).0, "{spent}");
    assert_unslashed(&world, Role::Provider, 0);
}

struct Silent;

impl Machine for Silent {
    type Protocol = Traced;

    fn step(&mut self, _: &Context<'_>, _: Input) -> Vec<Output> {
        Vec::new()
    }
}

#[test]
fn an_order_whose_keys_are_never_granted_ends_without_loss() {
    let (world, order) = run(Plan::default(), with_requester(|_, _| Silent));
    assert_eq!(order.head.outcome, Some(Outcome::NotGranted));
    assert_unslashed(&world, Role::Provider, 0);
    assert!(world.balance(0) > Amount(BALANCE.0 - Amount::tokens(1).0));
}
