//! What counts in a round, and what becomes of the rest.

use assay_aggregate::{Liars, Rule, Settings};
use assay_crypto::Digest;
use assay_rounds::{Age, Event, LeftOut, RoundSpec, Rounds, Submission, Unmerged, UpdateFault};
use proptest::prelude::*;

use crate::common::{Federation, alike, cases, digits, kernel, led_to, seed, spec};

fn federation(spec: RoundSpec, trainers: u32) -> (Federation, Vec<(usize, Vec<u8>)>) {
    let mut federation = Federation::new(spec, alike(&digits().0, trainers));
    let sent = updates(&mut federation);
    (federation, sent)
}

fn updates(federation: &mut Federation) -> Vec<(usize, Vec<u8>)> {
    let each = 0..federation.shards.len();
    each.map(|trainer| {
        let local = federation.local(trainer).unwrap();
        (trainer, federation.sent(trainer, &local))
    })
    .collect()
}

proptest! {
    #![proptest_config(cases(12))]

    /// Nothing depends on the order in which updates come.
    #[test]
    fn the_order_of_updates_changes_nothing(order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle()) {
        let robust = RoundSpec { aggregation: Settings::default(), quorum: 3, ..spec() };
        let (mut one, sent) = federation(robust, 9);
        let mut other = one.rounds.clone();
        let merged = one.merge(&sent);
        let submissions: Vec<_> = order.iter().map(|at| Submission {
            trainer: sent[*at].0 as u64,
            rows: 1,
            bytes: &sent[*at].1,
        }).collect();
        prop_assert_eq!(other.merge(&kernel(), &seed(0), &submissions).unwrap(), merged);
        prop_assert_eq!(other.model(), one.rounds.model());
    }
}

#[test]
fn a_round_without_updates_says_so_and_changes_nothing() {
    let (mut federation, sent) = federation(spec(), 3);
    let before = federation.rounds.model().parameters().to_vec();
    let merged = federation.merge(&[]);
    assert_eq!(merged.event, Event::Unmerged(Unmerged::Nobody));
    assert_eq!(merged.round, 0);
    assert_eq!(federation.rounds.model().parameters(), before);
    assert_eq!(federation.rounds.round(), 1);
    // What came too late for it does not count in the next.
    let merged = federation.merge(&sent);
    assert_eq!(merged.event, Event::Unmerged(Unmerged::Nobody));
    assert!(matches!(
        merged.left_out[..],
        [
            (
                0,
                LeftOut::Round {
                    found: 0,
                    first: 1,
                    last: 1
                }
            ),
            (1, LeftOut::Round { .. }),
            (2, LeftOut::Round { .. }),
        ]
    ));
}

#[test]
fn a_round_below_its_quorum_merges_nothing() {
    let quorum = RoundSpec {
        quorum: 3,
        ..spec()
    };
    let (mut federation, sent) = federation(quorum, 3);
    let before = federation.rounds.model().parameters().to_vec();
    let merged = federation.merge(&sent[..2]);
    let unmerged = Unmerged::BelowQuorum {
        updates: 2,
        quorum: 3,
    };
    assert_eq!(merged.event, Event::Unmerged(unmerged));
    assert_eq!(federation.rounds.model().parameters(), before);
}

/// One update more may be one liar more, so a rule must stand with every number of updates that may come.
#[test]
fn a_rule_must_stand_with_every_number_of_updates() {
    let stands = |rule, quorum| {
        let aggregation = Settings::rule(rule);
        let spec = RoundSpec {
            aggregation,
            quorum,
            ..spec()
        };
        spec.check()
    };
    let liars = Liars::PerThousand(300);
    // Three stand, since none of them lies; of four, one may, and that takes five.
    let refused = stands(Rule::Krum { liars }, 3).unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(
        refused.to_string().contains("from `quorum` on"),
        "{refused}"
    );
    assert!(
        cause.contains("n >= 2 f + 3 = 5 updates, there are 4"),
        "{cause}"
    );
    assert!(stands(Rule::Krum { liars }, 10).is_ok());
    let quarter = Liars::PerThousand(250);
    assert!(stands(Rule::Bulyan { liars: quarter }, 1_000).is_err());
    assert!(stands(Rule::TrimmedMean { liars }, 1).is_ok());
}

