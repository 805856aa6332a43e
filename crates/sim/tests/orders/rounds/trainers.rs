//! Trainers that lie lose what they have at stake, or gain nothing; nobody honest loses.

use assay_sim::{
    OrderReport, OrderSettings, PartyLiar, PartyReport, RoundsSettings, Scenario, run,
};

use super::settings;
use crate::cases;
use crate::scenarios::{PAID, TOKEN, liars, scenario, sound};

/// Four trainers, of whom so many are audited in each of so many rounds. The first lies.
fn with_liar(kind: PartyLiar, audited: u16, rounds: u16) -> OrderSettings {
    let mut order = settings(4);
    order.rounds = Some(RoundsSettings {
        rounds,
        audited,
        ..RoundsSettings::default()
    });
    order.liars = vec![liars(kind, &[0], 1_000)];
    order
}

fn trainer(order: &OrderReport, who: usize) -> &PartyReport {
    let name = format!("provider {who}");
    let mut found = order.parties.iter().filter(|party| party.name == name);
    found.next().unwrap()
}

/// The others were paid for every round.
fn assert_paid(order: &OrderReport, rounds: i128) {
    assert_eq!(order.first().outcome, PAID);
    for who in 1..4 {
        assert_eq!(trainer(order, who).earned, rounds * 10 * TOKEN, "{who}");
    }
}

/// Those who send what their steps do not give, or do not answer for it.
const CHEATS: [PartyLiar; 6] = [
    PartyLiar::LazyTrainer,
    PartyLiar::FreeRider,
    PartyLiar::Replaying,
    PartyLiar::GarbageUpdate,
    PartyLiar::Leaving,
    PartyLiar::MuteInAudits,
];

#[test]
fn a_cheat_that_is_audited_loses_its_bond_and_its_place() {
    for kind in CHEATS {
        for seed in 0..cases(3) {
            let order = with_liar(kind, 4, 3);
            sound(&scenario(seed, order), |order| {
                assert_paid(order, 3);
                let liar = trainer(order, 0);
                let lost = (liar.slashed, liar.earned);
                assert_eq!(lost, (80 * TOKEN, 0), "{kind}, seed {seed}");
                assert_eq!(order.first().failed_runs, 1, "{kind}, seed {seed}");
                let disputes = order.first().disputes;
                let finds = kind != PartyLiar::MuteInAudits;
                assert_eq!(disputes > 0, finds, "{kind}, seed {seed}");
            });
        }
    }
}

/// One of four is audited in each of three rounds, and the bond is the least that terms may have: so who cheats may be
/// lucky, and loses on average.
#[test]
fn cheating_is_worth_less_than_nothing_where_few_are_audited() {
    for kind in CHEATS {
        let (mut won, mut caught, seeds) = (0, 0, cases(40));
        for seed in 0..seeds {
            let order = with_liar(kind, 1, 3);
            sound(&scenario(seed, order), |order| {
                assert_paid(order, 3);
                let liar = trainer(order, 0);
                caught += u64::from(liar.slashed > 0);
                won += liar.earned - liar.slashed;
            });
        }
        let mean = won / i128::from(seeds) / (TOKEN / 1_000);
        println!("{kind}: caught in {caught} of {seeds}, {mean} thousandths of a token on average");
        assert!(won < 0 && caught > 0, "{kind}");
    }
}

#[test]
fn who_sends_nothing_that_can_be_had_is_paid_nothing_and_loses_nothing() {
    let nothing = [
        PartyLiar::SilentTrainer,
        PartyLiar::WithheldUpdate,
        PartyLiar::LongUpdate,
    ];
    for kind in nothing {
        for seed in 0..cases(3) {
            let order = with_liar(kind, 1, 4);
            sound(&scenario(seed, order), |order| {
                assert_paid(order, 4);
                let liar = trainer(order, 0);
                assert_eq!((liar.slashed, liar.earned), (0, 0), "{kind}, seed {seed}");
                let sent = if kind == PartyLiar::WithheldUpdate {
                    16
                } else {
                    12
                };
                assert_eq!(order.first().runs, sent, "{kind}, seed {seed}");
            });
        }
    }
}

#[test]
fn every_liar_can_take_part_in_rounds_and_costs_nobody_honest_anything() {
    for kind in PartyLiar::ALL.into_iter().chain(PartyLiar::IN_ROUNDS) {
        let mut order = with_liar(kind, 2, 2);
        if kind.role().is_none() {
            order.liars[0].who.clear();
        }
        let scenario = scenario(3, order);
        assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
        sound(&scenario, |_| {});
    }
}

#[test]
fn half_of_the_trainers_cheat_and_the_others_are_paid() {
    for seed in 0..cases(6) {
        let mut order = with_liar(PartyLiar::LazyTrainer, 2, 3);
        let kinds = [PartyLiar::FreeRider, PartyLiar::WithheldUpdate];
        order
            .liars
            .push(liars(kinds[seed as usize % 2], &[1], 1_000));
        let report = run(&scenario(seed, order)).unwrap();
        assert!(report.is_safe(), "seed {seed}\n{}", report.table());
        for who in 2..4 {
            let earned = trainer(&report.orders[0], who).earned;
            assert_eq!(earned, 30 * TOKEN, "seed {seed}");
        }
    }
}
