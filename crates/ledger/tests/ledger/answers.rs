//! Whoever is asked to take part pays nothing for it, is asked for no more than it could do, and nobody's
//! silence keeps an order laid aside.

use std::collections::BTreeMap;

use assay_ledger::{
    AccountCall, Amount, BoundedString, Call, Event, Offer, OrderCall, OrderEvent, OrderId,
    Outcome, Parameters, Phase, Ppm, Role, Terms, Transaction, query,
};

use crate::offers::offer;
use crate::redundant::crew::enlist;
use crate::world::{
    AUDITORS, FEE, PROVIDERS, Run, Who, World, blocks, ms, over, parameters, terms, window,
    with_fees,
};

/// What an order has given back to everybody for their answers.
fn reimbursed(world: &World, order: OrderId) -> BTreeMap<Who, u64> {
    let mut all = BTreeMap::new();
    for told in &world.told {
        if let Event::Order {
            order: of,
            event: OrderEvent::Reimbursed { account, amount },
        } = &told.event
            && *of == order
        {
            *all.entry(Who::of(*account)).or_default() += amount.0;
        }
    }
    all
}

fn fee() -> u64 {
    with_fees().answer_fee().0
}

/// Every answer is as long as the number says, so its least fee is what comes back.
#[test]
fn what_comes_back_is_the_least_fee_of_an_answer() {
    let mut world = World::with(with_fees());
    let order = world.posted();
    let ranked = world.ask(order);
    for (number, accept) in [(0, false), (u16::MAX, true)] {
        let mut call = world.answer_call(order, accept);
        if let OrderCall::Answer { place, .. } = &mut call {
            place.occasion = assay_ledger::Occasion::List(number);
        }
        let call: Call = call.into();
        let signed = Transaction::sign(&ranked[0].secret(), world.chain, u64::MAX, Amount(1), call);
        assert_eq!(signed.encode().len(), Transaction::ANSWER_BYTES);
    }
    assert_eq!(fee(), with_fees().min_fee(Transaction::ANSWER_BYTES).0);
}

#[test]
fn whoever_is_asked_loses_nothing_by_it_whatever_it_answers() {
    let mut world = World::with(with_fees());
    let order = world.posted();
    let ranked = world.ask(order);
    // The third has not answered when the list closes: its answer may be on its way.
    world.answer(order, ranked[0], false);
    let late = world.answer_call(order, true);
    world.answer(order, ranked[1], true);
    let expected: BTreeMap<Who, u64> = ranked.iter().map(|who| (*who, fee())).collect();
    assert_eq!(reimbursed(&world, order), expected);
    world.refuse(ranked[2], late);
    assert_eq!(reimbursed(&world, order), expected, "it has been paid");
    // The requester has what is left of it at the end, to the micro-token.
    let before = query::account(&world.store, &Who::Requester.id())
        .unwrap()
        .balance;
    let held = world.order(order).head.escrow;
    world.advance(blocks(terms().deadlines.grant) + 4);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NotGranted));
    let idle = terms().idle_fee(&with_fees()).0;
    assert_eq!(world.balance(Who::Requester).0, before.0 + held.0 - idle);
    assert_eq!(world.order(order).head.escrow, Amount::ZERO);
    assert_eq!(world.order(order).head.answers, 0);
}

#[test]
fn whoever_lets_the_window_pass_gets_nothing() {
    let mut world = World::with(with_fees());
    let order = world.post(&Terms {
        deadlines: assay_ledger::Deadlines {
            assign: 3 * parameters().answer_ms,
            ..terms().deadlines
        },
        ..terms()
    });
    let ranked = world.ask(order);
    world.answer(order, ranked[1], false);
    world.advance(window() + 1);
    assert_eq!(
        reimbursed(&world, order),
        BTreeMap::from([(ranked[1], fee())])
    );
    for who in ranked {
        assert_eq!(world.registration(who).asked, 0);
    }
}

