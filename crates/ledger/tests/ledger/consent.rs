//! Nobody serves who has not accepted, silence costs a place in the draws, and who declines re-rolls
//! nothing.

use assay_crypto::EncryptionKey;
use assay_ledger::{
    AccountCall, Amount, BoundedString, Call, Event, Occasion, Offer, OrderCall, OrderEvent,
    OrderId, OrderRefusal, Outcome, Parameters, Phase, Place, Refusal, Registration, Role,
    RunIndex, Unmet, query,
};

use crate::redundant::crew::{copies, crowd, gain};
use crate::world::{BALANCE, BOND, FEE, Run, Who, World, blocks, ms, parameters, terms, window};

fn register(who: Who, registration: &Registration) -> AccountCall {
    AccountCall::Register {
        role: who.role().unwrap(),
        bond: Amount::ZERO,
        encryption_key: registration.encryption_key,
        address: registration.address.clone(),
        offer: registration.offer.clone(),
    }
}

fn idle() -> u64 {
    terms().idle_fee(&parameters()).0
}

fn missed(world: &World) -> Vec<Who> {
    let told = world.told.iter();
    let missed = told.filter_map(|told| match &told.event {
        Event::Order {
            event: OrderEvent::Missed { account },
            ..
        } => Some(Who::of(*account)),
        _ => None,
    });
    missed.collect()
}

/// Everything that is locked, and the slots that are taken.
fn bound(world: &World) -> (u64, u16) {
    let mut bound = (0, 0);
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Storage) {
        for (_, of) in query::registrations(&world.store, role).unwrap() {
            bound = (bound.0 + of.locked.0, bound.1 + of.serving);
        }
    }
    bound
}

#[test]
fn nothing_is_bound_before_somebody_accepts() {
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    assert_eq!(ranked.len(), 3);
    assert_eq!(bound(&world), (0, 0));
    assert_eq!(world.order(order).runs, []);
    world.answer(order, ranked[0], true);
    assert_eq!(world.phase(order), Phase::Taken);
    assert_eq!(bound(&world), (terms().provider_bond.0, 1));
    // It has no seed yet, so nobody can know whether it likes it.
    assert_eq!(world.order(order).runs[0].seed, None);
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Assigned);
}

#[test]
fn the_window_closes_as_soon_as_nothing_can_change() {
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    // The second has accepted, but the first may still.
    world.answer(order, ranked[1], true);
    assert_eq!(world.phase(order), Phase::Asked);
    let mut first = world.clone();
    first.answer(order, ranked[0], true);
    assert_eq!(first.provider(order), ranked[0]);
    world.answer(order, ranked[0], false);
    assert_eq!(world.phase(order), Phase::Taken);
    assert_eq!(world.provider(order), ranked[1]);
    // Whom nothing depended on any more has not missed.
    assert_eq!(missed(&world), []);
    assert!(!world.registration(ranked[2]).suspended);
}

#[test]
fn an_answer_counts_once_from_those_asked_for_the_list_that_is_open() {
    let mut world = World::new();
    let order = world.post(&patient());
    let ranked = world.ask(order);
    let answer = world.answer_call(order, true);
    let refusal = world.refuse(Who::Stranger, answer.clone());
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    world.answer(order, ranked[1], false);
    let done = Refusal::Order(OrderRefusal::AlreadyDone { order });
    assert_eq!(world.refuse(ranked[1], answer.clone()), done);
    for who in [ranked[0], ranked[2]] {
        world.answer(order, who, false);
    }
    // All have declined: nobody is left to ask in this search.
    assert_eq!(world.phase(order), Phase::Posted);
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Posted);
    // Another list wants an answer of its own.
    let mut other = World::new();
    let order = other.post(&patient());
    let late = other.ask(order);
    let first = other.answer_call(order, true);
    other.advance(window() + 1);
    let renew = register(late[0], &other.registration(late[0]));
    other.apply(late[0], renew);
    assert_eq!(other.ask(order), [late[0]]);
    let refusal = other.refuse(late[0], first);
    let place = |number| Place {
        order,
        run: RunIndex(0),
        occasion: Occasion::List(number),
    };
    let gone_on = OrderRefusal::OtherPlace {
        expected: place(1),
        found: place(0),
    };
    assert_eq!(refusal, gone_on.into());
}

