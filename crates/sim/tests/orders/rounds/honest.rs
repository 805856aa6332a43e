//! Rounds in which everybody keeps the rules.

use std::collections::BTreeMap;

use assay_ledger::{AccountId, Amount, OrderEvent, Outcome, Phase, Role};
use assay_sim::orders::{BALANCE, Cast, Plan, RoundsPlan};
use assay_sim::{Deed, Happening, OrderSettings, RoundsSettings, run};

use super::{PRICE, events, merged, plan, settings};
use crate::cases;
use crate::scenarios::{PAID, TOKEN, scenario, sound};

#[test]
fn every_round_is_trained_audited_merged_and_paid_and_bonds_come_back() {
    let rounds = 3;
    let (world, order) = crate::run(plan(rounds), Cast::honest((4, 3, 4), crate::counter));
    let outcome = (order.head.phase, order.head.outcome);
    assert_eq!(outcome, (Phase::Settled, Some(Outcome::Paid)));
    // Whoever says which model it is once a quorum has said so is late.
    for (who, why) in world.refused() {
        assert!(
            who.starts_with("validator") && why.contains("attest_model"),
            "{who}: {why}"
        );
    }
    assert_eq!(merged(&world, &order), usize::from(rounds));
    let mut sent: BTreeMap<AccountId, u16> = BTreeMap::new();
    for event in events(&world, order.head.id) {
        if let OrderEvent::UpdateCommitted { trainer, .. } = event {
            *sent.entry(trainer).or_default() += 1;
        }
    }
    assert_eq!((sent.len(), sent.values().min()), (4, Some(&rounds)));
    let audits = world.audits();
    assert_eq!(audits.len(), usize::from(rounds));
    for audit in &audits {
        assert_eq!(audit.head.outcome, Some(Outcome::Paid));
        assert_eq!(audit.disputes, []);
        assert_eq!(audit.run().map_or(0, |run| run.passed().count()), 2);
    }
    for trainer in world.trainers(order.head.id) {
        assert_eq!((trainer.stood, trainer.bond), (rounds.into(), Amount::ZERO));
        let at = world.place_of(trainer.account).unwrap();
        assert_eq!(world.earned(at), i128::from(PRICE.0) * i128::from(rounds));
        assert_eq!(world.bond(at, Role::Provider), Amount::tokens(1_000));
    }
    // A first model and one of each round.
    let merging: i128 = world
        .all(Role::Validator)
        .into_iter()
        .map(|at| world.earned(at))
        .sum();
    let fees = 400_000 * (i128::from(rounds) + 1);
    assert!((fees - 20..=fees).contains(&merging), "{merging}");
    // Four trainers and two auditors' fees of 5 in each round.
    let spent = i128::from(BALANCE.0) - i128::from(world.balance(0).0);
    let least = i128::from(rounds) * 50 * TOKEN + merging;
    assert!((least..least + TOKEN).contains(&spent), "{spent}");
}

#[test]
fn kills_in_the_middle_of_rounds_slow_answers_and_lost_files_cost_nobody_anything() {
    let mut killed = 0;
    for seed in 0..cases(40) {
        let mut order = OrderSettings {
            kills_per_mille: 15,
            delay_seconds: 2,
            deadline_seconds: 400,
            storage_nodes: 4,
            replicas: 2,
            ..settings(5)
        };
        order.rounds = Some(RoundsSettings {
            audited: 2,
            ..RoundsSettings::default()
        });
        let loses = |after_seconds| Happening {
            order: 0,
            phase: None,
            after_seconds,
            what: Deed::NodeLoses { node: 0 },
        };
        order.happenings = (0..20).map(|n| loses(10 + 7 * n)).collect();
        sound(&scenario(seed, order), |order| {
            let first = order.first();
            assert_eq!(
                (first.outcome.as_str(), first.runs),
                (PAID, 15),
                "seed {seed}"
            );
            assert_eq!((first.failed_runs, first.disputes), (0, 0), "seed {seed}");
            let trainers = order
                .parties
                .iter()
                .filter(|p| p.name.starts_with("provider"));
            for trainer in trainers {
                assert_eq!(
                    (trainer.earned, trainer.slashed),
                    (30 * TOKEN, 0),
                    "seed {seed}"
                );
            }
            killed += order.parties.iter().map(|party| party.kills).sum::<u32>();
        });
    }
    println!("{killed} kills");
    assert!(killed > 100, "{killed} kills are no test");
}

