//! Orders in scenario files, and the program that runs them.

use std::process::{Command, Output};

use assay_sim::{
    Fault, OrderReport, OrderSettings, PaceSettings, PartyLiar, PartyLiars, ProcedureName, Report,
    Scenario, TermsSettings, run,
};

use crate::cases;

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/simulation-redundant.toml"
);

/// A scenario of one order without an engine.
pub(crate) fn scenario(seed: u64, order: OrderSettings) -> Scenario {
    let scenario = Scenario {
        engine: false,
        orders: vec![order],
        ..Scenario::quiet(4, seed, 900_000)
    };
    scenario.check().unwrap();
    scenario
}

pub(crate) fn redundant(providers: usize) -> OrderSettings {
    OrderSettings {
        procedure: ProcedureName::Redundant,
        copies: Some(3),
        rounds: None,
        providers,
        auditors: 0,
        attempts: 1,
        steps: 20,
        segment_steps: 2,
        deadline_seconds: 200,
        kills_per_mille: 0,
        delay_seconds: 0,
        storage_nodes: 1,
        replicas: 1,
        leave_out: Vec::new(),
        terms: TermsSettings::default(),
        liars: Vec::new(),
        beside: Vec::new(),
        happenings: Vec::new(),
    }
}

fn traced() -> OrderSettings {
    OrderSettings {
        procedure: ProcedureName::Traced,
        copies: None,
        auditors: 3,
        attempts: 2,
        ..redundant(2)
    }
}

pub(crate) fn liars(kind: PartyLiar, who: &[usize], faked_per_mille: u32) -> PartyLiars {
    PartyLiars {
        kind,
        who: who.to_vec(),
        faked_per_mille,
        lie: 7,
    }
}

/// The report of the one order, which is sound; prints the scenario if anything fails.
pub(crate) fn sound(scenario: &Scenario, look: impl FnOnce(&OrderReport)) -> Report {
    struct Told<'a>(&'a Scenario);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("--- the scenario ---\n{}", self.0.to_toml());
            }
        }
    }
    let _told = Told(scenario);
    let report = run(scenario).unwrap();
    assert!(report.is_safe(), "{}", report.table());
    look(&report.orders[0]);
    report
}

/// How a paid order ends.
pub(crate) const PAID: &str = "accepted: everybody whose work stands was paid";
pub(crate) const TOKEN: i128 = 1_000_000;

#[test]
fn two_colluders_lose_and_the_honest_one_is_paid_and_rewarded() {
    for seed in 0..cases(4) {
        let mut order = redundant(3);
        order.liars = vec![liars(PartyLiar::Lazy, &[0, 1], 100)];
        sound(&scenario(seed, order), |order| {
            assert_eq!(order.first().outcome, PAID);
            assert!(order.first().disputes > 0);
            for party in order.parties.iter().filter(|party| party.lie.is_some()) {
                assert_eq!(party.slashed, 50 * TOKEN, "{}", party.name);
                assert!(party.earned <= 0, "{} was paid", party.name);
            }
            let honest = order.parties.iter().find(|p| p.name == "provider 2");
            let honest = honest.unwrap();
            assert_eq!(honest.slashed, 0);
            assert!(honest.earned > 100 * TOKEN, "{honest:?}");
        });
    }
}

#[test]
fn an_honest_trio_is_paid_and_kills_change_nothing() {
    let mut killed = 0;
    for seed in 0..cases(4) {
        for kills_per_mille in [0, 30] {
            let order = OrderSettings {
                kills_per_mille,
                delay_seconds: 2,
                deadline_seconds: 400,
                ..redundant(3)
            };
            sound(&scenario(seed, order), |order| {
                assert_eq!(
                    (order.first().outcome.as_str(), order.first().disputes),
                    (PAID, 0)
                );
                let providers = order
                    .parties
                    .iter()
                    .filter(|p| p.name.starts_with("provider"));
                for provider in providers {
                    assert_eq!((provider.earned, provider.slashed), (100 * TOKEN, 0));
                }
                killed += order.parties.iter().map(|party| party.kills).sum::<u32>();
            });
        }
    }
    assert!(killed > 4, "{killed} kills are no test");
}

