//! Posting, assigning and running orders.

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_ledger::{
    AccountCall, AccountRefusal, Amount, BoundedBytes, BoundedString, BoundedVec, Call,
    DeclineReason, FailureReason, FileRecord, FileRefusal, Offer, OrderCall, OrderRefusal, Outcome,
    Parameters, Phase, Refusal, Role, Terms, query, rules,
};

use crate::world::{
    BALANCE, BOND, FEE, Run, Who, World, blocks, file, file_id, lock, ms, parameters, sealed,
    some_key, terms,
};

#[test]
fn terms_outside_their_ranges_are_refused() {
    let check = |change: &dyn Fn(&mut Terms)| {
        let mut terms = terms();
        change(&mut terms);
        rules::check_terms(&terms, &parameters())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    type Change<'a> = &'a dyn Fn(&mut Terms);
    let changes: [(&str, Change<'_>); 23] = [
        ("no job kind", &|t| {
            t.kind = BoundedString::new("mining").unwrap()
        }),
        ("steps", &|t| t.steps = 0),
        ("steps", &|t| t.steps = Terms::MAX_STEPS + 1),
        ("segment_steps", &|t| t.segment_steps = 0),
        ("segment_steps", &|t| t.segment_steps = 23),
        ("steps / segment_steps", &|t| {
            (t.steps, t.segment_steps) = (2_000, 1)
        }),
        ("segments_drawn", &|t| t.segments_drawn = 0),
        ("segments_drawn", &|t| t.segments_drawn = 65),
        ("auditors", &|t| t.auditors = 0),
        ("auditors", &|t| t.auditors = 17),
        ("attempts", &|t| t.attempts = 0),
        ("attempts", &|t| t.attempts = 17),
        ("copies is 0", &|t| t.copies = 0),
        ("copies is 9", &|t| t.copies = 9),
        ("price", &|t| t.price = Amount::ZERO),
        ("provider_bond", &|t| t.provider_bond = Amount::ZERO),
        ("auditor_bond", &|t| t.auditor_bond = Amount::ZERO),
        ("run deadline", &|t| t.deadlines.run = ms(2) - 1),
        ("attest deadline", &|t| t.deadlines.attest = u64::MAX),
        ("used twice", &|t| {
            t.inputs = BoundedVec::new(vec![t.inputs[0].clone(), t.inputs[0].clone()]).unwrap();
        }),
        ("takes the inputs", &|t| {
            t.inputs = BoundedVec::new(vec![t.inputs[0].clone()]).unwrap()
        }),
        ("takes the inputs", &|t| {
            t.inputs = BoundedVec::new(vec![t.inputs[1].clone(), t.inputs[0].clone()]).unwrap();
        }),
        ("specification", &|t| t.spec = BoundedBytes::default()),
    ];
    for (mention, change) in changes {
        let refusal = check(change).unwrap_err();
        assert!(refusal.to_string().contains(mention), "{refusal}");
    }
}

#[test]
fn posting_needs_files_and_money() {
    let mut world = World::new();
    let post = |terms: Terms| OrderCall::Post(Box::new(terms));
    let (file, owner) = (file_id("model"), Who::Requester.id());
    let refusal = world.refuse(Who::Requester, post(terms()));
    assert_eq!(refusal, Refusal::File(FileRefusal::Unknown { file, owner }));
    world.posted();
    let mut rich = terms();
    rich.price = BALANCE;
    let refusal = world.refuse(Who::Requester, post(rich.clone()));
    assert!(matches!(
        refusal,
        Refusal::Account(AccountRefusal::InsufficientBalance { .. })
    ));
    rich.price = Amount(u64::MAX);
    assert_eq!(
        world.refuse(Who::Requester, post(rich)),
        Refusal::Account(AccountRefusal::Overflow)
    );
    // Somebody else's files are not enough: their record could vanish with their will.
    let refusal = world.refuse(Who::Stranger, post(terms()));
    assert!(matches!(
        refusal,
        Refusal::File(FileRefusal::Unknown { .. })
    ));
}

#[test]
fn an_order_can_be_withdrawn_until_its_keys_are_granted() {
    for assigned in [false, true] {
        let mut world = World::new();
        let order = world.posted();
        if assigned {
            world.assign(order);
        }
        let cancel = OrderCall::Cancel { order };
        assert!(matches!(
            world.would(Who::Stranger, cancel.clone()),
            assay_ledger::Status::Refused(Refusal::Order(OrderRefusal::NotYourMove { .. }))
        ));
        world.apply(Who::Requester, cancel.clone());
        let record = world.order(order);
        assert_eq!(
            (record.head.phase, record.head.outcome),
            (Phase::Cancelled, Some(Outcome::Withdrawn))
        );
        // The draw of the very block comes first: somebody was asked in either case.
        let idle = terms().idle_fee(&parameters()).0;
        let left = BALANCE.0 - 4 * FEE.0 - idle;
        assert_eq!(world.balance(Who::Requester).0, left);
        assert!(matches!(
            world.refuse(Who::Requester, cancel),
            Refusal::Order(OrderRefusal::WrongPhase { .. })
        ));
    }
    let mut world = World::new();
    let order = world.posted();
    world.assign(order);
    world.grant_to_provider(order);
    let refusal = world.refuse(Who::Requester, OrderCall::Cancel { order });
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::WrongPhase {
            phase: Phase::Running,
            ..
        })
    ));
}

