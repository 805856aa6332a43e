//! Validators that lie about updates and models.

use assay_sim::{OrderReport, OrderSettings, PartyLiar, Report, run};

use super::settings;
use crate::cases;
use crate::scenarios::{PAID, TOKEN, liars, scenario, sound};

fn with_liars(kind: PartyLiar, who: &[usize]) -> OrderSettings {
    let mut order = settings(4);
    order.liars = vec![liars(kind, who, 1_000)];
    order
}

fn earned(order: &OrderReport, name: &str) -> i128 {
    let found = order.parties.iter().find(|party| party.name == name);
    found.unwrap().earned
}

const KINDS: [PartyLiar; 3] = [
    PartyLiar::WrongModel,
    PartyLiar::FalseHolder,
    PartyLiar::SilentMerger,
];

#[test]
fn one_of_four_validators_can_lie_about_rounds_and_changes_nothing() {
    for kind in KINDS {
        for seed in 0..cases(3) {
            let order = with_liars(kind, &[1]);
            sound(&scenario(seed, order), |order| {
                assert_eq!(order.first().outcome, PAID);
                for who in 0..4 {
                    assert_eq!(earned(order, &format!("provider {who}")), 30 * TOKEN);
                }
                // Who says which updates it holds without a look can still merge them.
                if kind != PartyLiar::FalseHolder {
                    assert_eq!(earned(order, "validator 1"), 0, "{kind}, seed {seed}");
                }
            });
        }
    }
}

/// More hold an update than can lie, so what one liar says that it holds counts for nobody.
#[test]
fn an_update_that_only_a_liar_says_it_holds_is_not_waited_for() {
    for seed in 0..cases(6) {
        let mut order = with_liars(PartyLiar::FalseHolder, &[2]);
        order
            .liars
            .push(liars(PartyLiar::WithheldUpdate, &[0], 1_000));
        sound(&scenario(seed, order), |order| {
            assert_eq!(order.first().outcome, PAID);
            let of = |who| earned(order, &format!("provider {who}"));
            assert_eq!([0, 1, 2, 3].map(of), [0, 30, 30, 30].map(|sum| sum * TOKEN));
        });
    }
}

/// What two of four bring about, where at most one may lie: the rules stand on that.
fn beyond(kind: PartyLiar, others: &[PartyLiar]) -> Report {
    let mut order = with_liars(kind, &[0, 1]);
    let others = others.iter().map(|kind| liars(*kind, &[0], 1_000));
    order.liars.extend(others);
    run(&scenario(1, order)).unwrap()
}

#[test]
fn two_of_four_can_keep_rounds_from_merging() {
    for kind in [PartyLiar::WrongModel, PartyLiar::SilentMerger] {
        let report = beyond(kind, &[]);
        let closed = &report.orders[0].closed;
        assert!(
            closed.iter().any(|why| why.contains("no first model")),
            "{closed:?}"
        );
        assert!(!report.is_safe());
    }
    // They say that they hold what there is not, and the others wait for it in vain.
    let report = beyond(PartyLiar::FalseHolder, &[PartyLiar::WithheldUpdate]);
    let closed = &report.orders[0].closed;
    assert!(
        closed.iter().any(|why| why.contains("merged nothing")),
        "{closed:?}"
    );
    assert!(report.orders[0].losses.is_empty(), "{}", report.table());
}
