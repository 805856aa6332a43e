//! Orders in which everybody keeps the rules.

use assay_ledger::{Amount, Outcome, Phase, Role};
use assay_proof::Outcome as End;
use assay_proof::harness::{BALANCE, Cast, CounterPrograms, Plan, World};

fn counter() -> CounterPrograms {
    CounterPrograms
}

fn honest(plan: Plan) -> World {
    World::new(plan, Cast::honest((2, 3, 4), counter), counter)
}

#[test]
fn an_honest_order_goes_from_posting_to_payout() {
    let mut world = honest(Plan::default());
    let order = world.run();
    assert_eq!(order.phase, Phase::Settled);
    assert_eq!(order.outcome, Some(Outcome::Paid));
    assert_eq!(world.refused, []);
    assert_eq!(order.failures, []);
    assert_eq!(order.disputes, []);
    world.tick();
    for member in &world.members {
        assert_eq!(member.outcome, Some(End::Settled), "{}", member.name);
    }
    let spent = BALANCE.0 - world.balance(0).0;
    assert!(
        spent > Amount::tokens(110).0 && spent < Amount::tokens(111).0,
        "{spent}"
    );
    for auditor in world.all(Role::Auditor) {
        assert_eq!(world.bond(auditor, Role::Auditor), Amount::tokens(1_000));
    }
}
