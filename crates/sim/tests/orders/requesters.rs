//! Orders whose requester breaks the rules: nobody else loses by it.

use std::sync::Arc;

use assay_ledger::{
    Amount, DeclineReason, FailureReason, Order, Outcome, Phase, Question, Role, Verdict,
};
use assay_machine::Machine;
use assay_proof::parties::{Provider, Requester};
use assay_proof::{Ask, Context, Identity, Input, OrderKeys, Output, Traced};
use assay_sim::liars::auditors::BlindPrograms;
use assay_sim::liars::requesters::{DroppedInputs, FalseComplaint, Seen, wrong_keys};
use assay_sim::orders::{Actor, BALANCE, Cast, Plan, World, play};

use crate::{assert_unslashed, counter, failures, honest, run, with_auditor, with_provider};

/// An honest network with this requester.
fn with_requester<P: Machine<Protocol = Traced> + 'static>(
    requester: impl Fn(Identity, OrderKeys) -> P + Send + Sync + 'static,
) -> Cast {
    Cast {
        requester: Arc::new(move |me, keys| Box::new(requester(me, keys))),
        ..honest()
    }
}

#[test]
fn keys_the_order_was_not_posted_with_are_declined_without_loss() {
    let cast = with_requester(|me, keys| wrong_keys(me, &keys));
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
fn who_never_grants_keys_pays_for_having_kept_a_provider_waiting() {
    let (world, order) = run(Plan::default(), with_requester(|_, _| Silent));
    assert_eq!(order.head.outcome, Some(Outcome::NotGranted));
    assert_unslashed(&world, Role::Provider, 0);
    // A twentieth of the price of 100, which goes to the provider.
    let idle = Amount::tokens(5).0;
    let spent = BALANCE.0 - world.balance(0).0;
    assert!(
        (idle..idle + Amount::tokens(1).0).contains(&spent),
        "{spent}"
    );
    let provider = world.place_of(order.runs[0].provider).unwrap();
    assert!(world.balance(provider).0 > BALANCE.0 + idle - Amount::tokens(1).0);
}

/// Who sets the terms may leave the judges no time to look. They do not say that there was nothing: a
/// complaint is lost, and an auditor that claims to have been granted nothing is let go.
#[test]
fn judges_without_time_to_look_find_nothing_against_anybody() {
    for seconds in [1, 2, 4] {
        let plan = Plan {
            attest: Some(seconds),
            ..Plan::default()
        };
        let cast = with_requester(|me, keys| FalseComplaint::new(Requester::new(me, keys)));
        let (world, order) = run(plan.clone(), cast);
        assert_eq!(order.head.outcome, Some(Outcome::Paid));
        assert_unslashed(&world, Role::Provider, 0);

        let blind = || BlindPrograms {
            honest: counter(),
            from_the_start: true,
        };
        let (world, order) = run(plan, with_auditor(Actor::auditor(blind)));
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{order:?}");
        assert_eq!(failures(&order), []);
        assert_unslashed(&world, Role::Provider, 0);
    }
}

/// An honest provider that relies on the requester's copies of the inputs.
struct Careless(Provider);

impl Machine for Careless {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut outputs = self.0.step(at, input);
        outputs.retain(|output| !matches!(output, Output::Ask(_, Ask::Keep { .. })));
        outputs
    }
}

/// What becomes of the first run if the requester's storage nodes are gone once it is committed.
fn without_the_requesters_nodes(plan: Plan, cast: Cast) -> (Option<Outcome>, Vec<FailureReason>) {
    play(plan, cast, counter, async |play| {
        let committed = |phase| matches!(phase, Phase::Committed | Phase::Revealing);
        play.run_until(|world| committed(world.order().head.phase))
            .await;
        let requester = play.members()[0].account;
        play.vault().gone.insert(requester);
        let order = play.run().await;
        let failed = failures(&order).iter().map(|of| of.reason).collect();
        let paid = order.head.outcome;
        if paid == Some(Outcome::Paid) {
            assert_unslashed(play, Role::Auditor, 0);
        }
        (paid, failed)
    })
}

#[test]
fn a_requester_that_turns_its_storage_off_after_the_run_hurts_nobody() {
    for copies in [1, 2] {
        let plan = Plan {
            copies,
            ..Plan::default()
        };
        let (outcome, failed) = without_the_requesters_nodes(plan, honest());
        assert_eq!((outcome, failed), (Some(Outcome::Paid), vec![]), "{copies}");
    }
    // Whoever relies on those nodes loses its bond: there is nothing that judges could have fetched.
    let cast = with_provider(Actor::new(|me| Careless(Provider::new(me)), counter));
    let (_, failed) = without_the_requesters_nodes(Plan::default(), cast);
    assert_eq!(failed.first(), Some(&FailureReason::Unavailable));
}

/// An order whose requester has its inputs disappear as soon as it has seen this.
fn dropped(seen: Seen, plan: Plan, cast: Cast) -> (World, Order) {
    let cast = Cast {
        requester: Arc::new(move |me, keys| {
            Box::new(DroppedInputs::new(Requester::new(me, keys), seen))
        }),
        ..cast
    };
    let (world, order) = run(plan, cast);
    // The records are firm: the ledger keeps them, and nodes of somebody else would keep the files.
    let refused = world.refused();
    let firm = refused
        .iter()
        .filter(|(_, why)| why.contains("whatever its owner wants"));
    assert_eq!(firm.count(), order.head.terms.inputs.len(), "{refused:?}");
    (world, order)
}

#[test]
fn inputs_that_disappear_after_a_bad_draw_of_segments_hurt_nobody() {
    let (world, order) = dropped(Seen::Segments, Plan::default(), honest());
    assert_eq!(order.head.outcome, Some(Outcome::Paid));
    assert_eq!((failures(&order), &order.disputes[..]), (vec![], &[][..]));
    assert_unslashed(&world, Role::Provider, 0);
    assert_unslashed(&world, Role::Auditor, 0);

    // A provider that keeps no copies of its own loses its bond by it.
    let careless = Actor::new(|me| Careless(Provider::new(me)), counter);
    let (_, order) = dropped(Seen::Segments, Plan::default(), with_provider(careless));
    assert_eq!(failures(&order)[0].reason, FailureReason::Unavailable);
    assert_eq!(failures(&order)[0].slashed, Amount::tokens(50));
}

#[test]
fn inputs_that_disappear_once_a_provider_is_drawn_cost_it_nothing() {
    for copies in [1, 2] {
        let plan = Plan {
            copies,
            ..Plan::default()
        };
        let (world, order) = dropped(Seen::Provider, plan, honest());
        assert_unslashed(&world, Role::Provider, 0);
        let declined = FailureReason::Declined(DeclineReason::Inputs);
        let reasons: Vec<_> = failures(&order).iter().map(|of| of.reason).collect();
        assert_eq!(reasons, [declined; 2], "{copies}");
        // It has nothing for it, and the money that it held back comes back.
        assert!(order.head.phase == Phase::Refunded, "{copies}");
        assert!(order.runs.iter().all(|run| run.trace.is_none()));
    }
}