/// Patient enough that a search outlasts a list nobody answers.
fn patient() -> assay_ledger::Terms {
    let mut terms = terms();
    terms.deadlines.assign = 3 * parameters().answer_ms;
    terms
}

#[test]
fn silence_stalls_one_window_and_suspends() {
    let mut world = World::new();
    let order = world.post(&patient());
    let until = world.order(order).head.deadline;
    let ranked = world.ask(order);
    world.advance(window());
    assert_eq!(world.phase(order), Phase::Asked);
    world.advance(1);
    assert_eq!(world.phase(order), Phase::Posted);
    assert_eq!(missed(&world), ranked);
    for who in &ranked {
        let registration = world.registration(*who);
        assert!(registration.suspended && registration.missed == 1);
        assert_eq!((registration.bond, registration.locked), (BOND, Amount(0)));
        let refuses = registration.refuses(Role::Provider, &terms());
        assert_eq!(refuses, [Unmet::Suspended]);
    }
    // The time of the search goes on from where it was.
    assert_eq!(world.order(order).head.deadline, until);
    world.advance(3);
    assert_eq!(world.phase(order), Phase::Posted, "nobody else is there");
    // One renews its offer, for a fee, and is asked again.
    let pot = query::supply(&world.store).unwrap().pot.0;
    let before = world.balance(ranked[1]).0;
    let renew = register(ranked[1], &world.registration(ranked[1]));
    world.apply(ranked[1], renew.clone());
    let fee = parameters().renewal_fee.0;
    assert_eq!(world.balance(ranked[1]).0, before - FEE.0 - fee);
    assert_eq!(query::supply(&world.store).unwrap().pot.0, pot + fee);
    let registration = world.registration(ranked[1]);
    assert!(!registration.suspended && registration.missed == 1);
    // What is not suspended costs no more than any call.
    let before = world.balance(ranked[1]).0;
    assert_eq!(world.ask(order), [ranked[1]]);
    world.apply(ranked[1], renew);
    assert_eq!(world.balance(ranked[1]).0, before - FEE.0);
    world.accept(order);
    assert_eq!(world.provider(order), ranked[1]);
}

/// An account of a large bond that never answers, or never accepts, keeps nobody from being served.
#[test]
fn an_account_that_never_accepts_keeps_no_order() {
    for answers in [false, true] {
        let mut world = World::new();
        let idler = Who::Provider(0);
        let mut registration = world.registration(idler);
        registration.address = BoundedString::new("localhost:1").unwrap();
        let mut call = register(idler, &registration);
        if let AccountCall::Register { bond, .. } = &mut call {
            *bond = Amount::tokens(900);
        }
        world.apply(idler, call);
        for _ in 0..3 {
            let order = world.post(&patient());
            for who in world.ask(order) {
                let asked = world.order(order).has_to_answer(who.id());
                if asked && (who != idler || answers) {
                    world.answer(order, who, who != idler);
                }
            }
            if world.phase(order) == Phase::Asked {
                world.advance(window() + 1);
            }
            let found = [Phase::Taken, Phase::Assigned].contains(&world.phase(order));
            assert!(found, "{}", world.phase(order));
            assert_ne!(world.provider(order), idler);
        }
        assert_eq!(world.registration(idler).suspended, !answers);
        assert_eq!(world.registration(idler).bond, Amount::tokens(1_000));
    }
}

#[test]
fn whoever_has_no_bond_or_slot_left_is_passed_over_and_has_not_missed() {
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    let (yes, no) = (
        world.answer_call(order, true),
        world.answer_call(order, false),
    );
    let role = Role::Provider;
    // In one block it accepts and takes its bond away, and the one above it declines.
    world.block(vec![
        (ranked[1], yes.clone().into()),
        (ranked[1], AccountCall::Unregister { role }.into()),
        (ranked[0], no.into()),
    ]);
    assert_eq!(world.phase(order), Phase::Asked, "the third may still");
    world.apply(ranked[2], yes);
    assert_eq!(world.provider(order), ranked[2]);
    assert_eq!(missed(&world), []);

    // One slot left, asked for two orders: who accepts both serves the one that closes first.
    let mut world = World::new();
    let orders = [world.posted(), world.posted()];
    world.advance(1);
    for i in 0..3 {
        let who = Who::Provider(i);
        let mut registration = world.registration(who);
        registration.offer = Some(Offer {
            orders: 1,
            ..Offer::anything()
        });
        world.apply(who, register(who, &registration));
    }
    let mut calls: Vec<(Who, Call)> = Vec::new();
    for order in orders {
        for who in world.ranked(order) {
            calls.push((who, world.answer_call(order, true).into()));
        }
    }
    world.block(calls);
    let providers = orders.map(|order| world.provider(order));
    assert_ne!(providers[0], providers[1]);
    assert_eq!(missed(&world), []);
    assert_eq!(bound(&world).1, 2);
}

