//! The same bits whatever the path, the number of threads, and where a run was interrupted.

use std::sync::Arc;

use crate::common;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    AdamWConfig, Base, BatchShape, Input, InvalidStep, ModelConfig, Op, Target, TrainState, Trainer,
};

/// After five steps. It changes with the kernel specification and the enumeration of steps, never
/// with a machine.
const GOLDEN: &str = "58b8c09d9bd7502c773f73e704cb830dc8b340a2d7aa95d843ad5e87feb980da";

/// The commitment to all operators of the first step.
const GOLDEN_TRACE: &str = "33901d3a497de15e7ccd6ff7f16e10b3cea779cae3335890d014fabcb2ef296f";

fn base() -> Arc<Base> {
    let json = br#"{"model_type": "qwen2", "vocab_size": 300, "hidden_size": 48,
        "intermediate_size": 100, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 64,
        "tie_word_embeddings": true}"#;
    let config = ModelConfig::from_json(json).unwrap();
    Arc::new(Base::random(config, &[1; 32]).unwrap())
}

fn trainer(kernel: &Kernel) -> (Trainer, TrainState) {
    let base = base();
    let lora = common::lora(&Target::ALL);
    let state = TrainState::new(common::fresh(&base, &lora, 2));
    let settings = AdamWConfig {
        weight_decay: 0.1,
        ..AdamWConfig::default()
    };
    let shape = BatchShape { batch: 3, seq: 37 };
    (
        Trainer::new(kernel, base, &lora, settings, shape, &[2; 32]).unwrap(),
        state,
    )
}

fn run(trainer: &mut Trainer, state: &mut TrainState, steps: std::ops::Range<u64>) {
    for step in steps {
        let batch = common::batch(3, 37, step);
        let before = state.step();
        let output = trainer.step(state, &batch, 1e-2).unwrap();
        assert!(output.loss > 0.0 && output.tokens == batch.counted());
        assert_eq!(state.step(), before + 1);
    }
}

#[test]
fn a_run_has_one_digest_on_every_path_and_number_of_threads() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in 1..=3 {
            let (mut trainer, mut state) = trainer(&Kernel::new(isa, threads).unwrap());
            run(&mut trainer, &mut state, 0..5);
            assert_eq!(
                state.digest().to_string(),
                GOLDEN,
                "{isa}, {threads} threads"
            );
        }
    }
}

/// What a dispute about one step bisects over: equal traces on every path, and commitments that first
/// differ behind the node where the computation does.
#[test]
fn the_trace_of_a_step_is_the_same_on_every_path() {
    let trace = |isa, rate| {
        let (mut trainer, mut state) = trainer(&Kernel::new(isa, 2).unwrap());
        let batch = common::batch(3, 37, 0);
        let traced = trainer.step_traced(&mut state, &batch, rate).unwrap().1;
        assert_eq!(traced.records().len(), trainer.graph().nodes.len());
        let first_update = trainer
            .graph()
            .nodes
            .iter()
            .position(|n| matches!(n.op, Op::AdamW(_)));
        (traced, first_update)
    };
    let (expected, first_update) = trace(Isa::Scalar, 1e-2);
    let prefixes = expected.prefixes();
    assert_eq!(prefixes.last().unwrap().to_string(), GOLDEN_TRACE);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        assert_eq!(trace(isa, 1e-2).0, expected, "{isa}");
    }
    let other = trace(Isa::Scalar, 2e-2).0.prefixes();
    let same = prefixes.iter().zip(&other).position(|(a, b)| a != b);
    assert_eq!(same, first_update.map(|node| node + 1));
}

#[test]
fn a_run_continues_from_its_bytes() {
    let kernel = Kernel::detect().unwrap();
    let (mut straight, mut state) = trainer(&kernel);
    run(&mut straight, &mut state, 0..3);
    let bytes = state.to_bytes();
    run(&mut straight, &mut state, 3..5);

    let (mut resumed, _) = trainer(&kernel);
    let mut again = {
        let base = base();
        TrainState::from_bytes(&bytes, &common::lora(&Target::ALL), base.config()).unwrap()
    };
    run(&mut resumed, &mut again, 3..5);
    assert_eq!(again, state);
    assert_eq!(again.digest(), state.digest());
    assert_eq!(state.digest().to_string(), GOLDEN);
}

