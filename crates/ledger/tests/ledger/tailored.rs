//! Terms that are written so that only accomplices take them.

use assay_ledger::{Amount, Offer, OrderId, Parameters, Phase, Ppm, Role, Terms};

use crate::offers::offer;
use crate::world::{AUDITORS, Run, Who, World, of_two_kinds, parameters, terms};

const ACCOMPLICES: [Who; 2] = [Who::Auditor(0), Who::Auditor(1)];

/// Pay that nobody but accomplices takes.
fn tailored() -> Terms {
    Terms {
        auditor_fee: Amount(400_000),
        ..terms()
    }
}

/// A network whose auditors ask for more than the tailored terms pay, but for two of five.
fn network(min_share: Ppm) -> World {
    let standard = Offer {
        least_pay: Amount(terms().auditor_fee.0 / terms().audited_steps()),
        ..of_two_kinds(Offer::anything())
    };
    let mut world = World::with(Parameters {
        min_share,
        standard_offer: standard.clone(),
        ..parameters()
    });
    for who in (0..AUDITORS).map(Who::Auditor) {
        if !ACCOMPLICES.contains(&who) {
            offer(&mut world, who, standard.clone());
        }
    }
    world
}

/// Posts the tailored terms; says whether somebody is asked to work under them.
fn is_asked(world: &mut World) -> (OrderId, bool) {
    let order = world.post(&tailored());
    world.advance(2);
    (order, world.phase(order) != Phase::Posted)
}

#[test]
fn nobody_works_under_terms_that_too_few_would_audit() {
    let (_, asked) = is_asked(&mut network(Ppm(500_000)));
    assert!(!asked, "two of five are enough");
    // Two fifths are enough where the network says so.
    let (_, asked) = is_asked(&mut network(Ppm(400_000)));
    assert!(asked);
}

/// The control: where no share is asked for, both auditors are the requester's accomplices.
#[test]
fn without_a_least_share_accomplices_audit_alone() {
    let mut world = network(Ppm(0));
    let truth = Run::truth(&tailored());
    let (order, asked) = is_asked(&mut world);
    assert!(asked);
    world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    world.fill(order);
    let mut auditors = world.auditors(order);
    auditors.sort();
    assert_eq!(auditors, ACCOMPLICES);
    let round = world.order(order).round().cloned().unwrap();
    assert_eq!(round.share, Some(Ppm(400_000)), "anybody can see it");
}

/// What is asked at the standard all take who count, so no honest requester is short of anything.
#[test]
fn terms_at_the_standard_are_never_short_of_share() {
    let mut world = network(Ppm::ONE);
    let order = world.ran(&Run::truth(&terms()));
    world.fill(order);
    let round = world.order(order).round().cloned().unwrap();
    assert_eq!(round.share, Some(Ppm::ONE));
}

/// Auditors whose offers ask for more than the standard, or that are busy, weigh on neither side.
#[test]
fn who_asks_for_more_than_the_standard_blocks_nobody() {
    let mut world = network(Ppm(500_000));
    let demanding = Offer {
        least_pay: Amount(u64::MAX),
        ..Offer::anything()
    };
    for who in (2..AUDITORS).map(Who::Auditor) {
        offer(&mut world, who, demanding.clone());
    }
    let (_, asked) = is_asked(&mut world);
    assert!(asked, "the two that are left are all that count");
}

/// Auditors may leave while a provider works: then validators audit, and not the few that are left.
#[test]
fn a_share_that_falls_short_later_brings_validators() {
    let mut world = network(Ppm(500_000));
    let truth = Run::truth(&tailored());
    // At first all take it.
    for who in (0..AUDITORS).map(Who::Auditor) {
        offer(&mut world, who, Offer::anything());
    }
    let (order, asked) = is_asked(&mut world);
    assert!(asked);
    world.assign(order);
    world.grant_to_provider(order);
    let standard = world.genesis.parameters.standard_offer.clone();
    for who in (2..AUDITORS).map(Who::Auditor) {
        offer(&mut world, who, standard.clone());
    }
    world.commit(order, &truth);
    while world.order(order).round().is_none() {
        assert_ne!(world.phase(order), Phase::Called, "accomplices are asked");
        world.advance(1);
    }
    let seats = world.order(order).round().cloned().unwrap();
    assert_eq!(seats.share, None, "validators are drawn from all of them");
    assert!(seats.seats.iter().all(|seat| seat.role == Role::Validator));
}
