//! Orders that many trainers do together, round by round.

mod honest;
mod mergers;
mod trainers;

use assay_ledger::{Amount, Event, Order, OrderEvent, OrderId};
use assay_sim::orders::{Money, Plan, RoundsPlan, World};
use assay_sim::{OrderSettings, ProcedureName, RoundsSettings, TermsSettings};

/// What a trainer earns in a round.
pub(crate) const PRICE: Amount = Amount::tokens(10);

/// Four trainers, of which one is audited in each round: the least bond that its terms may have.
pub(crate) fn plan(rounds: u16) -> Plan {
    let plan = Plan {
        steps: 5,
        segment_steps: 2,
        drawn: 1,
        deadline: 60,
        money: Money {
            price: PRICE,
            provider_bond: Amount::tokens(80),
            ..Money::default()
        },
        ..Plan::default()
    };
    plan.in_rounds(RoundsPlan {
        rounds,
        least: 2,
        most: 4,
        audited: 1,
        parameters: 4,
        merge_fee: Amount(400_000),
        trainers: 4,
    })
}

/// The same as a scenario has it, with so many trainers.
pub(crate) fn settings(providers: usize) -> OrderSettings {
    let price = 10_000_000;
    OrderSettings {
        procedure: ProcedureName::Rounds,
        copies: None,
        rounds: Some(RoundsSettings::default()),
        providers,
        auditors: 3,
        steps: 5,
        terms: TermsSettings {
            price,
            provider_bond: 2 * price * providers as u64,
            segments_drawn: 1,
            ..TermsSettings::default()
        },
        ..crate::scenarios::redundant(providers)
    }
}

/// What happened in an order, in order.
pub(crate) fn events(world: &World, order: OrderId) -> Vec<OrderEvent> {
    let of = |event| match event {
        Event::Order { order: id, event } if id == order => Some(event),
        _ => None,
    };
    world.events().into_iter().filter_map(of).collect()
}

/// How many rounds merged something.
pub(crate) fn merged(world: &World, order: &Order) -> usize {
    let events = events(world, order.head.id).into_iter();
    let merged = events.filter(|event| matches!(event, OrderEvent::Merged { .. }));
    merged.count()
}

#[test]
fn rounds_are_said_where_there_are_some_and_nowhere_else() {
    let file = |body: &str| {
        let order =
            "validators = 4\nduration_ms = 1000\nengine = false\n[[orders]]\nproviders = 2\n";
        assay_sim::Scenario::parse(&format!("{order}{body}\n"))
    };
    let rounds = "procedure = \"rounds\"\n[orders.rounds]\n";
    assert!(file(rounds).is_ok());
    let wrong = [
        ("procedure = \"rounds\"", "say in `[orders.rounds]`"),
        ("procedure = \"traced\"\n[orders.rounds]", "leave it away"),
        (&format!("{rounds}rounds = 0"), "`rounds` is 0"),
        (&format!("{rounds}trainers = 3"), "`trainers` is 3"),
    ];
    for (body, why) in wrong {
        let error = file(body).unwrap_err().to_string();
        assert!(error.contains(why), "{body}: {error}");
    }
}
