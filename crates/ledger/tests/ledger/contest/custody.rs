//! The test set's key: dealt, looked at, opened.

use assay_crypto::custody::CustodySecret;
use assay_ledger::{
    AccountCall, Amount, BoundedString, OrderCall, OrderId, OrderRefusal, Outcome, Phase, Role,
};

use super::{CLAIMANTS, refusal, run, secret, terms, validators, world};
use crate::world::{BOND, Who, World};

#[test]
fn only_a_dealing_of_the_key_that_the_terms_name_is_taken() {
    let mut world = world();
    let order = world.post_contest(&terms());
    let (under, good) = world.dealing(order);
    let call = world.deal_call(order, under, &good);
    for who in [Who::Stranger, Who::Validator(0), CLAIMANTS[0]] {
        let refused = refusal(world.would(who, call.clone()));
        assert!(matches!(refused, OrderRefusal::NotYourMove { .. }));
    }
    let mut other_key = good.clone();
    other_key.points[0] = CustodySecret::from_seed(&[1; 32]).commitment();
    let mut too_few = good.clone();
    too_few.sealed.truncate(3);
    let mut one_opens = good.clone();
    one_opens.points.truncate(1);
    for bad in [other_key, too_few, one_opens] {
        let call = world.deal_call(order, under, &bad);
        let refused = refusal(world.would(Who::Requester, call));
        assert!(
            matches!(refused, OrderRefusal::BadDealing { .. }),
            "{refused:?}"
        );
    }
    world.apply(Who::Requester, call);
    assert_eq!(world.phase(order), Phase::Holding);
}

/// Keys change: whoever deals says under which, and what is dealt under old ones is dealt again.
#[test]
fn a_dealing_names_the_keys_that_it_is_under() {
    let mut world = world();
    let order = world.post_contest(&terms());
    let (under, good) = world.dealing(order);
    let register = AccountCall::Register {
        role: Role::Validator,
        bond: Amount::ZERO,
        encryption_key: Who::Stranger.secret().encryption().public(),
        address: BoundedString::new("localhost:7001").unwrap(),
        offer: None,
    };
    world.apply(Who::Validator(0), register);
    let call = world.deal_call(order, under, &good);
    let refused = refusal(world.would(Who::Requester, call));
    let (now, _) = world.dealing(order);
    let expected = OrderRefusal::OtherKeys {
        order,
        expected: now,
    };
    assert_eq!(refused, expected);
    world.deal(order);
    // What was dealt stays under the keys of then.
    let custody = world.contest(order).custody.unwrap();
    assert_eq!((custody.under, custody.opens), (now, Phase::TestOpen));
    let stranger = Who::Stranger.secret().encryption().public();
    assert!(custody.keys.contains(&stranger));
}

/// Brings an order to where validators look at shares, of which those of some are rubbish.
fn dealt(world: &mut World, bad: &[Who]) -> OrderId {
    let order = world.post_contest(&terms());
    let (under, mut dealing) = world.dealing(order);
    let validators = assay_ledger::query::validators(&world.store).unwrap();
    for who in bad {
        let at = validators.iter().position(|of| *of == who.id()).unwrap();
        dealing.sealed[at].0[40] ^= 1;
    }
    let call = world.deal_call(order, under, &dealing);
    world.apply(Who::Requester, call);
    order
}

#[test]
fn who_deals_rubbish_to_more_than_may_lie_pays_those_who_looked_and_nobody_works() {
    let mut world = world();
    let before = world.purse(Who::Requester);
    let bad = [Who::Validator(1), Who::Validator(3)];
    let order = dealt(&mut world, &bad);
    for who in validators() {
        if world.phase(order) != Phase::Holding {
            break;
        }
        let good = world.share(order, who).is_some();
        assert_eq!(good, !bad.contains(&who));
        world.apply(who, world.check_call(order, good));
    }
    let head = world.order(order).head;
    assert_eq!(
        (head.phase, head.outcome),
        (Phase::Refunded, Some(Outcome::BadDealing))
    );
    for who in bad {
        assert_eq!(world.paid(order, who.id()), 600_000);
    }
    assert_eq!(world.paid(order, Who::Validator(0).id()), 0);
    assert_eq!(world.cost(Who::Requester, before), 1_200_000);
}

