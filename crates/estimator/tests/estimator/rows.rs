//! Shards, splits and what is told about rows.

use crate::common::{cancer, digits, example, random};
use assay_crypto::Digest;
use assay_estimator::{
    DataFault, Labels, ModelSpec, Notice, RowProof, Samples, Shard, Split, hold_out,
};
use proptest::prelude::*;

/// The name of a shard of two rows: if it moves, every shard has another name.
const SHARD: &str = "11bf5406a568eb9d49c77cf2c08ebb4f71740d503e612b79afc6e61a313701c3";

fn classes(of: &[u32]) -> Labels {
    Labels::classes(of.to_vec(), 3).unwrap()
}

#[test]
fn a_shard_has_one_encoding_and_one_name() {
    for model in [
        ModelSpec::Linear { features: 3 },
        ModelSpec::Softmax {
            features: 2,
            classes: 4,
        },
    ] {
        let shard = Shard::new(random(&model, 7));
        let bytes = shard.to_bytes();
        let read = Shard::from_bytes(&bytes).unwrap();
        assert_eq!(read.samples(), shard.samples());
        assert_eq!(read.name(), shard.name());
        assert_eq!(read.to_bytes(), bytes);
        for end in 0..bytes.len() {
            assert!(Shard::from_bytes(&bytes[..end]).is_err());
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            if let Ok(other) = Shard::from_bytes(&other) {
                assert_ne!(other.name(), shard.name(), "byte {at}");
            }
        }
    }
    let golden = Shard::new(Samples::new(vec![1.0, -2.0], 1, classes(&[0, 2])).unwrap());
    assert_eq!(golden.name().to_string(), SHARD);
}

#[test]
fn hostile_shards_are_refused_before_anything_is_allocated() {
    let bytes = Shard::new(random(&ModelSpec::Linear { features: 3 }, 2)).to_bytes();
    let mut announced = bytes.clone();
    announced[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Shard::from_bytes(&announced).is_err());
    let mut announced = bytes.clone();
    announced[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Shard::from_bytes(&announced).is_err());
    let mut infinite = bytes.clone();
    infinite[32..36].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = Shard::from_bytes(&infinite).unwrap_err();
    assert!(matches!(error, DataFault::NotFinite { row: 0, column: 0 }));
    let mut classed = bytes;
    classed[12..16].copy_from_slice(&2u32.to_le_bytes());
    assert!(matches!(
        Shard::from_bytes(&classed).unwrap_err(),
        DataFault::Class { .. }
    ));
}

#[test]
fn a_row_is_shown_under_the_name_and_no_other_row_is() {
    let shard = Shard::new(random(&ModelSpec::Linear { features: 3 }, 6));
    for index in 0..6 {
        let proof = shard.prove(index).unwrap();
        assert!(proof.verify(&shard.name()));
        let (features, label) = proof.values().unwrap();
        assert_eq!(features, shard.samples().row(index as usize));
        let Labels::Values(values) = shard.samples().labels() else {
            panic!("numbers");
        };
        assert_eq!(f32::from_le_bytes(label), values[index as usize]);
        assert!(!proof.verify(&Digest::ZERO));
        let changed = |change: fn(&mut RowProof)| {
            let mut other = proof.clone();
            change(&mut other);
            other.verify(&shard.name())
        };
        assert!(!changed(|proof| proof.index = (proof.index + 1) % 6));
        assert!(!changed(|proof| proof.row[2] ^= 1));
        assert!(!changed(|proof| proof.row.truncate(4)));
        assert!(!changed(|proof| proof.head.rows += 1));
        assert!(!changed(|proof| proof.head.width = u64::MAX));
    }
    assert_eq!(shard.prove(6), None);
}

#[test]
fn features_and_labels_of_different_lengths_are_refused() {
    let refused = |values, width, labels: &[u32]| {
        Samples::new(vec![0.0; values], width, classes(labels)).unwrap_err()
    };
    assert!(matches!(
        refused(6, 2, &[0, 1]),
        DataFault::Lengths { labels: 2, .. }
    ));
    assert!(matches!(refused(5, 2, &[0, 1]), DataFault::Lengths { .. }));
    assert!(matches!(refused(0, 0, &[]), DataFault::Width(0)));
    assert!(Labels::classes(vec![3], 3).is_err() && Labels::classes(vec![], 1).is_err());
}

#[test]
fn odd_rows_are_told_and_kept() {
    let of = |features: &[f32], labels: &[u32]| {
        let samples = Samples::new(features.to_vec(), 1, classes(labels)).unwrap();
        samples.notices()
    };
    assert_eq!(of(&[], &[]), [Notice::Empty]);
    assert_eq!(of(&[1.0, 2.0], &[1, 1]), [Notice::OneClass(1)]);
    assert_eq!(of(&[1.0, 2.0], &[0, 1]), []);
    let told = of(
        &[1.0, 2.0, 1.0, 1.0, 2.0, 0.0, -0.0],
        &[0, 1, 0, 0, 2, 0, 1],
    );
    let identical = Notice::Identical {
        again: 2,
        example: (2, 0),
    };
    let contradicting = Notice::Contradicting {
        rows: 2,
        example: (4, 1),
    };
    assert_eq!(told, [identical, contradicting]);
    assert!(told[0].to_string().contains("row 2 repeats row 0"));
    assert_eq!(example("breast-cancer.csv", &cancer()).notices(), []);
}

