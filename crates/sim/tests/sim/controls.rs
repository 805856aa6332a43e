//! What these tests would see if the protocol were broken: more liars than it stands, and liars that
//! really contradict themselves.

use assay_sim::{Fault, LiarKind, Liars, Scenario, run};

fn liars(kind: LiarKind, validators: &[usize]) -> Vec<Liars> {
    let validators = validators.to_vec();
    vec![Liars { kind, validators }]
}

#[test]
fn more_twins_than_the_protocol_stands_fork_it_and_the_fork_is_seen() {
    let mut scenario = Scenario::quiet(4, 1, 6_000);
    scenario.liars = liars(LiarKind::Twins, &[0, 1]);
    // Validator 2 sees the first of each pair only, validator 3 the second ones.
    let parts = vec![vec![0, 1, 2]];
    scenario.faults = vec![Fault::Partition { at_ms: 0, parts }];
    let report = run(&scenario).unwrap();
    assert!(!report.forks.is_empty(), "{}", report.table());
}

#[test]
fn equivocators_and_twins_are_seen_to_vote_twice() {
    for kind in [LiarKind::Equivocator, LiarKind::Twins] {
        let mut scenario = Scenario::quiet(4, 2, 6_000);
        scenario.liars = liars(kind, &[2]);
        let report = run(&scenario).unwrap();
        assert!(report.contradictions > 0, "{kind}: {}", report.table());
    }
}

#[test]
fn impersonators_and_garbage_are_found_out_and_not_listened_to() {
    for kind in [LiarKind::Impersonator, LiarKind::Garbage] {
        let mut scenario = Scenario::quiet(4, 2, 3_000);
        scenario.liars = liars(kind, &[1]);
        let report = run(&scenario).unwrap();
        assert_eq!(report.blocked_liars, 3, "{kind}: {}", report.table());
    }
}

#[test]
fn too_many_who_withhold_beacon_shares_are_felt() {
    // The liars hear all shares, honest validators two of four. Whoever holds a beacon does not vote
    // for a block without it, and so the two sides do not come together.
    let mut scenario = Scenario::quiet(4, 1, 8_000);
    scenario.liars = liars(LiarKind::BeaconWithholder, &[0, 1]);
    let report = run(&scenario).unwrap();
    assert!(report.is_safe(), "{}", report.table());
    assert!(report.height < 20, "{}", report.table());
}
