//! A run that auditors cannot be had for: nobody gets its result for nothing, for validators audit it.

use assay_ledger::{
    AccountCall, Amount, FailureReason, Order, OrderCall, OrderId, Outcome, Phase, Role, Verdict,
    query,
};

use crate::world::{BOND, Run, Who, World, over, sealed, starts, terms};

/// The auditors give up their role, so that none can be drawn any more.
fn leave(world: &mut World, auditors: impl IntoIterator<Item = Who>) {
    let role = Role::Auditor;
    let calls = auditors.into_iter();
    let calls = calls.map(|auditor| (auditor, AccountCall::Unregister { role }.into()));
    world.block(calls.collect());
}

fn all_auditors() -> impl Iterator<Item = Who> {
    Who::all().filter(|who| who.role() == Some(Role::Auditor))
}

/// An order whose run is committed when all auditors have gone.
pub(crate) fn committed(world: &mut World, run: &Run) -> OrderId {
    let order = world.posted();
    world.assign(order);
    world.grant_to_provider(order);
    leave(world, all_auditors());
    world.commit(order, run);
    order
}

/// The same, with validators drawn in the auditors' place.
fn deserted(world: &mut World, run: &Run) -> OrderId {
    let order = committed(world, run);
    while world.order(order).round().is_none() {
        world.advance(1);
    }
    order
}

fn seated(order: &Order) -> Vec<Who> {
    let seats = &order.round().unwrap().seats;
    assert!(seats.iter().all(|seat| seat.role == Role::Validator));
    seats.iter().map(|seat| Who::of(seat.auditor)).collect()
}

/// Opens the starts, and hands keys to every seat.
pub(crate) fn open(world: &mut World, order: OrderId, run: &Run) -> Vec<Who> {
    let openings = run.openings(&starts(&world.order(order)));
    let (place, provider) = (world.here(order), world.provider(order));
    world.apply(provider, OrderCall::OpenStarts { place, openings });
    let seats = seated(&world.order(order));
    for seat in &seats {
        let grant = OrderCall::Grant {
            place,
            grantee: seat.id(),
            sealed: sealed("some"),
        };
        world.apply(provider, grant);
    }
    seats
}

/// Every seat of the open round commits to what it finds and reveals it.
pub(crate) fn sit(
    world: &mut World,
    order: OrderId,
    run: &Run,
    finds: impl Fn(usize) -> Run,
) -> Vec<Who> {
    let seats = open(world, order, run);
    let view = world.order(order);
    for (i, seat) in seats.iter().enumerate() {
        world.commit_results(order, *seat, &finds(i).results(&view));
    }
    world.open_ends(order, run);
    for (i, seat) in seats.iter().enumerate() {
        world.reveal(order, *seat, &finds(i).results(&view));
    }
    seats
}

#[test]
fn nobody_begins_work_that_could_not_be_audited() {
    let mut world = World::new();
    leave(&mut world, all_auditors().skip(1));
    let order = world.posted();
    let deadline = over(world.order(order).head.deadline);
    while world.height() < deadline {
        assert_eq!(world.phase(order), Phase::Posted);
        world.advance(1);
    }
    let record = world.order(order);
    assert_eq!(record.head.outcome, Some(Outcome::NoProvider));
    assert_eq!(record.runs, []);
    let parameters = &world.genesis.parameters;
    let escrow = record.head.terms.escrow(parameters).unwrap().0;
    assert_eq!(world.paid(order, Who::Requester.id()), escrow);
    // One more, and it is drawn.
    let mut world = World::new();
    leave(&mut world, all_auditors().skip(2));
    let order = world.posted();
    world.assign(order);
}

/// Bonds above those of all auditors do not get a requester a result for nothing: nobody works.
#[test]
fn a_bond_that_no_auditor_has_begins_no_work() {
    let mut world = World::new();
    let mut dear = terms();
    dear.auditor_bond = Amount(BOND.0 + 1);
    dear.auditor_fee = Amount::tokens(6);
    let order = world.post(&dear);
    world.advance(2);
    assert_eq!(world.phase(order), Phase::Posted);
}

