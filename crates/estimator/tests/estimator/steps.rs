//! Steps that cannot be taken, and states that are none.

use crate::common::{ORDER, every_kind, random, trained};
use assay_estimator::{
    Fault, Labels, ModelSpec, Samples, Schedule, Shard, Specification, State, StateError, Taken,
    TrainError, TrainSpec, Trainer,
};
use assay_kernel::Kernel;

fn logistic(training: TrainSpec) -> Specification {
    Specification {
        model: ModelSpec::Logistic { features: 3 },
        training,
    }
}

fn one(features: Vec<f32>, classes: Vec<u32>) -> Shard {
    let labels = Labels::classes(classes, 2).unwrap();
    Shard::new(Samples::new(features, 3, labels).unwrap())
}

/// Takes one step; gives the fault, and asserts that the state did not move.
fn fault(specification: &Specification, state: &mut State, shard: &Shard) -> Fault {
    let kernel = Kernel::detect().unwrap();
    let mut trainer = Trainer::new(&kernel, specification, ORDER).unwrap();
    let before = state.clone();
    let report = trainer.step(state, shard, 0).unwrap();
    assert_eq!(*state, before);
    match report.taken {
        Taken::Invalid(fault) => fault,
        Taken::Valid => panic!("a step was taken"),
    }
}

#[test]
fn a_step_that_is_not_finite_leaves_the_state_as_it_was_and_says_where() {
    let specification = logistic(TrainSpec::at_rate(1e6));
    let start = State::initial(&specification.model, &[0; 32]).unwrap();

    let huge = one(vec![3e38, 3e38, 3e38], vec![0]);
    let mut ones = start.at_rest(vec![1.0; 4], 5).unwrap();
    let told = fault(&specification, &mut ones, &huge);
    assert_eq!(told, Fault::Output("0 (dense)".into()));
    assert_eq!(ones.steps(), 5);

    let told = fault(&specification, &mut start.clone(), &huge);
    assert_eq!(told, Fault::Update);

    let clipped = TrainSpec {
        max_grad_norm: Some(1.0),
        ..TrainSpec::at_rate(0.1)
    };
    let told = fault(&logistic(clipped), &mut start.clone(), &huge);
    assert_eq!(told, Fault::Gradient("all parameters".into()));

    let linear = Specification {
        model: ModelSpec::Linear { features: 3 },
        training: TrainSpec::at_rate(0.1),
    };
    let far = Samples::new(vec![1.0; 3], 3, Labels::Values(vec![3e38])).unwrap();
    let mut state = State::initial(&linear.model, &[0; 32]).unwrap();
    assert_eq!(fault(&linear, &mut state, &Shard::new(far)), Fault::Loss);
}

#[test]
fn an_empty_shard_is_no_step() {
    let specification = logistic(TrainSpec::at_rate(0.1));
    let mut state = State::initial(&specification.model, &[0; 32]).unwrap();
    let told = fault(&specification, &mut state, &one(vec![], vec![]));
    assert_eq!(told, Fault::EmptyShard);
}

#[test]
fn rows_labels_and_states_of_another_model_are_refused() {
    let kernel = Kernel::detect().unwrap();
    let specification = logistic(TrainSpec::at_rate(0.1));
    let mut trainer = Trainer::new(&kernel, &specification, ORDER).unwrap();
    let mut state = State::initial(&specification.model, &[0; 32]).unwrap();
    let mut refused = |state: &mut State, samples: Samples| {
        let shard = Shard::new(samples);
        trainer.step(state, &shard, 0).unwrap_err()
    };
    let wide = random(&ModelSpec::Logistic { features: 4 }, 5);
    let error = refused(&mut state, wide);
    assert!(matches!(
        error,
        TrainError::Width {
            found: 4,
            wanted: 3
        }
    ));
    let numbers = random(&ModelSpec::Linear { features: 3 }, 5);
    let error = refused(&mut state, numbers);
    let told = "the labels are numbers, and the model is for 2 classes";
    assert_eq!(error.to_string(), told);
    let mut other = State::initial(&ModelSpec::Linear { features: 3 }, &[0; 32]).unwrap();
    let error = refused(&mut other, random(&specification.model, 5));
    assert!(matches!(error, TrainError::State(StateError::OtherModel)));
    let few = random(&specification.model, 5);
    let error = trainer.step_on(&mut state, &few, &[5]).unwrap_err();
    assert!(matches!(error, TrainError::NoRow(5)));

    let proximal = logistic(TrainSpec {
        proximal: 0.1,
        ..TrainSpec::at_rate(0.1)
    });
    let mut trainer = Trainer::new(&kernel, &proximal, ORDER).unwrap();
    let error = trainer.step_on(&mut state, &few, &[0]).unwrap_err();
    assert!(matches!(error, TrainError::NoAnchor));
    assert!(trainer.with_anchor(&[0.0; 3]).is_err());
}