/// A requester that grants rubbish, to have its provider miss the deadline, gains nothing.
#[test]
fn a_provider_declines_what_does_not_open_without_penalty() {
    let mut world = World::new();
    let order = world.posted();
    let mut framed = Vec::new();
    for _ in 0..terms().attempts {
        let provider = world.assign(order);
        world.grant_to_provider(order);
        let reason = DeclineReason::Keys;
        world.apply(
            provider,
            OrderCall::Decline {
                place: world.here(order),
                reason,
            },
        );
        // The validators look for themselves, and cannot begin either.
        world.judge(order, &[(0, None), (1, None), (2, None)]);
        framed.push(provider);
    }
    let record = world.order(order);
    assert_eq!(record.head.outcome, Some(Outcome::AttemptsUsed));
    let failures = world.failures(order);
    let reasons: Vec<_> = failures.iter().map(|(_, failure)| failure.reason).collect();
    assert_eq!(reasons, [FailureReason::Declined(DeclineReason::Keys); 2]);
    for provider in framed {
        let registration = world.registration(provider);
        assert_eq!(
            (registration.bond, registration.locked),
            (BOND, Amount::ZERO)
        );
    }
}

#[test]
fn a_requester_that_does_not_grant_gets_its_money_back_and_no_work() {
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.advance(blocks(terms().deadlines.grant) + 1);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NotGranted));
    assert_eq!(world.registration(provider).locked, Amount::ZERO);
    assert_eq!(world.registration(provider).bond, BOND);
}

#[test]
fn nobody_eligible_means_refund() {
    let mut world = World::new();
    let mut demanding = terms();
    demanding.provider_bond = Amount::tokens(101);
    let order = world.post(&demanding);
    world.advance(blocks(terms().deadlines.assign));
    assert_eq!(world.phase(order), Phase::Posted);
    world.advance(1);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoProvider));
    assert_eq!(world.balance(Who::Requester).0, BALANCE.0 - 3 * FEE.0);
}

/// The requester may be a provider too, but is never drawn for its own order.
#[test]
fn requesters_do_not_work_for_themselves() {
    let mut world = World::new();
    let address = BoundedString::new("x").unwrap();
    let encryption_key = some_key();
    for role in [Role::Provider, Role::Auditor] {
        let bond = Amount::tokens(400);
        let address = address.clone();
        world.apply(
            Who::Requester,
            AccountCall::Register {
                role,
                bond,
                encryption_key,
                address,
                offer: Some(Offer::anything()),
            },
        );
    }
    let truth = Run::truth(&terms());
    for seed in 0..40 {
        let mut world = world.clone();
        world.beacon_seed = seed;
        let order = world.ran(&truth);
        let auditors = world.open(order, &truth);
        assert_ne!(world.provider(order), Who::Requester);
        assert!(!auditors.contains(&Who::Requester));
        assert_ne!(auditors[0], auditors[1]);
    }
}

