//! Rounds looked at by somebody who took no part in them.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_estimator::{Labels, ModelSpec, Samples, Shard};
use assay_rounds::{
    Age, Auditor, Encoding, Finding, Look, RoundRecord, RoundSpec, Rounds, Submission,
};
use proptest::prelude::*;

use crate::common::{Federation, cases, kernel, seed, spec};

const TRAINERS: usize = 5;

/// A round as it is written down.
#[derive(Clone, Debug)]
struct Written {
    seed: Digest,
    merge_seed: Digest,
    /// Trainer, rows, bytes.
    sent: Vec<(u64, u64, Vec<u8>)>,
    model: Digest,
}

impl Written {
    fn record(&self) -> RoundRecord<'_> {
        RoundRecord {
            seed: self.seed,
            merge_seed: self.merge_seed,
            submissions: self
                .sent
                .iter()
                .map(|(trainer, rows, bytes)| Submission {
                    trainer: *trainer,
                    rows: *rows,
                    bytes,
                })
                .collect(),
            model: self.model,
        }
    }
}

/// Two features and a class that follows from them.
fn shard(trainer: usize) -> Shard {
    let value = |row: usize, column: usize| ((row * 7 + column * 3 + trainer) % 11) as f32 - 5.0;
    let features = (0..20).flat_map(|row| [value(row, 0), value(row, 1)]);
    let classes = (0..20).map(|row| u32::from(value(row, 0) > value(row, 1)));
    let labels = Labels::classes(classes.collect(), 2).unwrap();
    Shard::new(Samples::new(features.collect(), 2, labels).unwrap())
}

fn small(encoding: Encoding, age: u32) -> RoundSpec {
    let mut small = spec();
    small.learning.model = ModelSpec::Logistic { features: 2 };
    small.learning.training.learning_rate = 0.05;
    small.encoding = encoding;
    small.rounds = 6;
    small.local_steps = 2;
    small.age = Age {
        most: age,
        decay: 1 << 19,
    };
    small
}

/// Rounds of honest trainers but for updates that are altered before they are sent; trainer 4 is a round late where that counts.
fn written(spec: &RoundSpec, lies: &BTreeSet<(u64, u64)>) -> (Vec<Written>, Vec<Shard>) {
    let shards: Vec<Shard> = (0..TRAINERS).map(shard).collect();
    let mut federation = Federation::new(spec.clone(), shards.clone());
    let mut rounds = Vec::new();
    let mut late: Vec<(usize, Vec<u8>)> = Vec::new();
    while !federation.rounds.is_over() {
        let round = federation.rounds.round();
        let mut sent = std::mem::take(&mut late);
        for trainer in 0..TRAINERS {
            let mut local = federation.local(trainer).unwrap();
            if lies.contains(&(round, trainer as u64)) {
                let moved = local.state.parameters().iter().map(|value| value + 0.25);
                local.state = local.state.at_rest(moved.collect(), 0).unwrap();
            }
            let bytes = federation.sent(trainer, &local);
            match trainer == 4 && spec.age.most > 0 {
                true => late.push((trainer, bytes)),
                false => sent.push((trainer, bytes)),
            }
        }
        federation.merge(&sent);
        let told = |(trainer, bytes): &(usize, Vec<u8>)| (*trainer as u64, 20, bytes.clone());
        rounds.push(Written {
            seed: seed(round),
            merge_seed: seed(round),
            sent: sent.iter().map(told).collect(),
            model: federation.rounds.model().digest(),
        });
    }
    (rounds, shards)
}

fn audited(spec: &RoundSpec, look: Look, rounds: &[Written], shards: &[Shard]) -> Auditor {
    let mut auditor = Auditor::new(spec.clone(), &Digest::ZERO, look).unwrap();
    for round in rounds {
        let shard = |trainer: u64| shards.get(trainer as usize);
        auditor.check(&kernel(), &round.record(), shard).unwrap();
    }
    auditor
}

const ENCODINGS: [Encoding; 3] = [
    Encoding::Dense,
    Encoding::Largest { per_thousand: 400 },
    Encoding::Signs,
];