#[test]
fn bytes_that_are_no_state_of_the_model_are_refused() {
    let (_, specification) = every_kind().swap_remove(3);
    let shard = Shard::new(random(&specification.model, 60));
    let state = trained(&Kernel::detect().unwrap(), &specification, &shard, 2);
    let (bytes, model) = (state.to_bytes(), &specification.model);
    let refused = |bytes: &[u8]| match State::from_bytes(bytes, model) {
        Err(TrainError::State(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(b""), StateError::NotAState);
    assert_eq!(refused(b"ASSAYES"), StateError::NotAState);
    let changed = |at: usize, to: u8| {
        let mut other = bytes.clone();
        other[at] = to;
        other
    };
    assert_eq!(refused(&changed(8, 2)), StateError::Version(2));
    assert_eq!(refused(&changed(20, bytes[20] ^ 1)), StateError::OtherModel);
    for end in [9, 55, 56, bytes.len() - 1] {
        let error = refused(&bytes[..end]);
        assert!(matches!(error, StateError::Length { .. }), "{error}");
    }
    let longer = [&bytes[..], &[0; 4]].concat();
    assert!(matches!(refused(&longer), StateError::Length { .. }));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut other = bytes.clone();
        let last = other.len() - 4;
        other[last..].copy_from_slice(&value.to_le_bytes());
        let at = (2 * state.parameters().len() - 1) as u64;
        assert_eq!(refused(&other), StateError::NotFinite(at));
    }
    let values = state.parameters().len();
    assert!(state.at_rest(vec![f32::NAN; values], 0).is_err());
    assert!(state.at_rest(vec![0.0; values + 1], 0).is_err());
    let nothing = ModelSpec::Linear { features: 0 };
    assert!(matches!(
        State::from_bytes(&bytes, &nothing),
        Err(TrainError::Spec(_))
    ));
}

#[test]
fn every_byte_of_a_state_counts() {
    let specification = logistic(TrainSpec::at_rate(0.1));
    let state = trained(
        &Kernel::detect().unwrap(),
        &specification,
        &Shard::new(random(&specification.model, 9)),
        3,
    );
    let bytes = state.to_bytes();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        if let Ok(other) = State::from_bytes(&other, &specification.model) {
            assert_ne!(other.digest(), state.digest(), "byte {at}");
            assert_ne!(other, state);
        }
    }
}

#[test]
fn the_rate_follows_the_steps_that_the_state_counts() {
    let halves = Schedule::Steps {
        every: 3,
        factor: 0.5,
    };
    let rates: Vec<f32> = (0..8).map(|step| halves.rate(0.8, step)).collect();
    assert_eq!(rates, [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]);
    let line = Schedule::Linear {
        warmup_steps: 2,
        steps: 6,
    };
    let rates: Vec<f32> = (0..8).map(|step| line.rate(1.0, step)).collect();
    assert_eq!(rates, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
    assert_eq!(Schedule::Constant.rate(0.3, u64::MAX), 0.3);
    assert_eq!(halves.rate(1.0, u64::MAX), 0.0);

    let kernel = Kernel::detect().unwrap();
    let samples = random(&ModelSpec::Logistic { features: 3 }, 8);
    let after = |schedule, rate, steps| {
        let training = TrainSpec {
            schedule,
            ..TrainSpec::at_rate(rate)
        };
        let specification = logistic(training);
        let start = State::initial(&specification.model, &[0; 32]).unwrap();
        let mut state = start.at_rest(vec![0.1; 4], steps).unwrap();
        let mut trainer = Trainer::new(&kernel, &specification, ORDER).unwrap();
        trainer.step_on(&mut state, &samples, &[0, 1, 2]).unwrap();
        state.parameters().to_vec()
    };
    let constant = after(Schedule::Constant, 0.2, 6);
    assert_eq!(after(halves, 0.8, 6), constant);
    assert_ne!(after(halves, 0.8, 5), constant);
}
