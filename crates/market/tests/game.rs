//! The shipped rules make honesty pay; rules that do not are told apart.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use assay_market::{Broken, Kind, Part, Plan, Report, Settings, simulate};

fn cases(default: u64) -> u64 {
    match std::env::var("ASSAY_CASES") {
        Ok(text) => text.parse().expect("ASSAY_CASES is a whole number"),
        Err(_) => default,
    }
}

fn plan() -> Plan {
    Plan {
        seed: 0,
        orders: cases(60),
        collusion_ppm: 300_000,
        draws: 0,
    }
}

fn played(settings: &Settings, plan: &Plan) -> Result<Report, Broken> {
    simulate(settings, plan, 2, &|_| ())
}

#[test]
fn look() {
    let t = std::time::Instant::now();
    let report = played(&Settings::default(), &Plan { draws: cases(60) * 100, ..plan() }).unwrap();
    for row in &report.rows {
        println!("{:?} {:?} {:?} {} {:.4} +-{:.4} from {:?} pays {} loses {}", row.part, row.name, row.kind, row.units, row.mean, row.error, row.pays_from, row.pays, row.loses);
    }
    for b in &report.break_even { println!("{b:?} {}", b.off()); }
    println!("{} {} {} {:?}", report.provider_earns_until, report.auditor_earns_until, report.deterred_cost, t.elapsed());
    let _ = (Kind::Cheat, Part::ALL);
}