#[test]
fn validators_audit_where_auditors_have_gone_and_share_their_fees() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = deserted(&mut world, &truth);
    let seats = sit(&mut world, order, &truth, |_| truth.clone());
    // One more than can be liars among four.
    assert_eq!(seats.len(), 2);
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    let record = world.order(order);
    assert_eq!(record.head.outcome, Some(Outcome::Paid));
    let provider = record.provider().unwrap();
    assert_eq!(world.paid(order, provider), terms().price.0);
    for seat in seats {
        assert_eq!(world.paid(order, seat.id()), terms().auditor_fee.0);
    }
    let idle = terms().idle_fee(&world.genesis.parameters).0;
    assert_eq!(world.paid(order, Who::Requester.id()), idle);
}

#[test]
fn what_an_auditor_found_before_the_others_went_is_paid() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let [good, silent] = world.open(order, &truth)[..] else {
        panic!("two seats");
    };
    world.commit_results(order, good, &truth.results(&world.order(order)));
    leave(
        &mut world,
        all_auditors().filter(|who| ![good, silent].contains(who)),
    );
    while world.phase(order) == Phase::Auditing {
        world.advance(1);
    }
    world.open_ends(order, &truth);
    world.reveal(order, good, &truth.results(&world.order(order)));
    while !world.order(order).run().unwrap().last_resort || world.phase(order) == Phase::Committed {
        world.advance(1);
    }
    let seats = sit(&mut world, order, &truth, |_| truth.clone());
    world.apply(Who::Requester, OrderCall::Accept { order });
    let fee = terms().auditor_fee.0;
    assert_eq!(world.paid(order, good.id()), fee);
    // The other fee, in two parts.
    assert_eq!(seats.len(), 2);
    for seat in seats {
        assert_eq!(world.paid(order, seat.id()), fee / 2);
    }
    let provider = world.provider(order);
    assert_eq!(world.paid(order, provider.id()), terms().price.0);
}

#[test]
fn a_lie_is_found_by_the_validators_too() {
    let mut world = World::new();
    let (truth, lie) = (Run::truth(&terms()), Run::lie(&terms(), 1, "liar"));
    let order = deserted(&mut world, &lie);
    let liar = world.provider(order);
    sit(&mut world, order, &lie, |_| truth.clone());
    world.bisect(order, &lie, &truth);
    let leaf = Some(truth.at(world.order(order).dispute().unwrap().disputed.step));
    world.attest(order, leaf);
    let failed = world.order(order).runs[0].failed.unwrap();
    assert_eq!(failed.reason, FailureReason::WrongResult);
    assert_eq!(
        world.registration(liar).bond.0,
        BOND.0 - terms().provider_bond.0
    );
}

/// One validator in the seats says something else: the others judge it, and it keeps nobody from its
/// pay.
#[test]
fn a_validator_that_challenges_falsely_is_not_heard() {
    let mut world = World::new();
    let (truth, lie) = (Run::truth(&terms()), Run::lie(&terms(), 1, "validator"));
    let order = deserted(&mut world, &truth);
    let provider = world.provider(order);
    let seats = sit(&mut world, order, &truth, |i| match i {
        0 => lie.clone(),
        _ => truth.clone(),
    });
    world.bisect(order, &truth, &lie);
    let leaf = Some(truth.at(world.order(order).dispute().unwrap().disputed.step));
    world.attest(order, leaf);
    let verdict = world.order(order).disputes[0].verdict;
    assert_eq!(verdict, Some(Verdict::Provider));
    assert_eq!(world.registration(seats[0]).bond, BOND);
    // Its seat is drawn again.
    while world.phase(order) == Phase::Committed {
        world.advance(1);
    }
    let again = sit(&mut world, order, &truth, |_| truth.clone());
    assert_eq!(again.len(), 1);
    assert!(!seats.contains(&again[0]));
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(world.paid(order, provider.id()), terms().price.0);
    assert_eq!(world.paid(order, seats[0].id()), 0);
}