#[test]
fn a_withdrawn_list_is_paid_too() {
    let mut world = World::with(with_fees());
    let order = world.posted();
    let ranked = world.ask(order);
    world.answer(order, ranked[0], false);
    world.apply(Who::Requester, OrderCall::Cancel { order });
    assert_eq!(world.phase(order), Phase::Cancelled);
    let expected: BTreeMap<Who, u64> = ranked.iter().map(|who| (*who, fee())).collect();
    assert_eq!(reimbursed(&world, order), expected);
    assert!(ranked.iter().all(|who| world.registration(*who).asked == 0));
}

/// Eight decline, and a ninth would take it; returns the order.
fn declined(world: &mut World) -> OrderId {
    enlist(world);
    let mut terms = terms();
    terms.attempts = 1;
    terms.deadlines.assign = 4 * parameters().answer_ms;
    let order = world.post(&terms);
    let ranked = world.ask(order);
    assert_eq!(ranked.len(), 8);
    for who in ranked {
        world.answer(order, who, false);
    }
    let call = AccountCall::Register {
        role: Role::Provider,
        bond: Amount::tokens(100),
        encryption_key: Who::Stranger.secret().encryption().public(),
        address: BoundedString::new("localhost:7000").unwrap(),
        offer: Some(Offer::anything()),
    };
    world.apply(Who::Stranger, call);
    world.advance(2);
    order
}

/// Whoever declines costs a requester what it has paid in for answers, and no more: then nobody else is
/// asked, and what is left comes back.
#[test]
fn answers_cost_no_more_than_was_paid_in() {
    for (lists, asked) in [(1, false), (2, true)] {
        let parameters = Parameters {
            answer_lists: lists,
            ..with_fees()
        };
        let mut world = World::with(parameters.clone());
        let before = world.balance(Who::Requester).0;
        let order = declined(&mut world);
        let head = world.order(order).head;
        assert_eq!(head.phase == Phase::Asked, asked, "{lists} lists");
        assert_eq!(head.answers, u32::from(lists) * 8 - 8);
        let escrow = head.terms.escrow(&parameters).unwrap().0;
        assert_eq!(head.escrow.0, escrow - 8 * fee());
        if asked {
            continue;
        }
        world.advance(blocks(head.terms.deadlines.assign) + 2);
        assert_eq!(world.order(order).head.outcome, Some(Outcome::NoProvider));
        // Two files were put and an order posted: the calls' own fees, and what storage costs.
        let stored: u64 = query::files(&world.store).unwrap().len() as u64;
        let fees = (stored + 1) * FEE.0;
        let spent = before - world.balance(Who::Requester).0 - fees;
        assert!(spent >= 8 * fee(), "{spent}");
        assert!(
            spent < 8 * fee() + 1_000,
            "{spent} and {} to those asked",
            8 * fee()
        );
    }
}

#[test]
fn a_network_pays_for_at_least_one_list() {
    World::out_of_range(Parameters {
        answer_lists: 0,
        ..with_fees()
    });
}

/// Posts a crowd of orders that everybody takes; each provider answers one list in a block, as fast as a
/// slow machine does. Returns how many lists the busiest was on at once, and who missed.
fn flood(slots: u16) -> (u16, Vec<Who>) {
    let mut world = World::new();
    let mut patient = terms();
    patient.deadlines.assign = ms(200);
    patient.deadlines.grant = ms(1_000);
    let one = Offer {
        orders: slots,
        ..Offer::anything()
    };
    let providers = || (0..PROVIDERS).map(Who::Provider);
    for who in providers() {
        offer(&mut world, who, one.clone());
    }
    let post = OrderCall::Post(Box::new(patient.clone()));
    let first = world.posted();
    let nonce = world.nonce(Who::Requester);
    let crowd =
        (nonce..nonce + 60).map(|nonce| OrderId::new(world.chain, Who::Requester.id(), nonce));
    let orders: Vec<OrderId> = std::iter::once(first).chain(crowd).collect();
    for _ in 0..10 {
        world.block(vec![(Who::Requester, post.clone().into()); 6]);
    }
    let mut most = 0;
    for _ in 0..window() + 20 {
        for who in providers() {
            most = most.max(world.registration(who).asked);
        }
        let mut calls: Vec<(Who, Call)> = Vec::new();
        for who in providers() {
            let waits = |order: &&OrderId| world.order(**order).has_to_answer(who.id());
            if let Some(order) = orders.iter().find(waits) {
                calls.push((who, world.answer_call(*order, false).into()));
            }
        }
        world.block(calls);
    }
    let missed = providers().filter(|who| world.registration(*who).missed > 0);
    (most, missed.collect())
}

