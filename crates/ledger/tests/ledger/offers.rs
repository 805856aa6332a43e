//! Whoever's offer the terms do not meet is never drawn.

use assay_ledger::{
    AccountCall, AccountRefusal, Amount, BoundedString, BoundedVec, JobMethod, Offer, Outcome,
    Phase, Refusal, Role, Terms, Unmet,
};

use crate::world::{AUDITORS, Run, Who, World, blocks, ms, terms};

/// Terms that machines with the usual offer take.
fn usual() -> Terms {
    let mut terms = terms();
    terms.deadlines.grant = ms(100);
    terms.deadlines.run = ms(60);
    terms.deadlines.audit = ms(60);
    terms.deadlines.open = ms(30);
    terms.deadlines.reveal = ms(30);
    terms.deadlines.dispute = ms(30);
    terms.deadlines.attest = ms(30);
    terms
}

/// Registers somebody again with this offer.
pub(crate) fn offer(world: &mut World, who: Who, offer: Offer) {
    let call = AccountCall::Register {
        role: who.role().unwrap(),
        bond: Amount::ZERO,
        encryption_key: who.secret().encryption().public(),
        address: BoundedString::new("localhost:7000").unwrap(),
        offer: Some(offer),
    };
    world.apply(who, call);
}

fn everybody(world: &mut World, made: &Offer) {
    for who in Who::all().filter(|who| who.role().is_some_and(Role::is_drawn)) {
        offer(world, who, made.clone());
    }
}

/// The four job files that took bonds, or work, from whoever was drawn.
fn robberies() -> [(&'static str, Terms); 4] {
    let with = |change: &dyn Fn(&mut Terms)| {
        let mut terms = usual();
        change(&mut terms);
        terms
    };
    [
        (
            "late",
            with(&|terms| {
                terms.deadlines.run = ms(2);
                terms.price = Amount::tokens(5);
                terms.provider_bond = Amount::tokens(100);
            }),
        ),
        ("withheld", with(&|terms| terms.deadlines.open = ms(2))),
        (
            "no time to audit",
            with(&|terms| {
                terms.deadlines.audit = ms(2);
                terms.auditor_fee = Amount::tokens(5);
                terms.auditor_bond = Amount::tokens(100);
            }),
        ),
        (
            "for next to nothing",
            with(&|terms| {
                terms.price = Amount(1);
                terms.provider_bond = Amount(20);
                terms.auditor_fee = Amount(1);
                terms.auditor_bond = Amount(20);
            }),
        ),
    ]
}

#[test]
fn terms_that_rob_find_nobody() {
    let mut parameters = crate::world::parameters();
    // So that a bond may be as small as the pay.
    parameters.judge_fee = Amount::ZERO;
    parameters.provider_bond = Amount(1);
    parameters.auditor_bond = Amount(1);
    for (name, robbery) in robberies() {
        // Against who takes anything, the same terms find their victims.
        let mut careless = World::with(parameters.clone());
        let order = careless.post(&robbery);
        careless.advance(1);
        assert_ne!(careless.phase(order), Phase::Posted, "{name}");

        let mut world = World::with(parameters.clone());
        everybody(&mut world, &Offer::standard());
        let order = world.post(&robbery);
        world.advance(blocks(robbery.deadlines.assign) + 2);
        let record = world.order(order);
        assert_eq!(record.head.phase, Phase::Refunded, "{name}");
        for who in Who::all().filter(|who| who.is_drawn()) {
            let registration = world.registration(who);
            assert_eq!(registration.bond, crate::world::BOND, "{name}: {who:?}");
            assert_eq!(registration.locked, Amount::ZERO, "{name}: {who:?}");
            assert_eq!(registration.serving, 0, "{name}: {who:?}");
        }
    }
}

#[test]
fn only_those_are_drawn_whose_offer_the_terms_meet() {
    let mut world = World::new();
    everybody(&mut world, &Offer::standard());
    let none = Offer {
        kinds: BoundedVec::default(),
        ..Offer::anything()
    };
    let dear = Offer {
        least_pay: Amount(usual().price.0 / usual().steps + 1),
        ..Offer::standard()
    };
    offer(&mut world, Who::Provider(0), none);
    offer(&mut world, Who::Provider(1), dear);
    for _ in 0..4 {
        let order = world.post(&usual());
        assert_eq!(world.assign(order), Who::Provider(2));
    }
    // Four at once is what it offers: the fifth waits, and in the end finds nobody.
    let order = world.post(&usual());
    world.advance(blocks(usual().deadlines.assign));
    assert_eq!(world.phase(order), Phase::Posted);
    let registration = world.registration(Who::Provider(2));
    let busy = Unmet::Busy { orders: 4 };
    assert_eq!(registration.refuses(Role::Provider, &usual()), [busy]);
    world.advance(2);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoProvider));
}

