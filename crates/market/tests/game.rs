//! The rules that are shipped make honesty pay, and rules that do not are found out.
//!
//! Seeds are fixed, so that a figure changes only when the code does. `ASSAY_CASES` sets the orders for
//! each way to play.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and shows its figures"
)]

use assay_ledger::{Amount, Parameters, Ppm};
use assay_market::{Kind, Part, Plan, Report, Row, Settings, simulate};

fn cases(default: u64) -> u64 {
    match std::env::var("ASSAY_CASES") {
        Ok(text) => text.parse().expect("ASSAY_CASES is a whole number"),
        Err(_) => default,
    }
}

/// So many orders of each way to play, with accomplices that hold a share of the auditors' bonds.
fn orders(orders: u64, collusion_ppm: u32) -> Plan {
    Plan {
        seed: 0,
        orders: cases(orders),
        collusion_ppm,
        draws: 0,
    }
}

fn played(settings: &Settings, plan: &Plan) -> Report {
    let report = simulate(settings, plan, 2, &|_| ()).unwrap();
    println!("seed {}, {} orders each", plan.seed, plan.orders);
    for row in &report.rows {
        let Row {
            part, name, mean, ..
        } = row;
        let verdict = (row.pays, row.loses);
        println!(
            "{:<24}{name:<34}{mean:>10.4} +- {:.4} {verdict:?}",
            part.name(),
            row.error
        );
    }
    report
}

fn row<'a>(report: &'a Report, part: Part, name: &str) -> &'a Row {
    let mut rows = report.of(part);
    rows.find(|row| row.name == name).unwrap()
}

#[test]
fn no_cheat_brings_as_much_as_honesty() {
    for percent in [0, 10, 20, 30] {
        let report = played(&Settings::default(), &orders(120, percent * 10_000));
        let failures: Vec<_> = report.failures().collect();
        assert!(failures.is_empty(), "{percent}%: {failures:#?}");
        for part in Part::ALL {
            let (honest, best) = (report.honest(part), report.best_cheat(part));
            let (honest, best) = (honest.unwrap(), best.unwrap());
            assert!(best.mean < honest.mean, "{percent}%: {best:?}");
            assert!(honest.mean > 0.0, "{percent}%: {honest:?}");
        }
    }
}

/// Work that costs nearly all it pays is what tempts most.
fn dear() -> Settings {
    Settings {
        cost: Amount::tokens(9),
        ..Settings::default()
    }
}

const FAKES: &str = "fakes all, friends pass it";

#[test]
fn accomplices_pay_once_they_are_too_many() {
    let few = played(&dear(), &orders(60, 300_000));
    assert!(row(&few, Part::Ring, FAKES).loses);
    // At the formula's end: nine in ten pass more than four of five lies.
    let many = played(&dear(), &orders(250, 900_000));
    assert!(row(&many, Part::Ring, FAKES).pays);
    assert!(many.failures().any(|row| row.name == FAKES));
}

#[test]
fn a_bond_that_is_too_small_deters_nobody() {
    let bonded = |tokens| Settings {
        cost: Amount::tokens(10),
        provider_bond: Amount::tokens(tokens),
        ..dear()
    };
    let plan = orders(400, 500_000);
    assert!(row(&played(&bonded(20), &plan), Part::Ring, FAKES).loses);
    assert!(!row(&played(&bonded(1), &plan), Part::Ring, FAKES).loses);
}

#[test]
fn an_auditor_that_would_have_to_work_for_more_than_it_can_lose_stamps() {
    let settings = Settings {
        // A quarter of it is more than what an auditor has at stake.
        cost: Amount::tokens(400),
        ..Settings::default()
    };
    let report = played(&settings, &orders(20, 0));
    assert!(row(&report, Part::Auditor, "stamps without a look").pays);
}

/// What the rules do not stop, which `docs/market.md` tells: if they ever do, that page is to be changed.
#[test]
fn who_shares_a_replay_earns_more_and_passes_nothing_wrong() {
    let report = played(&Settings::default(), &orders(60, 0));
    let shared = row(&report, Part::Auditor, "one replay for two seats");
    assert_eq!(shared.kind, Kind::Shirks);
    assert!(shared.pays);
}

/// Where all honest auditors are kept busy, validators audit, and find what accomplices would have passed.
#[test]
fn who_keeps_honest_auditors_busy_does_not_choose_its_own() {
    const CROWDS: &str = "fakes all, others kept busy";
    let plan = orders(60, 300_000);
    let report = played(&Settings::default(), &plan);
    assert!(row(&report, Part::Ring, CROWDS).loses);
    // Where auditors are drawn among whoever is free, all lies pass.
    let parameters = Parameters {
        least_free: Ppm(0),
        ..Parameters::default()
    };
    let unguarded = Settings {
        parameters,
        ..Settings::default()
    };
    assert!(row(&played(&unguarded, &plan), Part::Ring, CROWDS).pays);
}

#[test]
fn bonds_that_stop_cheating_are_those_of_the_formula() {
    let plan = Plan {
        orders: 0,
        draws: 100_000,
        ..orders(0, 300_000)
    };
    let report = simulate(&Settings::default(), &plan, 2, &|_| ()).unwrap();
    assert_eq!(report.break_even.len(), 3);
    for case in &report.break_even {
        println!("{case:?} off {:+.4}", case.off());
        assert!(case.off().abs() < 0.02, "{case:?}");
    }
}

#[test]
fn the_same_plan_gives_the_same_report_on_any_number_of_threads() {
    let plan = Plan {
        orders: 3,
        draws: 640,
        ..orders(3, 300_000)
    };
    let on = |threads| simulate(&Settings::default(), &plan, threads, &|_| ()).unwrap();
    assert_eq!(format!("{:?}", on(1)), format!("{:?}", on(3)));
    let other = Plan { seed: 1, ..plan };
    let other = simulate(&Settings::default(), &other, 2, &|_| ()).unwrap();
    assert_ne!(format!("{:?}", on(2).rows), format!("{:?}", other.rows));
}