#[test]
fn honest_rounds_are_found_to_be_as_written_down() {
    let late = (Encoding::Dense, 2);
    for (encoding, age) in ENCODINGS.map(|way| (way, 0)).into_iter().chain([late]) {
        let spec = small(encoding, age);
        let (rounds, shards) = written(&spec, &BTreeSet::new());
        let auditor = audited(&spec, Look::All, &rounds, &shards);
        assert_eq!(auditor.findings(), [], "{encoding:?} {age}");
        let looked = auditor.looked();
        let came = rounds
            .iter()
            .map(|round| round.sent.len() as u64)
            .sum::<u64>();
        assert_eq!((looked.rounds, looked.idle_rounds), (6, 0));
        assert_eq!(
            (looked.updates, looked.replayed, looked.unproven),
            (came, came, 0)
        );
        assert_eq!(auditor.model().digest(), rounds[5].model);
    }
}

#[test]
fn a_lie_is_found_and_named() {
    for encoding in ENCODINGS {
        let spec = small(encoding, 0);
        let (rounds, shards) = written(&spec, &[(2, 1), (4, 3)].into());
        let auditor = audited(&spec, Look::All, &rounds, &shards);
        let named: Vec<_> = auditor
            .findings()
            .iter()
            .map(|finding| match finding {
                Finding::Update {
                    round,
                    trainer,
                    computed,
                    sent,
                } => {
                    assert!(computed.is_some() && *computed != Some(*sent));
                    (*round, *trainer)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(named, [(2, 1), (4, 3)], "{encoding:?}");
        // Where the next update follows from a lie, it is not said to be true.
        let unproven = if encoding == Encoding::Dense {
            0
        } else {
            3 + 1
        };
        assert_eq!(auditor.looked().unproven, unproven);
    }
}

/// Where another trainer's steps led is no update of one's own: rows and their order differ.
#[test]
fn a_copied_update_is_found() {
    for encoding in ENCODINGS {
        let spec = small(encoding, 0);
        let shards: Vec<Shard> = (0..2).map(shard).collect();
        let mut federation = Federation::new(spec.clone(), shards.clone());
        let local = federation.local(0).unwrap();
        let sent = [0, 1].map(|trainer| (trainer, federation.sent(trainer, &local)));
        let merged = federation.merge(&sent);
        assert_eq!(merged.left_out, []);
        let told = |(trainer, bytes): &(usize, Vec<u8>)| (*trainer as u64, 20, bytes.clone());
        let round = Written {
            seed: seed(0),
            merge_seed: seed(0),
            sent: sent.iter().map(told).collect(),
            model: federation.rounds.model().digest(),
        };
        let auditor = audited(&spec, Look::All, &[round], &shards);
        assert!(matches!(
            auditor.findings(),
            [Finding::Update { trainer: 1, .. }]
        ));
    }
}

#[test]
fn what_cannot_be_looked_at_is_not_said_to_be_true() {
    for encoding in ENCODINGS {
        let spec = small(encoding, 0);
        let (rounds, shards) = written(&spec, &BTreeSet::new());
        let auditor = audited(&spec, Look::All, &rounds, &shards[..3]);
        assert_eq!(auditor.findings(), []);
        assert_eq!(
            (auditor.looked().replayed, auditor.looked().unproven),
            (18, 12)
        );
        let some = audited(&spec, Look::Trainers([0, 4].into()), &rounds, &shards[..3]);
        assert_eq!((some.looked().replayed, some.looked().unproven), (6, 6));
    }
}

#[test]
fn a_model_that_does_not_follow_stops_the_audit() {
    let spec = small(Encoding::Dense, 0);
    let (mut rounds, shards) = written(&spec, &BTreeSet::new());
    rounds[3].model = Digest::ZERO;
    let auditor = audited(&spec, Look::All, &rounds, &shards);
    assert!(auditor.is_stuck());
    assert!(matches!(
        auditor.findings(),
        [Finding::Model { round: 3, .. }]
    ));
    assert_eq!(auditor.looked().rounds, 4);
}

#[test]
fn single_updates_that_follow_from_others_cannot_be_chosen() {
    let look = || Look::Updates([(0, 0)].into());
    assert!(Auditor::new(small(Encoding::Dense, 0), &Digest::ZERO, look()).is_ok());
    let refused = Auditor::new(small(Encoding::Signs, 0), &Digest::ZERO, look()).unwrap_err();
    assert!(refused.to_string().contains("some trainers"));
}

/// Of thirty updates three are lies; an auditor that looks at seven finds one as often as the formula says.
#[test]
fn light_audits_find_lies_as_often_as_the_formula_says() {
    let spec = small(Encoding::Dense, 0);
    let (rounds, shards) = written(&spec, &[(0, 2), (3, 0), (5, 4)].into());
    let all: Vec<(u64, u64)> = (0..6)
        .flat_map(|round| (0..5).map(move |of| (round, of)))
        .collect();
    let runs = 400;
    let found = (0..runs).filter(|run: &u64| {
        let chosen = Look::choose(&all, 7, &Digest::of("test look", &[&run.to_le_bytes()]));
        assert_eq!(chosen.len(), 7);
        let auditor = audited(&spec, Look::Updates(chosen), &rounds, &shards);
        assert_eq!(auditor.looked().replayed, 7);
        !auditor.findings().is_empty()
    });
    let found = found.count() as f64 / runs as f64;
    // 1 - C(27, 7) / C(30, 7) = 1 - (23 * 22 * 21) / (30 * 29 * 28)
    let odds = 1.0 - (23.0 * 22.0 * 21.0) / (30.0 * 29.0 * 28.0);
    let spread = 3.29 * (odds * (1.0 - odds) / runs as f64).sqrt();
    println!("found {found:.3}, odds {odds:.3} +- {spread:.3}");
    assert!((found - odds).abs() < spread);
}

#[test]
fn an_audit_goes_on_from_its_bytes_and_comes_to_the_same() {
    for encoding in ENCODINGS {
        let age = if encoding == Encoding::Dense { 2 } else { 0 };
        let spec = small(encoding, age);
        let (rounds, shards) = written(&spec, &[(2, 1)].into());
        let straight = audited(&spec, Look::All, &rounds, &shards);
        let mut auditor = Auditor::new(spec, &Digest::ZERO, Look::All).unwrap();
        for round in &rounds {
            auditor = Auditor::from_bytes(&auditor.to_bytes()).unwrap();
            auditor
                .check(&kernel(), &round.record(), |of| shards.get(of as usize))
                .unwrap();
        }
        assert_eq!(auditor.to_bytes(), straight.to_bytes());
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// Whatever byte of what was written down is altered, the audit finds it, or the update does not count any more, which is
    /// another model.
    #[test]
    fn no_byte_is_altered_unseen(
        way in 0usize..3,
        round in 0usize..6,
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let spec = small(ENCODINGS[way], 0);
        let (mut rounds, shards) = written(&spec, &BTreeSet::new());
        let bytes = &mut which.get_mut(&mut rounds[round].sent).2;
        *at.get_mut(bytes) ^= flip;
        let auditor = audited(&spec, Look::All, &rounds, &shards);
        prop_assert!(!auditor.findings().is_empty());
    }
}

/// Nor a byte of what an audit or a federation goes on from.
#[test]
fn altered_states_are_refused() {
    let spec = small(Encoding::Signs, 0);
    let (rounds, shards) = written(&spec, &BTreeSet::new());
    let audit = audited(&spec, Look::All, &rounds[..3], &shards).to_bytes();
    let mut federation = Rounds::new(spec, &Digest::ZERO).unwrap();
    federation.merge(&kernel(), &seed(0), &[]).unwrap();
    let bytes = federation.to_bytes();
    let read = Rounds::from_bytes(&bytes).unwrap();
    assert_eq!((read.model(), read.round()), (federation.model(), 1));
    for at in 0..audit.len().max(bytes.len()) {
        let altered = |bytes: &[u8]| {
            let mut altered = bytes.to_vec();
            let place = at % altered.len();
            altered[place] ^= 0x40;
            altered
        };
        assert!(Auditor::from_bytes(&altered(&audit)).is_err());
        assert!(Rounds::from_bytes(&altered(&bytes)).is_err());
        assert!(Rounds::from_bytes(&bytes[..at % bytes.len()]).is_err());
    }
    assert!(Rounds::from_bytes(&audit).is_err());
}

/// A trainer that says it has more rows than it has would weigh more in a mean.
#[test]
fn rows_that_were_made_up_are_found() {
    let mut spec = small(Encoding::Dense, 0);
    spec.weights = assay_rounds::Weights::Rows;
    let (mut rounds, shards) = written(&spec, &BTreeSet::new());
    for round in &mut rounds {
        round.sent[2].1 = 5_000;
    }
    // The models follow from what was told.
    let mut told = Rounds::new(spec.clone(), &Digest::ZERO).unwrap();
    let first = &mut rounds[0];
    let record = first.record();
    told.merge(&kernel(), &record.merge_seed, &record.submissions)
        .unwrap();
    first.model = told.model().digest();
    let auditor = audited(&spec, Look::All, &rounds[..1], &shards);
    let wanted = Finding::Rows {
        round: 0,
        trainer: 2,
        recorded: 5_000,
        found: 20,
    };
    assert_eq!(auditor.findings(), [wanted]);
}
