//! Orders that are more than some machine can hold: it gives them back or says nothing, and never
//! blames anybody.

use assay_ledger::{Amount, DeclineReason, FailureReason, Outcome, Role};
use assay_proof::{Program, ProgramError, Programs, Task};
use assay_sim::orders::{Actor, CounterPrograms, Plan};

use crate::{assert_unslashed, failures, lazy, run, with_auditor, with_provider};

/// A machine without memory for any job.
struct Small;

impl Programs for Small {
    fn build(&self, _: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Err(ProgramError::TooLarge("it takes 13.9 GiB".to_owned()))
    }
}

#[test]
fn a_provider_that_is_too_small_gives_the_order_back_and_pays_for_having_kept_it() {
    let (world, order) = run(Plan::default(), with_provider(Actor::provider(|| Small)));
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order).len(), 1, "{:?}", failures(&order));
    let failure = &failures(&order)[0];
    let reason = FailureReason::Declined(DeclineReason::Unable);
    assert_eq!(failure.reason, reason);
    // A twentieth of the price of 100: it has seen the inputs.
    assert_eq!(failure.slashed, Amount::tokens(5));
    assert_unslashed(&world, Role::Provider, 1);
}

#[test]
fn an_auditor_that_is_too_small_says_nothing_against_the_provider() {
    let (world, order) = run(Plan::default(), with_auditor(Actor::auditor(|| Small)));
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(order.disputes.len(), 0, "it made a finding");
    assert_eq!(failures(&order), []);
    assert_unslashed(&world, Role::Provider, 0);
    assert_unslashed(&world, Role::Auditor, 1);
}

#[test]
fn a_validator_that_is_too_small_leaves_the_verdict_to_the_others() {
    let mut cast = with_provider(lazy(assay_proof::odds::Probability::ALWAYS, 1));
    cast.validators[0] = Actor::validator(|| Small);
    let (world, order) = run(Plan::default(), cast);
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order)[0].reason, FailureReason::WrongResult);
    let small = world.members()[world.all(Role::Validator)[0]].account;
    let dispute = &order.disputes[0];
    let mut attested = dispute.attestations.iter();
    assert!(attested.all(|attestation| attestation.validator != small));
}

/// A machine on which every third build fails, as one whose worker dies now and then.
struct Flaky(std::cell::Cell<u32>);

impl Programs for Flaky {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        self.0.set(self.0.get() + 1);
        if self.0.get() % 3 == 1 {
            return Err(ProgramError::Local("the worker was ended".to_owned()));
        }
        CounterPrograms.build(task)
    }
}

#[test]
fn a_machine_that_fails_now_and_then_still_settles() {
    let flaky = || Flaky(std::cell::Cell::new(0));
    let (world, order) = run(Plan::default(), with_provider(Actor::provider(flaky)));
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!(failures(&order), []);
    assert_unslashed(&world, Role::Provider, 0);
}
