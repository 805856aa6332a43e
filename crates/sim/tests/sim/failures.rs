//! Validators that are gone, networks that are cut, and everybody back again.

use assay_sim::{Fault, Scenario};

use crate::{cases, holds, kill, others, restart, sizes, spread};

#[test]
fn without_f_plus_one_validators_it_halts_and_goes_on_when_they_are_back() {
    for (size, seeds) in sizes() {
        for seed in 0..seeds {
            let mut scenario = Scenario::quiet(size, seed, 16_000);
            let gone = spread(scenario.tolerated() + 1, size);
            scenario.faults = vec![kill(4_000, &gone), restart(9_000, &gone)];
            holds(&scenario, |report| {
                let halted = report.height_at(4_500);
                assert!(halted > 0, "{}", report.table());
                assert_eq!(report.height_at(9_000), halted, "{}", report.table());
                let back = report.passed(halted).expect("blocks after the return");
                assert!(back < 14_000, "{back}: {}", report.table());
                assert!(report.height - report.lowest <= 12, "{}", report.table());
            });
        }
        println!("f + 1 of {size} gone: seeds 0 to {}", seeds - 1);
    }
}

#[test]
fn halves_of_a_cut_network_wait_and_agree_when_it_heals() {
    for (size, seeds) in sizes() {
        for seed in 0..seeds {
            let mut scenario = Scenario::quiet(size, seed, 16_000);
            let half: Vec<usize> = (0..size / 2).collect();
            let parts = vec![half];
            let cut = Fault::Partition {
                at_ms: 3_000,
                parts,
            };
            scenario.faults = vec![cut, Fault::Heal { at_ms: 8_000 }];
            holds(&scenario, |report| {
                // What was decided just before the cut may still be told.
                let halted = report.height_at(3_500);
                assert_eq!(report.height_at(8_000), halted, "{}", report.table());
                let back = report.passed(halted).expect("blocks after the cut");
                assert!(back < 14_000, "{back}: {}", report.table());
                assert!(report.height - report.lowest <= 12, "{}", report.table());
            });
        }
        println!("{size} cut in halves: seeds 0 to {}", seeds - 1);
    }
}

#[test]
fn the_larger_part_of_a_cut_network_goes_on_and_the_smaller_catches_up() {
    for seed in 0..cases() {
        let mut scenario = Scenario::quiet(4, seed, 14_000);
        let parts = vec![vec![1]];
        let cut = Fault::Partition {
            at_ms: 3_000,
            parts,
        };
        scenario.faults = vec![cut, Fault::Heal { at_ms: 8_000 }];
        holds(&scenario, |report| {
            let during = report.height_at(8_000) - report.height_at(3_500);
            assert!(during >= 3, "{}", report.table());
            assert!(report.height - report.lowest <= 12, "{}", report.table());
        });
    }
}

#[test]
fn a_leader_and_others_down_cost_less_than_three_seconds() {
    for (size, seeds) in sizes() {
        for seed in 0..seeds {
            let mut scenario = Scenario::quiet(size, seed, 12_000);
            // The leader and whoever would lead next, one after the other where f is small; in
            // larger networks the others are those that happen to be down.
            let (in_turn, elsewhere) = match scenario.tolerated() {
                f @ ..=2 => (f - 1, Vec::new()),
                f => (0, spread(f - 1, size)),
            };
            let at_ms = 5_000 + 37 * seed % 1_000;
            scenario.faults.push(Fault::KillLeader {
                at_ms,
                others: in_turn,
            });
            if !elsewhere.is_empty() {
                scenario.faults.push(kill(at_ms, &elsewhere));
            }
            holds(&scenario, |report| {
                // Every pause from then on, until all dead leaders had their turn, or the end.
                let times = report.seen.iter().map(|block| block.at_ms);
                let times: Vec<u64> = times.chain([scenario.duration_ms]).collect();
                let pauses = times.windows(2).filter(|pair| pair[1] > at_ms);
                let longest = pauses.map(|pair| pair[1] - pair[0]).max().unwrap();
                assert!(longest < 3_000, "{longest}: {}", report.table());
            });
        }
        println!("leader and others of {size} down: seeds 0 to {}", seeds - 1);
    }
}

#[test]
fn all_restart_from_their_disks_at_once_and_nobody_votes_twice() {
    for (size, seeds) in sizes() {
        for seed in 0..seeds {
            let mut scenario = Scenario::quiet(size, seed, 16_000);
            let all = others(size, &[]);
            for round in 0..3 {
                let at_ms = 3_000 + 2_000 * round + 71 * seed % 500;
                scenario.faults.push(kill(at_ms, &all));
                scenario.faults.push(restart(at_ms + 20, &all));
            }
            holds(&scenario, |report| {
                assert_eq!(report.killed, 3 * size);
                let after = report.height_at(8_000);
                assert!(report.height > after, "{}", report.table());
                assert!(report.height - report.lowest <= 12, "{}", report.table());
            });
        }
        println!("all of {size} restarted: seeds 0 to {}", seeds - 1);
    }
}

#[test]
fn power_cuts_in_the_middle_of_a_commit_lose_nothing() {
    for seed in 0..cases() {
        let mut scenario = Scenario::quiet(4, seed, 12_000);
        for round in 0..4 {
            scenario.faults.push(Fault::PowerCut {
                at_ms: 1_000 + 1_700 * round,
                validators: others(4, &[round as usize]),
                sync: 1 + (seed + round) % 4,
            });
        }
        holds(&scenario, |report| {
            assert_eq!(report.killed, 12);
            assert!(
                report.height > report.height_at(9_000),
                "{}",
                report.table()
            );
            assert!(report.height - report.lowest <= 12, "{}", report.table());
        });
    }
    println!("power cuts: seeds 0 to {}", cases() - 1);
}
