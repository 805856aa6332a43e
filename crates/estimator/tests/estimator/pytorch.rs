//! Against PyTorch: `tests/fixtures/training.*`, made by `bench/make_estimator_fixtures.py`.

use crate::common::{Arrays, ORDER, bytes, json};
use assay_estimator::{
    Labels, ModelSpec, Samples, Specification, State, TrainSpec, Trainer, outputs,
};
use assay_kernel::Kernel;

/// The largest difference after 25 steps; parameters are of the order of one.
const TOLERANCE: f32 = 2e-6;

struct Run {
    specification: Specification,
    losses: Vec<f64>,
    samples: Samples,
    arrays: Arrays,
}

fn run(name: &str) -> Run {
    let notes = &json("training.json")["runs"][name];
    let model: ModelSpec = serde_json::from_value(notes["model"].clone()).unwrap();
    let training: TrainSpec = serde_json::from_value(notes["training"].clone()).unwrap();
    let arrays = Arrays(bytes("training.safetensors"));
    let of = |part: &str| format!("{name}.{part}");
    let labels = match model.classes() {
        None => Labels::Values(arrays.floats(&of("labels"))),
        Some(count) => Labels::classes(arrays.integers(&of("labels")), count).unwrap(),
    };
    let features = arrays.floats(&of("features"));
    let losses = notes["losses"].as_array().unwrap().iter();
    Run {
        samples: Samples::new(features, model.features(), labels).unwrap(),
        losses: losses.map(|loss| loss.as_f64().unwrap()).collect(),
        specification: Specification { model, training },
        arrays,
    }
}

#[track_caller]
fn assert_close(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let difference = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = ours.iter().zip(theirs).map(difference).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: largest difference {worst}");
}

fn follows_pytorch(name: &str) {
    let run = run(name);
    let kernel = Kernel::detect().unwrap();
    let of = |part: &str| format!("{name}.{part}");
    let initial = run.arrays.floats(&of("initial"));
    let state = State::initial(&run.specification.model, &[0; 32]).unwrap();
    let mut state = state.at_rest(initial.clone(), 0).unwrap();
    let trainer = Trainer::new(&kernel, &run.specification, ORDER).unwrap();
    let mut trainer = trainer.with_anchor(&initial).unwrap();
    let batches = run.arrays.integers(&of("batches"));
    let size = run.specification.training.batch_size as usize;
    assert_eq!(batches.len(), size * run.losses.len());
    for (rows, loss) in batches.chunks(size).zip(&run.losses) {
        let report = trainer.step_on(&mut state, &run.samples, rows).unwrap();
        assert!(report.is_valid(), "{report:?}");
        let ours = f64::from(report.loss.unwrap());
        assert!((ours - loss).abs() < 1e-5, "{name}: loss {ours}, {loss}");
    }
    let theirs = run.arrays.floats(&of("final"));
    assert_close(name, state.parameters(), &theirs, TOLERANCE);
    assert_ne!(state.parameters(), initial);
    let ours = outputs(&kernel, &state, &run.samples).unwrap();
    assert_close(name, &ours, &run.arrays.floats(&of("outputs")), 2e-5);
}

#[test]
fn a_linear_regression_follows_pytorch() {
    follows_pytorch("linear");
}

#[test]
fn a_logistic_regression_follows_pytorch() {
    follows_pytorch("logistic");
}

#[test]
fn a_softmax_regression_with_clipped_gradients_follows_pytorch() {
    follows_pytorch("softmax");
}

#[test]
fn a_perceptron_follows_pytorch() {
    follows_pytorch("mlp");
}

#[test]
fn a_proximal_term_pulls_as_it_does_in_pytorch() {
    follows_pytorch("fedprox");
}

#[test]
fn a_convolutional_network_follows_pytorch() {
    follows_pytorch("cnn");
}