/// Nobody answers at all: no finding speaks against the provider, so it is paid.
#[test]
fn a_run_that_nobody_would_audit_is_paid() {
    let (world, order) = unanswered();
    let record = world.order(order);
    // Two of the four validators each time.
    assert_eq!(record.run().unwrap().rounds.len(), 2);
    assert_eq!(record.head.outcome, Some(Outcome::Paid));
    let provider = world.provider(order);
    assert_eq!(world.paid(order, provider.id()), terms().price.0);
    assert_eq!(world.registration(provider).locked, Amount::ZERO);
    assert_eq!(world.registration(provider).bond, BOND);
    let fees = 2 * terms().auditor_fee.0;
    let idle = terms().idle_fee(&world.genesis.parameters).0;
    assert_eq!(world.paid(order, Who::Requester.id()), fees + idle);
}

fn unanswered() -> (World, OrderId) {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = deserted(&mut world, &truth);
    while !world.phase(order).is_final() {
        if world.phase(order) == Phase::Opening {
            open(&mut world, order, &truth);
        }
        world.deliver(order);
        world.advance(1);
    }
    (world, order)
}

/// A requester that owns every validator gets no judge of its own.
#[test]
fn validators_of_the_requester_do_not_audit_for_it() {
    for world in owned() {
        let order = query::orders(&world.store).unwrap().remove(0);
        assert_eq!(order.head.outcome, Some(Outcome::Paid));
        let seats = order.run().unwrap().seats();
        assert!(seats.into_iter().all(|seat| seat.role == Role::Auditor));
    }
}

/// Orders of a requester that owns all validators, after the auditors have gone: one whose last leaf
/// was opened before that, and one of which nothing was.
fn owned() -> [World; 2] {
    let truth = Run::truth(&terms());
    let own = |world: &mut World| {
        for i in 0..4 {
            crate::owners::own(world, Who::Requester, Who::Validator(i));
        }
    };
    let mut nothing = World::new();
    own(&mut nothing);
    let order = committed(&mut nothing, &truth);
    crate::life::wait(&mut nothing, order);

    let mut opened = World::new();
    own(&mut opened);
    let order = opened.ran(&truth);
    let good = opened.open(order, &truth)[0];
    opened.commit_results(order, good, &truth.results(&opened.order(order)));
    leave(&mut opened, all_auditors());
    while opened.phase(order) == Phase::Auditing {
        opened.advance(1);
    }
    opened.open_ends(order, &truth);
    opened.reveal(order, good, &truth.results(&opened.order(order)));
    crate::life::wait(&mut opened, order);
    [nothing, opened]
}

/// The same, where the only auditor that answered says something else and falls silent about it.
fn mute() -> World {
    let (truth, lie) = (Run::truth(&terms()), Run::lie(&terms(), 1, "mute"));
    let mut world = World::with(assay_ledger::Parameters {
        max_rounds: 1,
        ..crate::world::parameters()
    });
    for i in 0..4 {
        crate::owners::own(&mut world, Who::Requester, Who::Validator(i));
    }
    let order = world.ran(&truth);
    let mute = world.open(order, &truth)[0];
    let results = lie.results(&world.order(order));
    world.commit_results(order, mute, &results);
    while world.phase(order) == Phase::Auditing {
        world.advance(1);
    }
    world.open_ends(order, &truth);
    world.reveal(order, mute, &results);
    let step = world.middle(order);
    let call = world.bisect_call(order, step, &truth);
    world.apply(world.provider(order), call);
    crate::life::wait(&mut world, order);
    world
}

/// What happens too seldom by chance.
pub(crate) fn rare() -> Vec<World> {
    let others = [unanswered().0, mute()];
    owned().into_iter().chain(others).collect()
}
