//! Against scikit-learn: `tests/fixtures/scores.json`, made by `bench/make_estimator_fixtures.py`.

use crate::common::json;
use assay_estimator::{Labels, ModelSpec, Samples, Scores, State, TrainError, auc, score};
use assay_kernel::Kernel;
use serde_json::Value;

fn numbers(of: &Value) -> Vec<f32> {
    let all = of.as_array().unwrap().iter();
    all.map(|x| x.as_f64().unwrap() as f32).collect()
}

/// Scores of a model that says what its only feature says.
fn plain(model: ModelSpec, z: &[f32], labels: Labels) -> Scores {
    let start = State::initial(&model, &[0; 32]).unwrap();
    let state = start.at_rest(vec![1.0, 0.0], 0).unwrap();
    let samples = Samples::new(z.to_vec(), 1, labels).unwrap();
    score(&Kernel::detect().unwrap(), &state, &samples).unwrap()
}

#[track_caller]
fn assert_near(ours: f64, theirs: &Value, tolerance: f64) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance, "{ours}, {theirs}");
}

#[test]
fn scores_are_those_of_scikit_learn() {
    let fixture = json("scores.json");
    for case in fixture["cases"].as_array().unwrap() {
        let z = numbers(&case["outputs"]);
        let classes: Vec<u32> = numbers(&case["classes"])
            .iter()
            .map(|x| *x as u32)
            .collect();
        let area = auc(&z, &classes).unwrap();
        assert_near(area.value(), &case["auc"], 1e-12);
        let labels = Labels::classes(classes, 2).unwrap();
        let scores = plain(ModelSpec::Logistic { features: 1 }, &z, labels);
        assert_eq!(scores.auc, Some(area));
        assert_near(scores.accuracy().unwrap(), &case["accuracy"], 0.0);
        // Losses of rows are f32.
        assert_near(scores.loss(), &case["log_loss"], 1e-7);
        assert_eq!((scores.rmse(), scores.r2()), (None, None));

        let values = Labels::Values(numbers(&case["values"]));
        let scores = plain(ModelSpec::Linear { features: 1 }, &z, values);
        assert_near(scores.rmse().unwrap(), &case["rmse"], 1e-12);
        assert_near(scores.r2().unwrap(), &case["r2"], 1e-12);
        let mean_square = scores.rmse().unwrap() * scores.rmse().unwrap();
        assert!((scores.loss() - mean_square).abs() < 1e-6);
        assert_eq!((scores.accuracy(), scores.auc), (None, None));
    }
}

#[test]
fn what_cannot_be_said_is_not_said() {
    let one = Labels::classes(vec![1, 1], 2).unwrap();
    let scores = plain(ModelSpec::Logistic { features: 1 }, &[0.5, -0.5], one);
    assert_eq!((scores.auc, scores.correct), (None, Some(1)));
    let same = Labels::Values(vec![2.0, 2.0]);
    let scores = plain(ModelSpec::Linear { features: 1 }, &[2.0, 2.0], same);
    assert_eq!((scores.rmse(), scores.r2()), (Some(0.0), None));
}

#[test]
fn a_score_in_one_number_counts_rows_or_tells_r2_in_millionths() {
    let classes = |of: &[u32]| Labels::classes(of.to_vec(), 2).unwrap();
    let logistic = |z: &[f32], of: &[u32]| {
        plain(ModelSpec::Logistic { features: 1 }, z, classes(of)).millionths()
    };
    assert_eq!(logistic(&[1.0, -1.0, 1.0], &[1, 0, 0]), 666_666);
    assert_eq!(logistic(&[1.0, -1.0], &[1, 0]), 1_000_000);
    assert_eq!(logistic(&[-1.0, 1.0], &[1, 0]), 0);
    let linear = |z: &[f32], of: &[f32]| {
        let labels = Labels::Values(of.to_vec());
        plain(ModelSpec::Linear { features: 1 }, z, labels).millionths()
    };
    assert_eq!(linear(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1_000_000);
    // 1 - 0.25 / 2.
    assert_eq!(linear(&[1.0, 2.0, 3.5], &[1.0, 2.0, 3.0]), 875_000);
    assert_eq!(
        linear(&[9.0, 2.0, 3.0], &[1.0, 2.0, 3.0]),
        0,
        "worse than the mean"
    );
    assert_eq!(
        linear(&[2.0, 2.0], &[2.0, 2.0]),
        0,
        "the labels say nothing"
    );
}

#[test]
fn no_rows_and_outputs_that_are_not_finite_are_not_scored() {
    let kernel = Kernel::detect().unwrap();
    let start = State::initial(&ModelSpec::Linear { features: 1 }, &[0; 32]).unwrap();
    let none = Samples::new(vec![], 1, Labels::Values(vec![])).unwrap();
    assert!(matches!(
        score(&kernel, &start, &none),
        Err(TrainError::NoRows)
    ));
    let state = start.at_rest(vec![3e38, 0.0], 0).unwrap();
    let far = Samples::new(vec![10.0], 1, Labels::Values(vec![0.0])).unwrap();
    assert!(matches!(
        score(&kernel, &state, &far),
        Err(TrainError::Outputs(_))
    ));
}