#[test]
fn training_lowers_the_loss() {
    let (mut trainer, mut state) = trainer(&Kernel::detect().unwrap());
    let batch = common::batch(3, 37, 0);
    let first = trainer.step(&mut state, &batch, 1e-2).unwrap().loss;
    let mut last = first;
    for _ in 0..30 {
        last = trainer.step(&mut state, &batch, 1e-2).unwrap().loss;
    }
    assert!(last < first - 0.3, "{first} {last}");
}

/// An adapter of zeros has no gradient at all: its moments would go on moving it, whatever the batch
/// is, and nobody would have to compute anything.
#[test]
fn a_step_without_any_gradient_is_no_step() {
    let (mut trainer, mut state) = trainer(&Kernel::detect().unwrap());
    run(&mut trainer, &mut state, 0..2);
    let params = state.adapter().params().iter().zip(0..);
    let zeros = params.map(|(param, i)| (Input::Param(i), vec![0.0; param.values.len()]));
    let zeros: Vec<_> = zeros.collect();
    let live = zeros.len() - 1;
    // One tensor of a pair that is left gives the other one a gradient.
    let mut nearly = state.clone();
    nearly.advance(zeros[..live].to_vec()).unwrap();
    trainer
        .step(&mut nearly, &common::batch(3, 37, 2), 1e-2)
        .unwrap();

    state.advance(zeros).unwrap();
    let before = state.clone();
    for step in 2..4 {
        let batch = common::batch(3, 37, step);
        let error = trainer.step(&mut state, &batch, 1e-2).unwrap_err();
        assert!(matches!(error, InvalidStep::NoGradient), "{error}");
        assert_eq!(state, before);
    }
}

#[test]
fn an_invalid_step_leaves_the_state_as_it_was() {
    let (mut trainer, mut state) = trainer(&Kernel::detect().unwrap());
    run(&mut trainer, &mut state, 0..1);
    let before = state.clone();
    let good = common::batch(3, 37, 1);

    let error = trainer.step(&mut state, &good, f32::MAX).unwrap_err();
    let InvalidStep::NotFinite { node, operator, at } = &error else {
        panic!("{error}");
    };
    assert_eq!(trainer.graph().describe(*node), *operator);
    let (row, column) = at.unwrap();
    let told = format!("in row {row}, column {column} of its result");
    assert!(error.to_string().ends_with(&told), "{error}");

    let mut refused = |batch: &assay_data::Batch, rate: f32| {
        let error = trainer.step(&mut state, batch, rate).unwrap_err();
        assert_eq!(state, before);
        error
    };
    assert!(matches!(
        refused(&good, f32::NAN),
        InvalidStep::LearningRate(_)
    ));
    assert!(matches!(refused(&good, -1.0), InvalidStep::LearningRate(_)));
    let other = common::batch(3, 36, 1);
    assert!(matches!(
        refused(&other, 0.1),
        InvalidStep::BatchShape(3, 36, 3, 37)
    ));
    let mut outside = good.clone();
    outside.ids[5] = 300;
    assert!(matches!(
        refused(&outside, 0.1),
        InvalidStep::Token(300, 300)
    ));
    let mut outside = good.clone();
    outside.labels[5] = -7;
    assert!(matches!(
        refused(&outside, 0.1),
        InvalidStep::Token(-7, 300)
    ));
    let mut silent = good.clone();
    silent.labels.fill(assay_kernel::IGNORE);
    assert!(matches!(refused(&silent, 0.1), InvalidStep::NothingCounted));

    let base = base();
    let few = common::lora(&[Target::QProj]);
    let mut foreign = TrainState::new(common::fresh(&base, &few, 2));
    let error = trainer.step(&mut foreign, &good, 0.1).unwrap_err();
    assert!(error.to_string().contains("settings differ"), "{error}");
    run(&mut trainer, &mut state, 1..2);
}