#[test]
fn as_many_liars_as_there_may_be_refuse_no_good_dealing_and_open_no_bad_one() {
    let mut world = world();
    // A liar says that its good share is none.
    let order = dealt(&mut world, &[]);
    world.apply(Who::Validator(0), world.check_call(order, false));
    for who in validators().skip(1) {
        assert_eq!(world.phase(order), Phase::Holding);
        world.apply(who, world.check_call(order, true));
    }
    assert_eq!(world.phase(order), Phase::Joining);
    // A liar says that its share is good where two were dealt rubbish: a quorum is not reached.
    let order = dealt(&mut world, &[Who::Validator(1), Who::Validator(2)]);
    world.apply(Who::Validator(0), world.check_call(order, true));
    world.apply(Who::Validator(3), world.check_call(order, true));
    assert_eq!(world.phase(order), Phase::Holding);
    world.apply(Who::Validator(1), world.check_call(order, false));
    world.apply(Who::Validator(2), world.check_call(order, false));
    assert_eq!(world.phase(order), Phase::Refunded);
}

#[test]
fn shares_that_too_few_look_at_end_the_order_before_anybody_works() {
    let mut world = world();
    let before = world.purse(Who::Requester);
    let order = dealt(&mut world, &[]);
    world.apply(Who::Validator(0), world.check_call(order, true));
    world.apply(Who::Validator(1), world.check_call(order, true));
    let again = refusal(world.would(Who::Validator(1), world.check_call(order, false)));
    assert_eq!(again, OrderRefusal::AlreadyDone { order });
    world.wait_out(order, Phase::Holding);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NotHeld));
    assert_eq!(world.paid(order, Who::Validator(0).id()), 5_000);
    assert_eq!(world.cost(Who::Requester, before), 10_000);
}

/// One bad share among four: the others open the key all the same.
#[test]
fn a_share_that_was_dealt_badly_to_one_keeps_nobody_from_opening() {
    let mut world = world();
    let order = dealt(&mut world, &[Who::Validator(0)]);
    for who in validators() {
        let good = world.share(order, who).is_some();
        world.apply(who, world.check_call(order, good));
    }
    for who in CLAIMANTS {
        world.apply(who, OrderCall::Claim { order });
    }
    world.advance(1);
    for who in CLAIMANTS {
        let call = world.seal_call(order, who, &run(who));
        world.apply(who, call);
    }
    for who in CLAIMANTS {
        world.show(order, who, &run(who));
    }
    for who in [Who::Validator(2), Who::Validator(1)] {
        let call = world.open_call(order, who);
        world.apply(who, call);
    }
    assert_eq!(world.phase(order), Phase::Validating);
    assert_eq!(world.contest(order).opened(), Some(&secret().key()));
}

#[test]
fn a_share_counts_once_from_its_validator_and_only_when_all_claims_are_shown() {
    let mut world = world();
    let order = world.sealed(&terms(), run);
    let share = world.share(order, Who::Validator(0)).unwrap();
    let place = world.order(order).contest_place().unwrap();
    let open = OrderCall::OpenShare { place, share };
    let refused = refusal(world.would(Who::Validator(0), open.clone()));
    assert!(matches!(refused, OrderRefusal::WrongPhase { .. }));
    for who in CLAIMANTS {
        world.show(order, who, &run(who));
    }
    assert_eq!(world.phase(order), Phase::TestOpen);
    // Another's share, and one from somebody who is no validator.
    let refused = refusal(world.would(Who::Validator(1), open.clone()));
    assert_eq!(refused, OrderRefusal::BadShare { order });
    let refused = refusal(world.would(Who::Requester, open.clone()));
    assert!(matches!(refused, OrderRefusal::NotYourMove { .. }));
    world.apply(Who::Validator(0), open.clone());
    let refused = refusal(world.would(Who::Validator(0), open));
    assert_eq!(refused, OrderRefusal::AlreadyDone { order });
    assert!(
        world.contest(order).opened().is_none(),
        "one share opens nothing"
    );
    // A share of another order's dealing, of the same key, is none of this one's.
    let other = world.joining(&terms());
    let share = world.share(other, Who::Validator(1)).unwrap();
    let refused = refusal(world.would(Who::Validator(1), OrderCall::OpenShare { place, share }));
    assert_eq!(refused, OrderRefusal::BadShare { order });
    let call = world.open_call(order, Who::Validator(1));
    world.apply(Who::Validator(1), call);
    assert_eq!(world.contest(order).opened(), Some(&secret().key()));
    assert_eq!(world.registration(CLAIMANTS[0]).bond, BOND);
}