/// Draws follow the free bonds: 100, 100 and 400 of 600 are drawn 1/6, 1/6 and 4/6 of the time.
#[test]
fn draws_are_weighted_by_bond() {
    let mut world = World::new();
    let address = BoundedString::new("x").unwrap();
    let encryption_key = some_key();
    let (role, bond) = (Role::Provider, Amount::tokens(300));
    world.apply(
        Who::Provider(2),
        AccountCall::Register {
            role,
            bond,
            encryption_key,
            address,
            offer: Some(Offer::anything()),
        },
    );
    let order = world.posted();
    let mut drawn: BTreeMap<Who, i64> = BTreeMap::new();
    for seed in 0..600 {
        let mut world = world.clone();
        world.beacon_seed = seed;
        *drawn.entry(world.assign(order)).or_default() += 1;
    }
    for (who, expected) in [
        (Who::Provider(0), 100),
        (Who::Provider(1), 100),
        (Who::Provider(2), 400),
    ] {
        // Four standard deviations of a binomial of 600 draws.
        assert!((drawn[&who] - expected).abs() < 48, "{drawn:?}");
    }
}

#[test]
fn a_draw_waits_for_a_beacon_that_was_unknown() {
    let mut world = World::new();
    let order = world.posted();
    // Posted in this very block: not drawn by its beacon.
    assert_eq!(world.phase(order), Phase::Posted);
    let mut other = world.clone();
    other.beacon_seed = 1;
    world.assign(order);
    other.assign(order);
    let seed = |world: &World| world.order(order).run().unwrap().seed;
    assert_ne!(seed(&world), seed(&other));
}

#[test]
fn committing_needs_the_right_files() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let order = world.posted();
    let provider = world.assign(order);
    world.grant_to_provider(order);
    let unknown = OrderCall::CommitTrace {
        place: world.here(order),
        root: truth.root(),
        checkpoints: BoundedVec::new(vec![file_id("nowhere"); 6]).unwrap(),
        result: file_id("nowhere"),
        counts: truth.counts(),
        first_invalid: None,
        lock: lock(provider).public(),
    };
    let owner = provider.id();
    let refusal = world.refuse(provider, unknown);
    assert_eq!(
        refusal,
        Refusal::File(FileRefusal::Unknown {
            file: file_id("nowhere"),
            owner
        })
    );
    // The requester's records do not count as the provider's.
    let inputs = OrderCall::CommitTrace {
        place: world.here(order),
        root: truth.root(),
        checkpoints: BoundedVec::new(vec![file_id("model"); 6]).unwrap(),
        result: file_id("model"),
        counts: truth.counts(),
        first_invalid: None,
        lock: lock(provider).public(),
    };
    assert!(matches!(
        world.refuse(provider, inputs),
        Refusal::File(FileRefusal::Unknown { .. })
    ));
    let mut call = world.commit_call(order, &truth);
    if let Call::Order(OrderCall::CommitTrace { checkpoints, .. }) = &mut call {
        *checkpoints = BoundedVec::new(checkpoints[1..].to_vec()).unwrap();
    }
    let refusal = world.refuse(provider, call);
    assert_eq!(
        refusal,
        Refusal::Order(OrderRefusal::CheckpointCount {
            order,
            expected: 6,
            found: 5
        })
    );
    let call = world.commit_call(order, &truth);
    world.apply(provider, call);
    let record = world.order(order);
    let run = record.run().unwrap();
    let file = |i| run.state_file(assay_ledger::SegmentIndex(i));
    assert_eq!(file(0), Some(file_id("checkpoint 0")));
    assert_eq!(file(6), Some(file_id("checkpoint 6")));
    assert_eq!(file(7), None);
}

