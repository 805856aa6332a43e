//! Ledger time: what makes deadlines pass, and what does not.

use assay_ledger::{
    Deadlines, LedgerTime, MAX_BLOCK_MS, OrderCall, OrderRefusal, Parameters, Phase, Refusal,
    Terms, query,
};

use crate::world::{BOND, Run, Who, World, parameters, terms};

/// A network whose phases last a minute and five blocks at least.
fn world() -> World {
    World::with(Parameters {
        floors: Deadlines {
            reveal: 15_000,
            ..Deadlines::all(60_000)
        },
        min_blocks: 5,
        ..parameters()
    })
}

/// Terms at the floors.
fn at_the_floors() -> Terms {
    Terms {
        deadlines: Deadlines::all(60_000),
        ..terms()
    }
}

fn now(world: &World) -> LedgerTime {
    query::now(&world.store).unwrap().time
}

/// An order whose provider has its keys, in a network with a block every second.
fn running(terms: &Terms) -> (World, assay_ledger::OrderId, Who) {
    let mut world = world();
    let order = world.post(terms);
    let provider = world.assign(order);
    world.grant_to_provider(order);
    assert_eq!(world.phase(order), Phase::Running);
    (world, order, provider)
}

#[test]
fn time_is_what_passed_between_blocks_and_a_bounded_share_of_a_halt() {
    let mut world = World::new();
    world.block(vec![]);
    assert_eq!(now(&world), LedgerTime(0), "it begins with the first block");
    let mut expected = 0;
    for gap in [1, 25, 1_000, MAX_BLOCK_MS, MAX_BLOCK_MS + 1, 3_600_000, 200] {
        world.gap_ms = gap;
        world.block(vec![]);
        expected += gap.min(MAX_BLOCK_MS);
        assert_eq!(now(&world), LedgerTime(expected), "{gap}");
    }
}

#[test]
fn blocks_that_come_fast_shorten_no_deadline() {
    let (mut world, order, _) = running(&at_the_floors());
    let begun = world.height();
    world.gap_ms = 25;
    // More blocks than the phase would last in seconds, forty times over.
    world.advance(2_398);
    assert_eq!(world.phase(order), Phase::Running);
    world.commit(order, &Run::truth(&at_the_floors()));
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(world.height(), begun.after(2_400));
}

#[test]
fn a_halted_chain_costs_nobody_a_bond() {
    let (mut world, order, provider) = running(&at_the_floors());
    for _ in 0..5 {
        world.gap_ms = 3_600_000;
        world.advance(1);
    }
    world.gap_ms = 1_000;
    // Of five hours not a minute counted, and what is left of the phase is left.
    world.advance(8);
    world.commit(order, &Run::truth(&at_the_floors()));
    assert_eq!(world.phase(order), Phase::Committed);
    assert_eq!(world.registration(provider).bond, BOND);
}

#[test]
fn a_phase_lasts_its_least_number_of_blocks() {
    let (mut world, order, _) = running(&at_the_floors());
    let begun = world.order(order).head.since;
    let network = Parameters {
        floors: Deadlines::all(0),
        ..world.genesis.parameters.clone()
    };
    // With no time at all, in a chain that is slow: the blocks decide.
    for gap in [1, 1_000, 3_600_000] {
        let mut world = World::with(network.clone());
        let brief = Terms {
            deadlines: Deadlines {
                run: 0,
                ..at_the_floors().deadlines
            },
            ..terms()
        };
        let order = world.post(&brief);
        world.assign(order);
        world.grant_to_provider(order);
        world.gap_ms = gap;
        world.advance(4);
        assert_eq!(world.phase(order), Phase::Running, "{gap}");
        let early = world.would(Who::Requester, OrderCall::Cancel { order });
        assert!(!matches!(
            early,
            assay_ledger::Status::Refused(Refusal::Order(OrderRefusal::TooLate { .. }))
        ));
        world.advance(2);
        assert_ne!(world.phase(order), Phase::Running, "{gap}");
        crate::watch::check_timers(&world.store);
        assert_eq!(world.replay(), world.root);
    }
    // With few blocks, the time does.
    world.gap_ms = MAX_BLOCK_MS;
    world.advance(6);
    assert_eq!(world.phase(order), Phase::Running);
    assert_eq!(now(&world), begun.time.after(60_000));
    world.advance(1);
    assert_ne!(world.phase(order), Phase::Running);
}

#[test]
fn phases_below_the_floors_are_refused() {
    let mut world = world();
    let short = Terms {
        deadlines: Deadlines {
            dispute: 59_999,
            ..Deadlines::all(60_000)
        },
        ..terms()
    };
    world.post(&at_the_floors());
    let refusal = world.refuse(Who::Requester, OrderCall::Post(Box::new(short)));
    let text = refusal.to_string();
    assert!(text.contains("the dispute deadline is 59.999 s"), "{text}");
    assert!(text.contains("from 1 min"), "{text}");
}