/// The beacon that gives the seed is drawn after the last answer, and nothing of who answered goes into
/// it: neither declining nor a bond that is split over many accounts gives another try.
#[test]
fn a_seed_depends_on_nobody_who_declines() {
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    let (yes, no) = (
        world.answer_call(order, true),
        world.answer_call(order, false),
    );
    let answers: [Vec<(Who, Call)>; 3] = [
        vec![(ranked[0], yes.clone().into())],
        vec![
            (ranked[0], no.clone().into()),
            (ranked[1], yes.clone().into()),
        ],
        vec![
            (ranked[0], no.clone().into()),
            (ranked[1], no.into()),
            (ranked[2], yes.into()),
        ],
    ];
    let mut seeds = Vec::new();
    for (i, answers) in answers.into_iter().enumerate() {
        let mut world = world.clone();
        world.block(answers);
        assert_eq!(world.provider(order), ranked[i]);
        let beacon = world.next_context().beacon;
        world.advance(1);
        let seed = world.order(order).runs[0].seed;
        assert_eq!(
            seed,
            Some(assay_ledger::Run::seed(order, RunIndex(0), &beacon))
        );
        seeds.extend(seed);
    }
    assert!(seeds.windows(2).all(|pair| pair[0] == pair[1]), "{seeds:?}");
    // One block later it is another beacon's: when to accept can be chosen, and what comes of it not.
    world.advance(1);
    world.accept(order);
    world.advance(1);
    assert_ne!(world.order(order).runs[0].seed, Some(seeds[0]));
}

/// The same of segments, which follow the acceptance of the last auditor.
#[test]
fn segments_depend_on_no_auditor_who_declines() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.ran(&truth);
    let ranked = world.ask(order);
    assert_eq!(ranked.len(), 5);
    let mut drawn = Vec::new();
    for first in 0..4 {
        let mut world = world.clone();
        let answer = |who: Who, accept| (who, world.answer_call(order, accept).into());
        let mut calls: Vec<(Who, Call)> = ranked[..first]
            .iter()
            .map(|who| answer(*who, false))
            .collect();
        calls.extend(
            ranked[first..first + 2]
                .iter()
                .map(|who| answer(*who, true)),
        );
        world.block(calls);
        assert_eq!(world.phase(order), Phase::Seated);
        assert_eq!(world.order(order).round().unwrap().segments, []);
        world.advance(1);
        assert_eq!(world.auditors(order), ranked[first..first + 2]);
        drawn.push(world.order(order).round().unwrap().segments.clone());
    }
    assert!(drawn.windows(2).all(|pair| pair[0] == pair[1]), "{drawn:?}");
}

