//! What proposals tell about clocks.

use assay_chain::Clocks;
use assay_crypto::PublicKey;

const NOW: u64 = 1_700_000_000_000;

fn leader(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

/// Proposals of three leaders whose clocks are ahead of the true time by so many milliseconds, heard
/// by a machine whose clock is ahead by `own`.
fn heard(own: i64, leaders: [i64; 3]) -> Clocks {
    let clocks = Clocks::default();
    let at = |ahead: i64| NOW.checked_add_signed(ahead).unwrap();
    for round in 0..6 {
        for (n, ahead) in (1..).zip(leaders) {
            // Messages take their time, some of them very long.
            let late = if round == 2 { 20_000 } else { 40 };
            clocks.note(leader(n), at(own + late), at(ahead));
        }
    }
    clocks
}

#[test]
fn clocks_that_agree_are_not_accused_by_late_messages() {
    let report = heard(0, [10, -20, 0]).report();
    assert!(report.own_ms.unwrap().abs() < 100, "{report:?}");
    assert_eq!(report.leaders.len(), 3);
}

#[test]
fn a_clock_of_ours_that_is_off_is_told_in_both_directions() {
    for off in [600_000, -600_000, 86_400_000] {
        let own = heard(off, [0, 5, -5]).report().own_ms.unwrap();
        assert!((own - off).abs() < 100, "{own} for {off}");
    }
}

#[test]
fn another_leaders_clock_is_its_own_and_not_ours() {
    let report = heard(0, [0, 600_000, 0]).report();
    assert!(report.own_ms.unwrap().abs() < 100, "{report:?}");
    let theirs = report.leaders.iter().find(|(who, _)| *who == leader(2));
    assert!((theirs.unwrap().1 + 600_000).abs() < 100, "{report:?}");
}

#[test]
fn nothing_heard_tells_nothing_and_absurd_times_do_no_harm() {
    let clocks = Clocks::default();
    assert_eq!(clocks.report().own_ms, None);
    clocks.note(leader(1), 0, u64::MAX);
    clocks.note(leader(2), u64::MAX, 0);
    assert!(clocks.report().own_ms.is_some());
}