/// A flood of orders that everybody takes asks nobody for more than it could do; the control, offers
/// without a number, is asked for all of them and misses most.
#[test]
fn nobody_is_asked_for_more_orders_at_once_than_it_has_slots() {
    let (most, missed) = flood(3);
    assert!((1..=3).contains(&most), "{most} at once");
    assert_eq!(missed, []);
    let (most, missed) = flood(u16::MAX);
    assert!(most > 30, "{most} at once");
    assert_eq!(missed.len(), usize::from(PROVIDERS));
}

#[test]
fn a_slot_is_free_again_when_its_list_has_closed() {
    let mut world = World::new();
    let one = Offer {
        orders: 1,
        ..Offer::anything()
    };
    for who in (0..PROVIDERS).map(Who::Provider) {
        offer(&mut world, who, one.clone());
    }
    let orders = [world.posted(), world.posted()];
    let ranked = world.ask(orders[0]);
    assert_eq!(ranked.len(), usize::from(PROVIDERS));
    // Nobody is left to ask for the second.
    world.advance(1);
    assert_eq!(world.phase(orders[1]), Phase::Posted);
    world.answer(orders[0], ranked[0], true);
    // The two that do not serve are asked next, and nobody has to do anything for it.
    let next = world.ask(orders[1]);
    assert_eq!(next.len(), usize::from(PROVIDERS) - 1);
    assert!(!next.contains(&ranked[0]));
}

/// Terms that too small a share of the auditors takes lie aside; when those who do not take them are
/// suspended, or leave, the share is large enough, and the order is drawn for.
#[test]
fn a_larger_share_rouses_what_lies_aside() {
    let standard = Offer {
        least_pay: Amount(terms().auditor_fee.0 / terms().audited_steps()),
        ..Offer::anything()
    };
    let tailored = Terms {
        auditor_fee: Amount(400_000),
        deadlines: assay_ledger::Deadlines {
            assign: 4 * parameters().answer_ms,
            ..terms().deadlines
        },
        ..terms()
    };
    for leaves in [false, true] {
        let mut world = World::with(Parameters {
            min_share: Ppm(500_000),
            standard_offer: standard.clone(),
            ..parameters()
        });
        for who in (2..AUDITORS).map(Who::Auditor) {
            offer(&mut world, who, standard.clone());
        }
        let aside = world.post(&tailored);
        world.advance(3);
        assert_eq!(world.phase(aside), Phase::Posted);
        if leaves {
            for who in (2..AUDITORS).map(Who::Auditor) {
                let role = Role::Auditor;
                world.apply(who, AccountCall::Unregister { role });
            }
        } else {
            // They are asked for another run, and let the window pass; the others answer.
            let order = world.ran(&Run::truth(&terms()));
            for who in world.ask(order) {
                let asked = world.order(order).has_to_answer(who.id());
                if asked && [Who::Auditor(0), Who::Auditor(1)].contains(&who) {
                    world.answer(order, who, false);
                }
            }
            let deadline = world.order(order).head.deadline;
            while world.height() < over(deadline) {
                world.advance(1);
            }
            let silent = (2..AUDITORS).map(Who::Auditor);
            assert!(
                silent
                    .into_iter()
                    .all(|who| world.registration(who).suspended)
            );
        }
        world.advance(2);
        assert_eq!(world.phase(aside), Phase::Asked, "leaves: {leaves}");
    }
}
