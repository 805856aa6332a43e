//! What it costs to give a run back with the keys in hand: nothing to whom it could not begin, and the idle fee
//! to everybody else; and runs of which there is nothing to compute.

use assay_crypto::Digest;
use assay_ledger::{
    Amount, DeclineReason, FailureReason, OrderCall, OrderId, Outcome, Parameters, Phase, Ppm,
    Question, Taken, Terms, query,
};

use crate::world::{BALANCE, BOND, FEE, Run, Who, World, blocks, over, parameters, terms};

/// A network whose providers can be asked again and again.
fn patient() -> Terms {
    let mut terms = terms();
    terms.attempts = 3;
    terms
}

fn idle() -> Amount {
    terms().idle_fee(&parameters())
}

/// Brings an order to a provider that holds its keys, and has it give the run back.
fn gives_back(world: &mut World, order: OrderId, reason: DeclineReason) -> Who {
    let provider = world.assign(order);
    world.grant_to_provider(order);
    let place = world.here(order);
    world.apply(provider, OrderCall::Decline { place, reason });
    provider
}

fn attest(world: &mut World, order: OrderId, by: &[u8], leaf: Option<Digest>) {
    let findings: Vec<_> = by.iter().map(|validator| (*validator, leaf)).collect();
    world.judge(order, &findings);
}

fn bond(world: &World, who: Who) -> (Amount, Amount) {
    let of = world.registration(who);
    (of.bond, of.locked)
}

fn pot(world: &World) -> Amount {
    query::supply(&world.store).unwrap().pot
}

/// The first leaf that judges compute, who could begin.
fn begun() -> Option<Digest> {
    Some(Run::truth(&terms()).leaves[0])
}

/// A provider that takes every order, looks at what it is about, and gives it back.
fn looks(parameters: Parameters) -> (World, OrderId, Vec<Who>) {
    let mut world = World::with(parameters);
    let order = world.post(&patient());
    let mut lookers = Vec::new();
    for reason in [
        DeclineReason::Unable,
        DeclineReason::Keys,
        DeclineReason::Inputs,
    ] {
        lookers.push(gives_back(&mut world, order, reason));
        if reason != DeclineReason::Unable {
            let dispute = world.order(order).disputes.last().unwrap().question;
            assert_eq!(dispute, Question::Beginning);
            attest(&mut world, order, &[0, 2, 3], begun());
        }
    }
    (world, order, lookers)
}

#[test]
fn whoever_looks_at_inputs_for_nothing_pays_for_each_look() {
    let before = World::new();
    let (world, order, lookers) = looks(parameters());
    for looker in &lookers {
        let left = Amount(BOND.0 - idle().0);
        assert_eq!(bond(&world, *looker), (left, Amount::ZERO), "{looker:?}");
    }
    let reasons = world.failures(order);
    let reasons: Vec<FailureReason> = reasons.iter().map(|(_, failed)| failed.reason).collect();
    let unfounded = FailureReason::Unfounded;
    let unable = FailureReason::Declined(DeclineReason::Unable);
    assert_eq!(reasons, [unable, unfounded, unfounded]);
    // Nothing of it goes to the requester; the three judges of two looks are paid of it.
    let judges = 2 * 3 * parameters().judge_fee.0;
    assert_eq!(pot(&world).0, pot(&before).0 + 3 * idle().0 - judges);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::AttemptsUsed));
    assert_eq!(
        world.paid(order, Who::Requester.id()),
        escrow(&world, order)
    );
}

/// The control: where nobody is owed anything for waiting, looking costs nothing either.
#[test]
fn without_an_idle_fee_looks_are_free() {
    let (world, _, lookers) = looks(Parameters {
        idle_rate: Ppm(0),
        ..parameters()
    });
    for looker in lookers {
        assert_eq!(bond(&world, looker), (BOND, Amount::ZERO));
    }
}

fn escrow(world: &World, order: OrderId) -> u64 {
    let terms = world.order(order).head.terms;
    terms.escrow(&world.genesis.parameters).unwrap().0
}

