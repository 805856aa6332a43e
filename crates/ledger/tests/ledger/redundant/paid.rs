//! Honest copies are paid, and their life is told whole.

use assay_ledger::{Amount, OrderCall, Outcome, Phase, RunIndex};

use super::crew::{all_free, copies, crowd, gain, tokens, truth};
use crate::life_events::{expect, lines};
use crate::world::{Who, World, parameters};

#[test]
fn an_honest_trio_is_paid_a_price_each() {
    let mut world = crowd();
    let runs = [truth(), truth(), truth()];
    let order = world.committed(&runs);
    // A price for each copy, and the idle fee of each run that there can be.
    let escrow = world.order(order).head.escrow;
    assert_eq!(Some(escrow), copies(3).escrow(&parameters()));
    assert_eq!(gain(&world, Who::Requester), -i128::from(escrow.0));
    for run in 0..3 {
        assert_eq!(world.phase(order), Phase::Revealing);
        world.reveal_run(order, run, &runs[run as usize]);
    }
    let record = world.order(order);
    assert_eq!(record.head.phase, Phase::Accepted);
    assert_eq!(record.disputes, []);
    // The result that is delivered is the first run's.
    assert_eq!(record.result_run().unwrap().index, RunIndex(0));
    world.expire(order);
    let head = world.order(order).head;
    assert_eq!(
        (head.phase, head.outcome, head.escrow),
        (Phase::Settled, Some(Outcome::Paid), Amount::ZERO)
    );
    for run in 0..3 {
        assert_eq!(gain(&world, world.runner(order, run)), tokens(10));
    }
    assert_eq!(gain(&world, Who::Requester), tokens(-30));
    all_free(&world);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn every_number_of_copies_works_and_all_share_one_seed() {
    for count in 2..=8u8 {
        let mut world = crowd();
        let runs = vec![truth(); count.into()];
        let order = world.compared(&runs);
        assert_eq!(world.phase(order), Phase::Accepted, "{count}");
        let record = world.order(order);
        let first = record.runs[0].seed;
        assert!(
            record
                .runs
                .iter()
                .all(|run| run.seed == first && first.is_some())
        );
        world.apply(Who::Requester, OrderCall::Accept { order });
        let spent = tokens(-10) * i128::from(count);
        assert_eq!(gain(&world, Who::Requester), spent);
        all_free(&world);
    }
}

/// Providers reveal in any order.
#[test]
fn the_order_of_reveals_does_not_matter() {
    let mut world = crowd();
    let order = world.committed(&[truth(), truth(), truth()]);
    for run in [2, 0, 1] {
        world.reveal_run(order, run, &truth());
    }
    assert_eq!(world.phase(order), Phase::Accepted);
}

#[test]
fn the_life_of_a_trio_is_told_whole() {
    let mut world = World::new();
    let order = world.compared(&[truth(), truth(), truth()]);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(copies(3).pay(), Some(Amount::tokens(30)));
    let told = world.told.iter();
    // Of the files that they record beside it the life of a trace tells already.
    let told = told.filter(|told| !matches!(told.event, assay_ledger::Event::File(_)));
    expect(&lines(told), TRIO);
}

const TRIO: &str = "
    3 0 posted escrow 32.0
    3 0 phase posted
    4 block asked provider Provider(2) Provider(0) Provider(1)
    4 block phase asked
    5 0 accepted Provider(2)
    5 1 accepted Provider(0)
    5 2 accepted Provider(1)
    5 2 drawn Provider(2) run 0
    5 2 drawn Provider(0) run 1
    5 2 drawn Provider(1) run 2
    5 2 phase taken
    6 block phase assigned
    7 0 granted Requester to Provider(2)
    8 0 granted Requester to Provider(0)
    9 0 granted Requester to Provider(1)
    9 0 phase running
    10 0 committed Provider(2)
    11 0 committed Provider(0)
    12 0 committed Provider(1)
    12 0 phase revealing
    14 0 trace Provider(2)
    16 0 trace Provider(0)
    18 0 trace Provider(1)
    18 0 phase delivering
    19 0 delivered Provider(2)
    20 0 delivered Provider(0)
    21 0 delivered Provider(1)
    21 0 phase accepted
    22 0 paid Provider(2) 10.0
    22 0 paid Provider(0) 10.0
    22 0 paid Provider(1) 10.0
    22 0 paid Requester 2.0
    22 0 ended Paid
";