#[test]
fn seats_that_are_taken_stay_while_others_are_asked_for_the_rest() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let mut slow = terms();
    slow.deadlines.assign = 3 * parameters().answer_ms;
    let order = world.post(&slow);
    world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    let ranked = world.ask(order);
    let until = world.order(order).head.until;
    // One accepts, one declines, the others are silent.
    world.answer(order, ranked[3], true);
    world.answer(order, ranked[0], false);
    assert_eq!(world.phase(order), Phase::Called);
    assert_eq!(world.registration(ranked[3]).locked, Amount::ZERO);
    world.advance(window() + 1);
    let head = world.order(order).head;
    assert_eq!((head.phase, head.deadline), (Phase::Committed, until));
    assert_eq!(missed(&world), [ranked[1], ranked[2], ranked[4]]);
    assert_eq!(world.registration(ranked[3]).locked, slow.auditor_bond);
    // Nobody else is left to ask, until one of them renews its offer.
    world.advance(2);
    assert_eq!(world.phase(order), Phase::Committed);
    let again = ranked[2];
    world.apply(again, register(again, &world.registration(again)));
    assert_eq!(world.ask(order), [again]);
    world.answer(order, again, true);
    assert_eq!(world.phase(order), Phase::Seated);
    world.advance(1);
    let auditors: Vec<Who> = world.auditors(order);
    assert_eq!(auditors, [ranked[3], again]);
    assert_eq!(world.order(order).run().unwrap().rounds.len(), 1);
    // It is an audit like any other.
    let results = truth.results(&world.order(order));
    let place = world.here(order);
    assert_eq!(place.occasion, Occasion::Round(0));
    assert!(!results.segments.is_empty());
}

/// Validators sit in what stays empty, beside those who have taken a seat.
#[test]
fn a_seat_that_nobody_takes_goes_to_validators() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.ran(&truth);
    let ranked = world.ask(order);
    world.answer(order, ranked[0], true);
    for who in &ranked[1..] {
        world.answer(order, *who, false);
    }
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(bound(&world).1, 2);
    while world.phase(order) == Phase::Committed {
        world.advance(1);
    }
    let record = world.order(order);
    let round = record.round().unwrap();
    let roles: Vec<Role> = round.seats.iter().map(|seat| seat.role).collect();
    assert_eq!(roles, [Role::Auditor, Role::Validator, Role::Validator]);
    assert_eq!(round.seats[0].auditor, ranked[0].id());
    assert!(!round.segments.is_empty());
    assert_eq!(record.run().unwrap().rounds.len(), 1);
    // All of them audit, and the auditor is paid as ever.
    let place = world.here(order);
    let provider = world.provider(order);
    let openings = truth.openings(&crate::world::starts(&record));
    world.apply(provider, OrderCall::OpenStarts { place, openings });
    let seats: Vec<Who> = world.auditors(order);
    for seat in &seats {
        let grant = OrderCall::Grant {
            place,
            grantee: seat.id(),
            sealed: crate::world::sealed("some"),
        };
        world.apply(provider, grant);
    }
    let view = world.order(order);
    for seat in &seats {
        world.commit_results(order, *seat, &truth.results(&view));
    }
    world.open_ends(order, &truth);
    for seat in &seats {
        world.reveal(order, *seat, &truth.results(&view));
    }
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(world.paid(order, ranked[0].id()), terms().auditor_fee.0);
    assert_eq!(bound(&world), (0, 0));
}

#[test]
fn an_encryption_key_counts_as_it_was_at_the_answer() {
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    let rekey = |world: &World, who: Who, key: u8| {
        let mut registration = world.registration(who);
        registration.encryption_key = EncryptionKey([key; 32]);
        register(who, &registration)
    };
    // After the draw, and before its answer.
    world.apply(ranked[1], rekey(&world, ranked[1], 66));
    world.answer(order, ranked[1], true);
    // After its answer, and before the window closes.
    world.apply(ranked[1], rekey(&world, ranked[1], 77));
    world.answer(order, ranked[0], false);
    let run = world.order(order).runs[0].clone();
    assert_eq!(Who::of(run.provider), ranked[1]);
    assert_eq!(run.encryption_key, EncryptionKey([66; 32]));
}

fn cost(world: &World) -> u64 {
    let fees = FEE.checked_mul(world.nonce(Who::Requester)).unwrap();
    BALANCE.0 - fees.0 - world.balance(Who::Requester).0
}