#[test]
fn every_liar_can_be_named_and_costs_nobody_honest_anything() {
    for kind in PartyLiar::ALL {
        let who: &[usize] = if kind.role().is_some() { &[0] } else { &[] };
        for mut order in [traced(), redundant(4)] {
            if kind.role() == Some(assay_ledger::Role::Auditor) && order.auditors == 0 {
                continue;
            }
            order.liars = vec![liars(kind, who, 1_000)];
            let scenario = scenario(3, order);
            assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
            sound(&scenario, |_| {});
        }
    }
}

#[test]
fn equal_seeds_give_equal_histories_and_other_seeds_others() {
    let rough = |seed| {
        let order = OrderSettings {
            kills_per_mille: 20,
            delay_seconds: 2,
            deadline_seconds: 400,
            ..traced()
        };
        run(&scenario(seed, order)).unwrap()
    };
    let first = rough(5);
    assert_eq!(rough(5), first);
    assert_ne!(rough(6).orders[0].history, first.orders[0].history);
}

#[test]
fn an_order_whose_honest_party_loses_or_that_does_not_end_is_no_success() {
    let mut order = traced();
    // All judges but one say in every dispute that they found nothing.
    order.liars = vec![
        liars(PartyLiar::ConstantJudge, &[0, 1, 2], 1_000),
        liars(PartyLiar::FalseChallenger, &[0, 1, 2], 1_000),
    ];
    let report = run(&scenario(1, order)).unwrap();
    assert!(!report.orders[0].losses.is_empty(), "{}", report.table());
    assert!(!report.is_safe());

    let short = Scenario {
        duration_ms: 5_000,
        ..scenario(1, traced())
    };
    let report = run(&short).unwrap();
    assert!(!report.orders[0].first().ended && !report.is_safe());
    assert!(report.orders[0].first().outcome.starts_with("still "));
}

/// Four times an order waits for a beacon and for nothing else. Blocks without a transaction are far apart
/// here, and it waits for none of them.
#[test]
fn an_order_that_waits_for_a_draw_starts_a_block_at_once() {
    let interval_ms = 6_000;
    let scenario = Scenario {
        engine: true,
        busy: false,
        duration_ms: 4 * interval_ms,
        pace: PaceSettings {
            block_interval_ms: interval_ms,
            ..PaceSettings::default()
        },
        ..scenario(1, traced())
    };
    scenario.check().unwrap();
    let report = sound(&scenario, |order| assert_eq!(order.first().outcome, PAID));
    // Its draws start blocks, and nothing else does.
    let idle = scenario.duration_ms / interval_ms;
    let most = report.transactions as u64 + 4 + idle;
    assert!(report.height <= most, "{} > {most}", report.height);
}

#[test]
fn validators_that_run_an_engine_carry_an_order_while_one_is_killed_and_comes_back() {
    let mut order = redundant(3);
    order.liars = vec![liars(PartyLiar::Lazy, &[0, 1], 100)];
    let scenario = Scenario {
        engine: true,
        busy: false,
        duration_ms: 16_000,
        faults: vec![
            Fault::Kill {
                at_ms: 2_000,
                validators: vec![1],
            },
            Fault::Restart {
                at_ms: 3_000,
                validators: vec![1],
            },
        ],
        ..scenario(1, order)
    };
    scenario.check().unwrap();
    let report = sound(&scenario, |order| assert_eq!(order.first().outcome, PAID));
    assert!(
        report.height > 5 && report.transactions > 10,
        "{}",
        report.table()
    );
    assert_eq!(run(&scenario).unwrap(), report);
}