/// More than are merged at once are left out, and the round goes on.
#[test]
fn no_more_are_merged_than_can_be() {
    let mut small = spec();
    small.learning.model = assay_estimator::ModelSpec::Logistic { features: 2 };
    let mut rounds = Rounds::new(small.clone(), &Digest::ZERO).unwrap();
    let local = led_to(rounds.model(), vec![1.0; 3]);
    let most = assay_aggregate::MAX_UPDATES as u64;
    let sent: Vec<Vec<u8>> = (0..most + 2)
        .map(|trainer| {
            let mut sender = assay_rounds::Sender::default();
            let head = rounds.head(trainer);
            let model = rounds.model();
            sender.send(&small, &head, model, &local, &seed(0)).unwrap()
        })
        .collect();
    let submission = |(trainer, bytes)| Submission {
        trainer,
        rows: 1,
        bytes,
    };
    let sent = (0..).zip(sent.iter().map(Vec::as_slice));
    let submissions: Vec<_> = sent.map(submission).collect();
    let merged = rounds.merge(&kernel(), &seed(0), &submissions).unwrap();
    let full = |place| (place, LeftOut::Full);
    assert_eq!(merged.left_out, [full(4096), full(4097)]);
    assert_eq!(
        merged.event,
        Event::Merged {
            updates: 4096,
            moved: 3
        }
    );
}

#[test]
fn whose_update_does_not_count_is_told_why() {
    let (mut federation, sent) = federation(spec(), 6);
    let mut lying = sent.clone();
    lying[0].1.truncate(100);
    lying[1].1[9] = 7;
    lying[2] = (2, sent[3].1.clone());
    lying[4].1[30] ^= 1;
    lying.push((5, sent[5].1.clone()));
    let merged = federation.merge(&lying);
    assert!(
        matches!(merged.event, Event::Merged { updates: 2, .. }),
        "{merged:?}"
    );
    let why: Vec<_> = merged
        .left_out
        .iter()
        .map(|(trainer, why)| (*trainer, why))
        .collect();
    assert!(
        matches!(
            why[..],
            [
                (0, LeftOut::Fault(UpdateFault::Values(_))),
                (
                    1,
                    LeftOut::Round {
                        found: 7,
                        first: 0,
                        last: 0
                    }
                ),
                (2, LeftOut::OtherTrainer(3)),
                (4, LeftOut::Fault(UpdateFault::Base { .. })),
                (6, LeftOut::Second),
            ]
        ),
        "{why:?}"
    );
    for (_, why) in why {
        assert!(why.to_string().len() > 20);
    }
}

#[test]
fn rows_that_nobody_has_do_not_count() {
    let (federation, sent) = federation(spec(), 2);
    let mut rounds = federation.rounds;
    let submissions = [0, 1u64 << 40].map(|rows| Submission {
        trainer: (rows > 0).into(),
        rows,
        bytes: &sent[usize::from(rows > 0)].1,
    });
    let merged = rounds.merge(&kernel(), &seed(0), &submissions).unwrap();
    assert_eq!(merged.event, Event::Unmerged(Unmerged::Nobody));
    assert_eq!(
        merged.left_out,
        [(0, LeftOut::Rows(0)), (1, LeftOut::Rows(1 << 40))]
    );
}

/// An update of an earlier model counts with what its age leaves, and only if it was made on that model.
#[test]
fn an_old_update_counts_less() {
    let old = RoundSpec {
        age: Age {
            most: 1,
            decay: 1 << 19,
        },
        ..spec()
    };
    let (mut federation, sent) = federation(old.clone(), 2);
    federation.merge(&sent[..1]);
    let before = federation.rounds.model().parameters().to_vec();
    let merged = federation.merge(&sent[1..]);
    assert!(matches!(merged.event, Event::Merged { updates: 1, .. }));
    let update = assay_rounds::Update::decode(&sent[1].1, &old, before.len()).unwrap();
    let step = old.quantiser.step();
    let values = update.to_vec();
    let after = federation.rounds.model().parameters();
    for ((after, before), value) in after.iter().zip(&before).zip(values) {
        assert!((after - before - 0.5 * value as f32 * step).abs() <= step);
    }
    // Two rounds old.
    let merged = federation.merge(&sent);
    assert_eq!(merged.event, Event::Unmerged(Unmerged::Nobody));
}