#[test]
fn who_joins_later_is_paid_from_the_next_round_on_and_who_leaves_for_what_it_sent() {
    let mut order = settings(5);
    order.rounds = Some(RoundsSettings {
        trainers: Some(4),
        ..RoundsSettings::default()
    });
    let happens = |phase, what| Happening {
        order: 0,
        phase: Some(phase),
        after_seconds: 0,
        what,
    };
    order.happenings = vec![
        happens(Phase::Gathering, Deed::Joins { order: 0, who: 4 }),
        happens(Phase::Merging, Deed::Leaves { order: 0, who: 0 }),
        happens(Phase::Gathering, Deed::Leaves { order: 0, who: 1 }),
    ];
    sound(&scenario(1, order), |order| {
        assert_eq!(order.first().outcome, PAID);
        let earned = |who: usize| {
            let name = format!("provider {who}");
            let party = order.parties.iter().find(|party| party.name == name);
            party.unwrap().earned / TOKEN
        };
        // Number 0 leaves while the first model is made, before anything is asked of it.
        assert_eq!([0, 1, 2, 3, 4].map(earned), [0, 10, 30, 30, 20]);
    });
}

#[test]
fn too_few_trainers_cost_the_requester_nothing() {
    let few = RoundsPlan {
        trainers: 1,
        ..plan(2).rounds.unwrap()
    };
    let plan = Plan {
        rounds: Some(few),
        ..plan(2)
    };
    let (world, order) = crate::run(plan, Cast::honest((4, 3, 4), crate::counter));
    assert_eq!(order.head.outcome, Some(Outcome::TooFewTrainers));
    assert!(world.balance(0) > Amount(BALANCE.0 - TOKEN as u64));
    for at in world.all(Role::Provider) {
        assert_eq!(world.earned(at), 0);
    }
}

/// More hold an update than can lie, so an honest one does, and brings it to the others.
#[test]
fn an_update_that_some_validators_were_shown_is_merged_by_all() {
    for shown_to in 1..=4 {
        let cast = Cast::honest((4, 3, 4), crate::counter);
        let (world, order) = assay_sim::orders::play(plan(2), cast, crate::counter, async |play| {
            let trainer = play.all(Role::Provider)[0];
            let members = play.members();
            let validators = play.all(Role::Validator).into_iter().take(shown_to);
            let validators = validators.map(|at| members[at].account).collect();
            play.vault()
                .favours
                .insert(members[trainer].account, validators);
            let order = play.run().await;
            (assay_sim::orders::World::clone(play), order)
        });
        assert_eq!(order.head.outcome, Some(Outcome::Paid));
        assert_eq!(merged(&world, &order), 2);
        let updates: Vec<u16> = events(&world, order.head.id)
            .into_iter()
            .filter_map(|event| match event {
                OrderEvent::Merged { updates, .. } => Some(updates),
                _ => None,
            })
            .collect();
        // f of four is one: what only one holds counts for nobody.
        let all = if shown_to > 1 { 4 } else { 3 };
        assert_eq!(updates, [all, all], "shown to {shown_to}");
    }
}

#[test]
fn equal_seeds_give_equal_rounds() {
    let rough = |seed| {
        let order = OrderSettings {
            kills_per_mille: 15,
            delay_seconds: 2,
            deadline_seconds: 400,
            ..settings(4)
        };
        run(&scenario(seed, order)).unwrap()
    };
    assert_eq!(rough(5), rough(5));
    assert_ne!(rough(6).orders[0].history, rough(5).orders[0].history);
}

#[test]
fn validators_that_run_an_engine_carry_rounds() {
    let scenario = assay_sim::Scenario {
        engine: true,
        busy: false,
        ..scenario(1, settings(3))
    };
    scenario.check().unwrap();
    let report = sound(&scenario, |order| assert_eq!(order.first().outcome, PAID));
    assert_eq!(run(&scenario).unwrap(), report);
}