#[test]
fn impossible_orders_are_refused_with_what_is_wrong() {
    let base = "validators = 4\nduration_ms = 1000\n";
    let order = |body: &str| {
        format!("{base}engine = false\n[[orders]]\nprocedure = \"redundant\"\n{body}\n")
    };
    let liar = |body: &str| {
        order(&format!(
            "copies = 3\nproviders = 3\n[[orders.liars]]\n{body}"
        ))
    };
    let cases = [
        (format!("{base}engine = false"), "nothing to simulate"),
        (order("copies = 3"), "missing field `providers`"),
        (
            order("providers = 3"),
            "order 1: `copies` is 0; between 2 and 8",
        ),
        (order("copies = 9\nproviders = 3"), "`copies` is 9"),
        (order("copies = 3\nproviders = 0"), "`providers` is 0"),
        (order("copies = 3\nproviders = 1025"), "between 1 and 1024"),
        (
            order("copies = 3\nproviders = 3\nattempts = 17"),
            "`attempts` is 17",
        ),
        (
            order("copies = 3\nproviders = 3\nsteps = 10001"),
            "`steps` is 10001",
        ),
        (
            order("copies = 3\nproviders = 3\nsteps = 4\nsegment_steps = 5"),
            "`segment_steps` is 5; between 1 and 4",
        ),
        (
            order("copies = 3\nproviders = 3\nkills_per_mille = 501"),
            "`kills_per_mille` is 501",
        ),
        (
            order("copies = 3\nproviders = 3\ndelay_seconds = 1001"),
            "`delay_seconds` is 1001",
        ),
        (
            order("copies = 3\nproviders = 3").replace("redundant", "traced"),
            "`copies` is for `redundant` orders",
        ),
        (
            order("providers = 3").replace("redundant", "guessed"),
            "unknown variant `guessed`",
        ),
        (
            liar("kind = \"joker\"\nwho = [1]"),
            "unknown variant `joker`",
        ),
        (
            liar("kind = \"lazy\"\nwho = [3]"),
            "and there are 3 of that role",
        ),
        (liar("kind = \"lazy\"\nwho = [1, 1]"), "named already"),
        (liar("kind = \"lazy\""), "names nobody in `who`"),
        (
            liar("kind = \"blind\"\nwho = [0]"),
            "and there are 0 of that role",
        ),
        (
            liar("kind = \"wrong-keys\"\nwho = [1]"),
            "there are 1 of that role",
        ),
        (
            liar("kind = \"lazy\"\nwho = [0]\nfaked_per_mille = 0"),
            "`faked_per_mille` is 0",
        ),
        (
            order("copies = 3\nproviders = 3\nreplicas = 2"),
            "`replicas` is 2; between 1 and 1",
        ),
        (
            order(
                "copies = 3\nproviders = 3\n[[orders.happenings]]\norder = 1\nwhat = { deed = \"node-dies\", node = 0 }",
            ),
            "happening 1: `order` is 1; between 0 and 0",
        ),
        (
            order(
                "copies = 3\nproviders = 3\n[[orders.happenings]]\nwhat = { deed = \"node-dies\", node = 1 }",
            ),
            "happening 1 names number 1",
        ),
        (
            order(
                "copies = 3\nproviders = 3\n[[orders.happenings]]\nwhat = { deed = \"change\", role = \"storage\", who = 0, into = \"left\" }",
            ),
            "happening 1 names number 0, and there are 0",
        ),
        (
            order(
                "copies = 3\nproviders = 3\n[[orders.beside]]\nrequester = 16\nprocedure = \"traced\"\nattempts = 1\nsteps = 2\nsegment_steps = 1\ndeadline_seconds = 9",
            ),
            "beside it 1: `requester` is 16",
        ),
        (
            format!(
                "{}[links]\nlatency_ms = 9\n",
                order("copies = 3\nproviders = 3")
            ),
            "`links` is for validators that run an engine",
        ),
        (
            order("copies = 3\nproviders = 3\n[[orders]]\nprocedure = \"traced\"\nproviders = 1")
                .replace("engine = false", "engine = true"),
            "2 orders with an engine",
        ),
    ];
    for (text, expected) in cases {
        let error = Scenario::parse(&text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(expected), "{text}\n{told}\n{expected}");
    }
}

fn assay_sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay-sim"));
    command.args(arguments).env_remove("RUST_LOG");
    command.output().unwrap()
}

#[test]
fn the_program_runs_the_example_and_repeats_it() {
    let table = assay_sim(&["run", EXAMPLE]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.success(), "{text}");
    let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name));
    assert!(line("outcome").unwrap().contains(PAID), "{text}");
    assert!(line("honest losers").unwrap().contains("none"), "{text}");
    assert!(line("provider 0").unwrap().contains("lazy"), "{text}");
    let again = assay_sim(&["--json", "replay", EXAMPLE]);
    assert!(again.status.success());
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    let history = json["orders"][0]["history"].as_str().unwrap();
    assert!(line("history").unwrap().contains(history), "{text}\n{json}");
}