/// An update counts once, also where an old one may come late.
#[test]
fn no_update_counts_twice() {
    let old = RoundSpec {
        age: Age {
            most: 3,
            decay: 1 << 20,
        },
        quorum: 2,
        ..spec()
    };
    let (mut federation, sent) = federation(old, 3);
    // The first comes alone, which is too few; it has come all the same.
    federation.merge(&sent[..1]);
    let mut resumed = Rounds::from_bytes(&federation.rounds.to_bytes()).unwrap();
    let merged = federation.merge(&sent);
    assert!(
        matches!(merged.event, Event::Merged { updates: 2, .. }),
        "{merged:?}"
    );
    assert_eq!(merged.left_out, [(0, LeftOut::Again(0))]);
    let submissions: Vec<_> = (0..)
        .zip(&sent)
        .map(|(trainer, (_, bytes))| Submission {
            trainer,
            rows: 1,
            bytes,
        })
        .collect();
    assert_eq!(
        resumed.merge(&kernel(), &seed(1), &submissions).unwrap(),
        merged
    );
    let again = federation.merge(&sent);
    assert_eq!(again.event, Event::Unmerged(Unmerged::Nobody));
    assert_eq!(again.left_out.len(), 3);
}

#[test]
fn factors_of_age_are_these() {
    let age = Age {
        most: 4,
        decay: 943_718,
    };
    let factors: Vec<_> = (0..6).map(|rounds| age.factor(rounds)).collect();
    let one = Some(1 << 20);
    assert_eq!(
        factors,
        [
            one,
            Some(943_718),
            Some(849_346),
            Some(764_411),
            Some(687_970),
            None
        ]
    );
}

#[test]
fn parameters_that_overflow_are_not_taken() {
    let mut far = spec();
    far.quantiser = assay_aggregate::Quantiser::new(24, -100).unwrap();
    far.server_rate = 1000.0;
    let rounds = Rounds::new(far.clone(), &Digest::ZERO).unwrap();
    let (mut merged, model) = (rounds.clone(), rounds.model());
    let local = led_to(model, vec![1e37; 650]);
    let mut sender = assay_rounds::Sender::default();
    let bytes = sender
        .send(&far, &rounds.head(0), model, &local, &seed(0))
        .unwrap();
    let submission = Submission {
        trainer: 0,
        rows: 1,
        bytes: &bytes,
    };
    let merged_event = merged
        .merge(&kernel(), &seed(0), &[submission])
        .unwrap()
        .event;
    assert_eq!(merged_event, Event::Unmerged(Unmerged::NotFinite));
    assert_eq!(merged.model().parameters(), model.parameters());
}

/// Two thousand rounds keep no more than a few, and there is none after the last.
#[test]
fn memory_stays_bounded_over_two_thousand_rounds() {
    let many = RoundSpec {
        rounds: 2_000,
        age: Age {
            most: 3,
            decay: 1 << 19,
        },
        ..spec()
    };
    let mut rounds = Rounds::new(many, &Digest::ZERO).unwrap();
    let mut sizes = std::collections::BTreeSet::new();
    while !rounds.is_over() {
        rounds.merge(&kernel(), &seed(0), &[]).unwrap();
        sizes.insert(format!("{rounds:?}").len() / 1000);
    }
    assert_eq!(rounds.round(), 2_000);
    let last = rounds.to_bytes();
    assert_eq!(
        rounds.merge(&kernel(), &seed(0), &[]).unwrap().event,
        Event::Unmerged(Unmerged::Over)
    );
    assert_eq!(rounds.to_bytes(), last);
    assert!(sizes.len() <= 2, "{sizes:?}");
}