#[test]
fn a_grant_is_given_once_and_to_whom_it_belongs() {
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    let place = world.here(order);
    let grant = |to: Who, text: &str| OrderCall::Grant {
        place,
        grantee: to.id(),
        sealed: sealed(text),
    };
    let refusal = world.refuse(Who::Requester, grant(Who::Stranger, "keys"));
    assert_eq!(
        refusal,
        Refusal::Order(OrderRefusal::NotAGrantee {
            order,
            grantee: Who::Stranger.id()
        })
    );
    let refusal = world.refuse(Who::Stranger, grant(provider, "keys"));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::NotYourMove { .. })
    ));
    world.apply(Who::Requester, grant(provider, "keys"));
    let refusal = world.refuse(Who::Requester, grant(provider, "other keys"));
    assert!(matches!(
        refusal,
        Refusal::Order(OrderRefusal::WrongPhase {
            phase: Phase::Running,
            ..
        })
    ));
    assert_eq!(world.granted(order, 0, provider).len(), 1);
}

#[test]
fn orders_that_do_not_exist_are_refused() {
    let mut world = World::new();
    let order = assay_ledger::OrderId(Digest::ZERO);
    let refusal = world.refuse(Who::Requester, OrderCall::Accept { order });
    assert_eq!(
        refusal,
        Refusal::Order(OrderRefusal::UnknownOrder { order })
    );
}

#[test]
fn queries_list_orders() {
    let mut world = World::new();
    let first = world.posted();
    world.advance(2 * crate::world::window());
    let second = world.posted();
    let ids = |orders: Vec<assay_ledger::Order>| -> Vec<_> {
        let mut ids: Vec<_> = orders.iter().map(|order| order.head.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![first, second];
    both.sort();
    assert_eq!(ids(query::orders(&world.store).unwrap()), both);
    assert_eq!(ids(query::active_orders(&world.store).unwrap()), [second]);
    // The first ended after the second was posted.
    let latest = query::list(&world.store, query::Which::Latest, 1).unwrap();
    assert_eq!((latest.entries, latest.more), (vec![second], true));
    assert_eq!(query::height(&world.store).unwrap(), world.height());
}

/// However many orders wait, a block draws for a bounded number of them, and each gets its turn.
#[test]
fn a_block_draws_for_a_bounded_number_of_orders() {
    let mut world = World::new();
    world.posted();
    let mut cheap = terms();
    (cheap.price, cheap.provider_bond) = (Amount(50_000), Amount::tokens(1));
    cheap.deadlines.assign = ms(40);
    let post = |_| {
        (
            Who::Requester,
            OrderCall::Post(Box::new(cheap.clone())).into(),
        )
    };
    world.block((0..150).map(post).collect());
    let waiting = |world: &World| {
        let orders = query::active_orders(&world.store).unwrap();
        orders
            .iter()
            .filter(|order| order.head.phase == Phase::Posted)
            .count()
    };
    let mut before = waiting(&world);
    assert_eq!(before, 150);
    while before > 0 {
        world.advance(1);
        let after = waiting(&world);
        assert!(before - after <= 64, "{before} {after}");
        assert!(after < before || before == 0);
        before = after;
    }
}

#[test]
fn inputs_longer_than_a_network_allows_are_refused_when_they_are_posted() {
    let cases = [
        ([1_000, 500], None),
        ([1_001, 1], Some("max_input_bytes is 1000")),
        ([1 << 38, 1 << 38], Some("max_input_bytes is 1000")),
        ([1_000, 501], Some("max_task_bytes is 1500")),
    ];
    for (classes, mention) in cases {
        let mut world = World::with(Parameters {
            max_input_bytes: 1_000,
            max_task_bytes: 1_500,
            ..parameters()
        });
        let terms = terms();
        for (input, length_class) in terms.inputs.iter().zip(classes) {
            let record = FileRecord {
                length_class,
                ..file(Who::Requester, input.name.as_str())
            };
            assert_eq!(record.id, input.file);
            world.apply(Who::Requester, world.put(record));
        }
        let post = OrderCall::Post(Box::new(terms));
        match mention {
            None => drop(world.apply(Who::Requester, post)),
            Some(mention) => {
                let refusal = world.refuse(Who::Requester, post).to_string();
                assert!(refusal.contains(mention), "{refusal}");
            }
        }
    }
}