#[test]
fn rows_of_the_training_set_among_the_held_out_ones_are_counted() {
    let samples = example("digits.csv", &digits());
    let (train, held) = hold_out(samples.rows(), 200, &[3; 32]);
    assert_eq!((train.len(), held.len()), (1438, 359));
    let mut all = [&train[..], &held].concat();
    all.sort_unstable();
    assert_eq!(all, (0..1797).collect::<Vec<_>>());
    let (train, held) = (samples.of_rows(&train), samples.of_rows(&held));
    assert_eq!(held.shared_with(&train), 0);
    assert_eq!(train.shared_with(&samples), 1438);
}

#[test]
fn splits_are_these() {
    let of: Vec<u32> = (0..60).map(|row| row % 3).collect();
    let labels = classes(&of);
    let counts = |alpha| -> Vec<Vec<usize>> {
        let split = Split::dirichlet(&labels, 4, alpha, &[1; 32]).unwrap();
        let of_class = |rows: &[u32], class| rows.iter().filter(|r| **r % 3 == class).count();
        let each = |rows: &Vec<u32>| (0..3).map(|class| of_class(rows, class)).collect();
        split.rows.iter().map(each).collect()
    };
    let iid = Split::iid(10, 3, &[1; 32]).unwrap().rows;
    let found = (iid, [0.1, 1.0, 1000.0].map(counts));
    let iid = vec![vec![4, 3, 7], vec![9, 0, 6], vec![1, 5, 2, 8]];
    let few = vec![
        vec![0, 0, 2],
        vec![0, 0, 10],
        vec![17, 19, 0],
        vec![3, 1, 8],
    ];
    let some = vec![vec![2, 4, 8], vec![9, 1, 10], vec![1, 2, 0], vec![8, 13, 2]];
    let alike = vec![vec![4, 5, 5], vec![6, 4, 5], vec![4, 5, 5], vec![6, 6, 5]];
    let wanted = (iid, [few, some, alike]);
    assert_eq!(found, wanted);
}

/// The variance of a share of a symmetric Dirichlet distribution among n is
/// `(n - 1) / (n^2 (n alpha + 1))`.
#[test]
fn shares_vary_as_those_of_a_dirichlet_distribution() {
    let (rows, trainers, classes) = (10_000, 5, 400);
    let of: Vec<u32> = (0..rows * classes).map(|row| row / rows).collect();
    let labels = Labels::classes(of, classes).unwrap();
    for alpha in [0.1f32, 0.7, 5.0] {
        let split = Split::dirichlet(&labels, trainers, alpha, &[2; 32]).unwrap();
        let mut square = 0.0;
        for rows_of_one in &split.rows {
            let mut count = vec![0u32; classes as usize];
            rows_of_one
                .iter()
                .for_each(|row| count[(row / rows) as usize] += 1);
            let share = |n: &u32| f64::from(*n) / f64::from(rows) - 1.0 / f64::from(trainers);
            square += count.iter().map(|n| share(n) * share(n)).sum::<f64>();
        }
        let found = square / f64::from(trainers * classes);
        let n = f64::from(trainers);
        let wanted = (n - 1.0) / (n * n * (n * f64::from(alpha) + 1.0));
        assert!(
            (found / wanted - 1.0).abs() < 0.1,
            "{alpha}: {found} {wanted}"
        );
    }
}

#[test]
fn empty_shards_and_single_classes_of_a_split_are_told() {
    let samples = random(
        &ModelSpec::Softmax {
            features: 2,
            classes: 3,
        },
        20,
    );
    let split = Split::dirichlet(samples.labels(), 30, 0.05, &[1; 32]).unwrap();
    let told = split.notices(&samples);
    for (trainer, rows) in split.rows.iter().enumerate() {
        let trainer = trainer as u32;
        assert_eq!(told.contains(&(trainer, Notice::Empty)), rows.is_empty());
    }
    assert!(
        told.iter()
            .any(|(_, notice)| matches!(notice, Notice::OneClass(_)))
    );
    assert!(Split::iid(5, 0, &[0; 32]).is_err());
    assert!(Split::dirichlet(samples.labels(), 3, 0.0, &[0; 32]).is_err());
    assert!(Split::dirichlet(samples.labels(), 3, f32::NAN, &[0; 32]).is_err());
    assert!(Split::dirichlet(&Labels::Values(vec![1.0]), 3, 1.0, &[0; 32]).is_err());
}

proptest! {
    #[test]
    fn a_split_deals_every_row_once_and_keeps_rows_and_labels_together(
        of in prop::collection::vec(0u32..3, 0..80), trainers in 1u32..9, seed: [u8; 32],
        alpha in 0.02f32..20.0,
    ) {
        // The features of a row name it and its class.
        let features = of.iter().enumerate();
        let features: Vec<f32> = features.flat_map(|(row, class)| [row as f32, *class as f32]).collect();
        let samples = Samples::new(features, 2, classes(&of)).unwrap();
        let iid = Split::iid(of.len(), trainers, &seed).unwrap();
        let lengths = iid.rows.iter().map(Vec::len);
        prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        let dirichlet = Split::dirichlet(samples.labels(), trainers, alpha, &seed).unwrap();
        for split in [iid, dirichlet] {
            prop_assert_eq!(split.rows.len(), trainers as usize);
            let mut dealt = split.rows.concat();
            dealt.sort_unstable();
            prop_assert_eq!(dealt, (0..of.len() as u32).collect::<Vec<_>>());
            for (shard, rows) in split.shards(&samples).zip(&split.rows) {
                let Labels::Classes { of, .. } = shard.labels() else { panic!("classes") };
                for (i, row) in rows.iter().enumerate() {
                    prop_assert_eq!(shard.row(i), &[*row as f32, of[i] as f32]);
                }
            }
        }
    }
}
