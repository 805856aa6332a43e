//! f liars of each kind: no fork, honest validators agree, blocks and draws go on.

use assay_sim::{LiarKind, Liars, Scenario};

use crate::{holds, sizes, spread};

/// Virtual time of one run; large networks take minutes of real time for seconds of theirs.
fn duration_ms(size: usize) -> u64 {
    match size {
        ..=7 => 10_000,
        8..=31 => 8_000,
        _ => 6_000,
    }
}

fn cannot_stop_the_rest(kind: LiarKind) {
    for (size, seeds) in sizes() {
        for seed in 0..seeds {
            stand(kind, size, seed);
        }
        println!("{kind}: {size} validators, seeds 0 to {}", seeds - 1);
    }
}

fn stand(kind: LiarKind, size: usize, seed: u64) {
    let mut scenario = Scenario::quiet(size, seed, duration_ms(size));
    scenario.liars = vec![Liars {
        kind,
        validators: spread(scenario.tolerated(), size),
    }];
    holds(&scenario, |report| {
        assert_eq!(report.liars, report.tolerated);
        // A view of a liar costs 2.2 s at most; between two of them honest validators propose.
        let half = scenario.duration_ms / 2;
        assert!(report.height_at(half) >= 2, "{}", report.table());
        assert!(report.height > report.height_at(half), "{}", report.table());
        assert!(report.longest_pause_ms < 4_900, "{}", report.table());
        assert!(report.height - report.lowest <= 12, "{}", report.table());
        // A parent may become final through its child only, which then has no beacon.
        let blocks = report.seen.len();
        assert!(report.beacons * 2 >= blocks, "{}", report.table());
    });
}

#[test]
fn equivocators_cannot_fork_or_stop_the_rest() {
    cannot_stop_the_rest(LiarKind::Equivocator);
}

#[test]
fn who_withholds_votes_cannot_stop_the_rest() {
    cannot_stop_the_rest(LiarKind::VoteWithholder);
}

#[test]
fn who_withholds_beacon_shares_cannot_stop_the_draws() {
    cannot_stop_the_rest(LiarKind::BeaconWithholder);
}

#[test]
fn impersonators_are_not_believed() {
    cannot_stop_the_rest(LiarKind::Impersonator);
}

#[test]
fn votes_for_old_views_change_nothing() {
    cannot_stop_the_rest(LiarKind::Outdated);
}

#[test]
fn twins_on_both_sides_cannot_fork_or_stop_the_rest() {
    cannot_stop_the_rest(LiarKind::Twins);
}

#[test]
fn garbage_on_every_channel_cannot_stop_the_rest() {
    cannot_stop_the_rest(LiarKind::Garbage);
}

#[test]
fn the_silent_cannot_stop_the_rest() {
    cannot_stop_the_rest(LiarKind::Silent);
}

#[test]
fn two_of_seven_equivocators_help_each_other_in_vain() {
    stand(LiarKind::Equivocator, 7, 1);
}