/// A requester that grants rubbish, brings other inputs than the terms say, or takes them away: what the
/// provider says is right, or nobody can tell, and it loses nothing whatever its accomplices among the
/// validators do.
#[test]
fn whoever_could_not_begin_loses_nothing() {
    // Findings of nothing, findings of a leaf, and whether the time runs out before a quorum.
    let cases: [(&[u8], &[u8]); 5] = [
        (&[0, 1, 2], &[]),
        (&[0, 1, 3], &[2]),
        (&[1, 2], &[0]),
        (&[1], &[3]),
        (&[], &[]),
    ];
    for (nothing, leaf) in cases {
        for reason in [DeclineReason::Keys, DeclineReason::Inputs] {
            let mut world = World::new();
            let order = world.post(&patient());
            let provider = gives_back(&mut world, order, reason);
            assert_eq!(world.phase(order), Phase::Attesting);
            // One liar in four says that it could.
            let mut findings: Vec<_> = leaf.iter().map(|by| (*by, begun())).collect();
            findings.extend(nothing.iter().map(|by| (*by, None)));
            world.judge(order, &findings);
            let deadline = world.order(order).head.deadline;
            while world.phase(order) == Phase::Attesting && world.height() < over(deadline) {
                world.advance(1);
            }
            let (who, failure) = world.failures(order)[0];
            assert_eq!(who, provider.id());
            assert_eq!(
                failure.reason,
                FailureReason::Declined(reason),
                "{nothing:?}"
            );
            assert_eq!(failure.slashed, Amount::ZERO);
            assert_eq!(bond(&world, provider), (BOND, Amount::ZERO));
            // The order goes on, to somebody else.
            world.advance(1);
            assert!(!world.phase(order).is_final(), "{}", world.phase(order));
        }
    }
}

/// To look costs no more than is locked, however high the price.
#[test]
fn a_look_costs_no_more_than_is_locked() {
    let mut world = World::with(Parameters {
        provider_bond: Amount(1),
        // So small a bond could not pay judges.
        judge_fee: Amount::ZERO,
        ..parameters()
    });
    let order = world.post(&Terms {
        provider_bond: Amount(7),
        ..terms()
    });
    let provider = gives_back(&mut world, order, DeclineReason::Unable);
    assert_eq!(world.failures(order)[0].1.slashed, Amount(7));
    assert_eq!(bond(&world, provider), (Amount(BOND.0 - 7), Amount::ZERO));
}

/// Inputs that every machine refuses: leaf 0 says so, and the steps after it are idle. It is audited like
/// any other run, and paid as set-up.
#[test]
fn a_run_of_no_steps_is_audited_and_paid_for_having_begun() {
    let mut world = World::new();
    let terms = terms();
    let refused = Run::of(&vec![Taken::Idle; terms.steps as usize]);
    let order = world.ran(&refused);
    let provider = world.provider(order);
    let auditors = world.audit(order, &refused, |_, _| refused.clone());
    let drawn = world.order(order).round().cloned().unwrap().segments;
    assert_eq!(drawn.first().map(|segment| segment.0), Some(0));
    world.advance(blocks(terms.deadlines.complain) + 2);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Failed));
    let setup = parameters().setup_rate.of(terms.price);
    assert_eq!(world.paid(order, provider.id()), setup.0);
    for auditor in auditors {
        assert_eq!(world.paid(order, auditor.id()), terms.auditor_fee.0);
    }
    let fees = FEE.0 * world.nonce(provider);
    let kept = world.balance(provider).0 + fees;
    // What it stored costs less than a thousandth of a token.
    assert!(kept + 1_000 > BALANCE.0 + setup.0, "{kept}");
    assert_eq!(bond(&world, provider), (BOND, Amount::ZERO));
}

/// Whoever commits to such a run where there was something to compute is caught like any other liar: its
/// first leaf is another.
#[test]
fn a_run_of_no_steps_where_there_were_some_is_a_lie() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lazy = Run::of(&vec![Taken::Idle; terms().steps as usize]).lying(0, "refused");
    let order = world.ran(&lazy);
    let provider = world.provider(order);
    world.audit(order, &lazy, |_, _| truth.clone());
    assert_eq!(world.phase(order), Phase::Attesting);
    let question = world.order(order).disputes[0].question;
    assert_eq!(question, Question::Initial);
    attest(&mut world, order, &[0, 1, 2], begun());
    assert_eq!(
        world.failures(order)[0].1.reason,
        FailureReason::WrongResult
    );
    let left = BOND.0 - terms().provider_bond.0;
    assert_eq!(bond(&world, provider), (Amount(left), Amount::ZERO));
}