#[test]
fn whoever_has_too_little_memory_or_another_method_is_passed_over() {
    let mut world = World::new();
    let terms = Terms {
        memory: 8 << 30,
        method: JobMethod::new("full").unwrap(),
        ..usual()
    };
    let just_enough = Offer {
        memory: terms.memory,
        ..Offer::standard()
    };
    let too_small = Offer {
        memory: terms.memory - 1,
        ..Offer::standard()
    };
    let adapters = Offer {
        methods: BoundedVec::new([JobMethod::new("lora").unwrap()]).unwrap(),
        ..just_enough.clone()
    };
    everybody(&mut world, &just_enough);
    offer(&mut world, Who::Provider(0), too_small.clone());
    offer(&mut world, Who::Provider(1), adapters);
    for _ in 0..4 {
        let order = world.post(&terms);
        assert_eq!(world.assign(order), Who::Provider(2));
    }
    // Nor is anybody drawn whose run nobody could audit.
    let mut world = World::new();
    everybody(&mut world, &just_enough);
    for auditor in 0..AUDITORS {
        offer(&mut world, Who::Auditor(auditor), too_small.clone());
    }
    let order = world.post(&terms);
    world.advance(blocks(terms.deadlines.assign) + 2);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoProvider));
}

#[test]
fn a_slot_is_free_again_when_its_order_has_ended() {
    let mut world = World::new();
    let one = Offer {
        orders: 1,
        ..Offer::anything()
    };
    everybody(&mut world, &one);
    let truth = Run::truth(&terms());
    let order = world.ran(&truth);
    let provider = world.provider(order);
    let auditors = world.audit(order, &truth, |_, _| truth.clone());
    let serving = |world: &World, who| world.registration(who).serving;
    assert_eq!(serving(&world, provider), 1);
    assert!(auditors.iter().all(|who| serving(&world, *who) == 1));
    world.advance(blocks(terms().deadlines.complain) + 2);
    for who in Who::all().filter(|who| who.role().is_some()) {
        assert_eq!(serving(&world, who), 0, "{who:?}");
    }
}

#[test]
fn a_cut_frees_the_slot_as_a_release_does() {
    let mut world = World::new();
    // Late: a fifth is cut, the rest released.
    let order = world.posted();
    let provider = world.assign(order);
    world.grant_to_provider(order);
    assert_eq!(world.registration(provider).serving, 1);
    world.advance(blocks(terms().deadlines.run) + 1);
    assert_eq!(world.failures(order)[0].0, provider.id());
    assert_eq!(world.registration(provider).serving, 0);
}

#[test]
fn an_offer_goes_with_the_roles_that_are_drawn_and_with_no_others() {
    let mut world = World::new();
    let register = |role, offer| AccountCall::Register {
        role,
        bond: Amount::tokens(1),
        encryption_key: Who::Stranger.secret().encryption().public(),
        address: BoundedString::new("localhost:1").unwrap(),
        offer,
    };
    for role in [Role::Provider, Role::Auditor] {
        let refused = Refusal::Account(AccountRefusal::NoOffer { role });
        assert_eq!(world.refuse(Who::Stranger, register(role, None)), refused);
    }
    let role = Role::Storage;
    let refused = Refusal::Account(AccountRefusal::OfferUnused { role });
    let call = register(role, Some(Offer::standard()));
    assert_eq!(world.refuse(Who::Stranger, call), refused);
}