#[test]
fn who_withdraws_after_a_draw_pays_whoever_it_kept_waiting() {
    let cancel = |world: &mut World, order: OrderId| {
        world.apply(Who::Requester, OrderCall::Cancel { order });
        let head = world.order(order).head;
        assert_eq!((head.phase, head.escrow), (Phase::Cancelled, Amount::ZERO));
        assert_eq!(bound(world), (0, 0));
    };
    // Where nobody can be asked, nobody was kept waiting.
    let mut dear = terms();
    dear.provider_bond = Amount::tokens(101);
    let mut world = World::new();
    let order = world.post(&dear);
    cancel(&mut world, order);
    assert_eq!(cost(&world), 0);
    // Once a list is drawn it costs the same, whoever gets it.
    let mut world = World::new();
    let order = world.posted();
    let ranked = world.ask(order);
    let mut answered = world.clone();
    cancel(&mut world, order);
    assert_eq!(cost(&world), idle());
    assert_eq!(query::supply(&world.store).unwrap().pot.0, idle());
    // To the first in rank of those who have accepted, though the window is open.
    answered.answer(order, ranked[2], true);
    answered.answer(order, ranked[1], true);
    let mut taken = answered.clone();
    cancel(&mut answered, order);
    assert_eq!(cost(&answered), idle());
    assert_eq!(answered.paid(order, ranked[1].id()), idle());
    // And to whoever serves, before and after the seed.
    taken.answer(order, ranked[0], false);
    assert_eq!(taken.phase(order), Phase::Taken);
    let mut assigned = taken.clone();
    assigned.advance(1);
    for world in [&mut taken, &mut assigned] {
        cancel(world, order);
        assert_eq!(cost(world), idle());
        assert_eq!(world.paid(order, ranked[1].id()), idle());
    }
}

#[test]
fn who_hands_over_no_keys_pays_whoever_it_kept_waiting() {
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.advance(blocks(terms().deadlines.grant) + 1);
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(Outcome::NotGranted));
    assert_eq!(world.paid(order, provider.id()), idle());
    assert_eq!(cost(&world), idle());
    // Each copy that got none.
    let mut world = crowd();
    let order = world.drawn(&copies(3));
    world.hand(order, 1);
    world.expire(order);
    for run in [0, 2] {
        let provider = world.runner(order, run);
        assert_eq!(gain(&world, provider), i128::from(idle()));
    }
}

/// The idle fee is the network's, and comes out of an escrow that holds it besides everything else.
#[test]
fn the_escrow_covers_every_provider_that_can_be_kept_waiting() {
    let dear = Parameters {
        idle_rate: assay_ledger::Ppm::ONE,
        ..parameters()
    };
    let mut world = World::with(dear.clone());
    crate::redundant::crew::enlist(&mut world);
    let mut several = copies(2);
    several.attempts = 5;
    let order = world.drawn(&several);
    let escrow = several.escrow(&dear).unwrap();
    assert_eq!(escrow.0, (2 + 6) * several.price.0);
    // One provider after the other gets no keys, and each is paid the whole price for it.
    world.hand(order, 0);
    world.expire(order);
    world.commit_run(order, 0, &Run::truth(&terms()));
    while !world.phase(order).is_final() && world.phase(order) == Phase::Posted {
        world.fill(order);
        world.expire(order);
    }
    let failed = world.failures(order).len() as u64;
    assert!(failed >= 1, "{:?}", world.order(order).head);
    let paid: u64 = world
        .failures(order)
        .iter()
        .map(|(who, _)| world.paid(order, *who))
        .sum();
    assert_eq!(paid, failed * several.price.0);
}

/// Copies: those who accepted wait for the rest; those who declined are replaced, from the same beacon.
#[test]
fn copies_that_are_taken_wait_for_the_others() {
    let mut world = crowd();
    let mut slow = copies(3);
    slow.deadlines.assign = ms(40);
    let order = world.post(&slow);
    let ranked = world.ask(order);
    assert_eq!(ranked.len(), 8);
    let (yes, no) = (
        world.answer_call(order, true),
        world.answer_call(order, false),
    );
    let mut calls: Vec<(Who, Call)> = vec![(ranked[4], yes.into())];
    let others = ranked.iter().filter(|who| **who != ranked[4]);
    calls.extend(others.map(|who| (*who, no.clone().into())));
    world.block(calls);
    // One of three, and all the others have declined: it waits until the search is over.
    assert_eq!(world.phase(order), Phase::Posted);
    assert_eq!(world.standing(order), [0]);
    assert_eq!(world.runner(order, 0), ranked[4]);
    world.expire(order);
    world.advance(1);
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(Outcome::NoProvider));
    assert_eq!(gain(&world, ranked[4]), 0);
    assert_eq!(bound(&world), (0, 0));
}
