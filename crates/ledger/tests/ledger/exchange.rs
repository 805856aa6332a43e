//! The exchange of a result for its price, played in every way there is.
//!
//! Whatever provider, requester and one validator do, and wherever one of them stops for good: nobody ends
//! with both result and price, nobody who did its part with neither, and garbage is not paid.

use assay_crypto::Digest;
use assay_ledger::{
    FailureReason, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Refusal, RunIndex, StepIndex,
};

use crate::life::wait;
use crate::world::{BOND, Run, Who, World, lock, terms};

const RUN: RunIndex = RunIndex(0);

/// An order whose run stands, and whose key nobody has.
fn undelivered() -> (World, OrderId) {
    let mut world = World::new();
    world.kept_back = true;
    let order = world.accepted_by_audit();
    assert_eq!(world.phase(order), Phase::Delivering);
    (world, order)
}

/// What the provider stored as its result.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stored {
    /// The final state, under the key it is bound to.
    Good,
    /// Something else, or under another key.
    Garbage,
    /// Nothing that can be fetched.
    Nothing,
}

impl Stored {
    /// What an honest judge finds who was shown the key.
    fn found(self) -> Option<Digest> {
        match self {
            Stored::Good => Some(Run::truth(&terms()).at(StepIndex(terms().steps))),
            Stored::Garbage => Some(Digest::of("garbage", &[])),
            Stored::Nothing => None,
        }
    }
}

/// What the requester does with what was released to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Accept,
    Complain,
    Nothing,
}

/// What the one lying validator attests in a complaint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Liar {
    TheLeaf,
    AnotherLeaf,
    NothingThere,
    Silent,
}

/// One way to play the exchange. A party that does not act has stopped for good.
#[derive(Clone, Copy, Debug)]
struct Way {
    stored: Stored,
    delivers: bool,
    says: Says,
    /// Whether provider and requester show the judges the key.
    shows: (bool, bool),
    liar: Liar,
    /// Whether the liar commits and attests before the others.
    liar_first: bool,
}

