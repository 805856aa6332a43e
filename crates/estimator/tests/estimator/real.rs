//! On data that people collected: `examples/tables`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // it says how good the models are

use crate::common::{cancer, digits, example, sixteenths, standardised, trained};
use assay_estimator::{ModelSpec, Samples, Scores, Shard, Specification, TrainSpec, score};
use assay_kernel::Kernel;

fn held_out(
    model: ModelSpec,
    training: TrainSpec,
    (train, held): (Samples, Samples),
    steps: u64,
) -> Scores {
    let kernel = Kernel::detect().unwrap();
    let specification = Specification { model, training };
    let state = trained(&kernel, &specification, &Shard::new(train), steps);
    let scores = score(&kernel, &state, &held).unwrap();
    println!(
        "{:?}: {scores:?} {:?}",
        specification.model,
        scores.accuracy()
    );
    scores
}

fn momentum(rate: f32) -> TrainSpec {
    TrainSpec {
        momentum: 0.9,
        ..TrainSpec::at_rate(rate)
    }
}

#[test]
fn a_logistic_regression_tells_tumours_apart() {
    let samples = example("breast-cancer.csv", &cancer());
    let model = ModelSpec::Logistic { features: 30 };
    let scores = held_out(model, momentum(0.02), standardised(&samples), 300);
    assert_eq!(scores.rows, 113);
    assert!(scores.accuracy().unwrap() >= 0.95, "{scores:?}");
    assert!(scores.auc.unwrap().value() >= 0.98, "{scores:?}");
}

#[test]
fn a_softmax_regression_reads_digits() {
    let samples = example("digits.csv", &digits());
    let model = ModelSpec::Softmax {
        features: 64,
        classes: 10,
    };
    let scores = held_out(model, momentum(0.02), standardised(&samples), 600);
    assert!(scores.accuracy().unwrap() >= 0.93, "{scores:?}");
}

#[test]
fn a_perceptron_reads_digits() {
    let samples = example("digits.csv", &digits());
    let model = ModelSpec::Mlp {
        features: 64,
        hidden: vec![32],
        classes: 10,
    };
    let scores = held_out(model, momentum(0.05), standardised(&samples), 900);
    assert!(scores.accuracy().unwrap() >= 0.94, "{scores:?}");
}

#[test]
fn a_convolutional_network_reads_digits() {
    let samples = example("digits.csv", &digits());
    let model = ModelSpec::Cnn {
        channels: 1,
        height: 8,
        width: 8,
        filters: vec![8, 16],
        classes: 10,
    };
    let scores = held_out(model, momentum(0.05), sixteenths(&samples), 900);
    assert!(scores.accuracy().unwrap() >= 0.97, "{scores:?}");
}