fn ways() -> Vec<Way> {
    let mut all = Vec::new();
    for stored in [Stored::Good, Stored::Garbage, Stored::Nothing] {
        for delivers in [true, false] {
            for says in [Says::Accept, Says::Complain, Says::Nothing] {
                for shows in [(true, true), (true, false), (false, true), (false, false)] {
                    for liar in [
                        Liar::TheLeaf,
                        Liar::AnotherLeaf,
                        Liar::NothingThere,
                        Liar::Silent,
                    ] {
                        for liar_first in [true, false] {
                            all.push(Way {
                                stored,
                                delivers,
                                says,
                                shows,
                                liar,
                                liar_first,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

fn play(way: Way) -> (World, OrderId) {
    let (mut world, order) = undelivered();
    if way.delivers {
        let call = world.deliver_call(order, RUN);
        world.apply(world.provider(order), call);
        let call = match way.says {
            Says::Accept => Some(OrderCall::Accept { order }),
            Says::Complain => Some(OrderCall::Complain { order }),
            Says::Nothing => None,
        };
        if let Some(call) = call {
            world.apply(Who::Requester, call);
        }
    }
    if world.phase(order) == Phase::Attesting {
        let lie = match way.liar {
            Liar::TheLeaf => Some(Stored::Good.found()),
            Liar::AnotherLeaf => Some(Some(Digest::of("lie", &[]))),
            Liar::NothingThere => Some(None),
            Liar::Silent => None,
        };
        let mut findings = Vec::new();
        // A judge to whom nobody shows the key has nothing to say.
        if way.shows.0 || way.shows.1 {
            findings.extend((0..3).map(|honest| (honest, way.stored.found())));
        }
        if let Some(leaf) = lie {
            let at = if way.liar_first { 0 } else { findings.len() };
            findings.insert(at, (3, leaf));
        }
        world.judge(order, &findings);
    }
    wait(&mut world, order);
    (world, order)
}

#[test]
fn nobody_has_both_and_nobody_honest_has_neither() {
    let ways = ways();
    assert_eq!(ways.len(), 576);
    let (mut paid, mut refunded) = (0, 0);
    for way in ways {
        let (world, order) = play(way);
        let record = world.order(order);
        let run = &record.runs[0];
        let provider = Who::of(run.provider);
        let is_paid = world.paid(order, provider.id()) > 0;
        assert_eq!(
            is_paid,
            record.head.outcome == Some(Outcome::Paid),
            "{way:?}"
        );
        match is_paid {
            true => paid += 1,
            false => refunded += 1,
        }
        let has_key = run.released.is_some();
        let has_result = has_key && way.stored == Stored::Good;
        // The price buys at least the key; result and money together nobody gets.
        assert!(!is_paid || has_key, "{way:?}: paid without a key");
        assert!(is_paid || !has_result, "{way:?}: both result and money");
        // A provider that stored what it should and released the key is paid and keeps its bond.
        let did_its_part = way.stored == Stored::Good && way.delivers;
        assert!(!did_its_part || is_paid, "{way:?}: worked for nothing");
        let slashed = world.registration(provider).bond < BOND;
        assert!(
            !(did_its_part && slashed),
            "{way:?}: an honest bond was cut"
        );
        // A requester that complains where it should, and shows the key, pays for no garbage.
        let protests = way.says == Says::Complain && way.shows.1;
        let cheated = way.stored != Stored::Good || !way.delivers;
        assert!(
            !(protests && cheated && is_paid),
            "{way:?}: garbage was paid"
        );
        assert_eq!(
            slashed, !is_paid,
            "{way:?}: who is not paid has lost its bond"
        );
    }
    println!("{paid} ways end paid, {refunded} in a refund");
    assert!(paid > 100 && refunded > 100);
}

/// The control: a requester that could read results from the start, as it could when it derived their keys,
/// has both wherever a run that stands is not paid.
#[test]
fn a_key_that_the_requester_has_from_the_start_gives_it_both() {
    let both = |way: &Way| {
        let (world, order) = play(*way);
        let paid = world.order(order).head.outcome == Some(Outcome::Paid);
        way.stored == Stored::Good && !paid
    };
    let mut ways = ways().into_iter();
    assert!(
        ways.any(|way| both(&way)),
        "nothing to gain by an early key"
    );
}

#[test]
fn no_other_key_is_taken_for_the_one_that_was_locked() {
    let (mut world, order) = undelivered();
    let provider = world.provider(order);
    let good = world.deliver_call(order, RUN);
    let OrderCall::Deliver { place, release } = good.clone() else {
        panic!("{good:?}");
    };
    let use_of = assay_ledger::Trace::locked_for(&place);
    let to = terms().delivery_key;
    let nobodys = lock(Who::Stranger).public();
    let released = |who: Who, of: &Digest, to| lock(who).release(of, &to, &[9; 32]).unwrap();
    let mut altered = release;
    altered.released.0[40] ^= 1;
    let mut unproven = release;
    unproven.proof.0[0] ^= 1;
    let wrong = [
        // Another lock, another use, another receiver.
        released(Who::Stranger, &use_of, to),
        released(provider, &Digest::ZERO, to),
        released(provider, &use_of, nobodys),
        altered,
        unproven,
    ];
    for release in wrong {
        let refusal = world.refuse(provider, OrderCall::Deliver { place, release });
        let expected = OrderRefusal::BadRelease { order, run: RUN };
        assert_eq!(refusal, Refusal::Order(expected));
    }
    // Nobody else can deliver, not even the right key.
    let refusal = world.refuse(Who::Stranger, good.clone());
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    world.apply(provider, good.clone());
    assert_eq!(world.phase(order), Phase::Accepted);
    let run = world.order(order).runs[0].clone();
    let key = run.released.unwrap().open(&lock(Who::Requester));
    assert_eq!(key, Some(lock(provider).key(&use_of)));
    let refusal = world.refuse(provider, good);
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::WrongPhase { .. })
    ));
}

#[test]
fn a_provider_is_bound_to_a_lock_that_locks() {
    let truth = Run::truth(&terms());
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.grant_to_provider(order);
    for bad in [[0; 32], [0xff; 32]] {
        let mut call = world.commit_call(order, &truth);
        if let assay_ledger::Call::Order(OrderCall::CommitTrace { lock, .. }) = &mut call {
            *lock = assay_crypto::release::LockKey(bad);
        }
        let refusal = world.refuse(provider, call);
        assert!(matches!(
            refusal,
            Refusal::Order(OrderRefusal::BadLock { .. })
        ));
    }
}

#[test]
fn who_keeps_the_key_back_is_replaced_and_loses_its_bond() {
    let (mut world, order) = undelivered();
    let provider = world.provider(order);
    while world.phase(order) == Phase::Delivering {
        world.advance(1);
    }
    let failed = world.order(order).runs[0].failed.unwrap();
    assert_eq!(failed.reason, FailureReason::Withheld);
    assert_eq!(world.paid(order, provider.id()), 0);
    let left = BOND.0 - terms().provider_bond.0;
    assert_eq!(world.registration(provider).bond.0, left);
    assert_eq!(world.phase(order), Phase::Posted);
}
