//! Bases whose frozen projections are computed in 8-bit integers.

use std::sync::Arc;

use crate::common;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    AdamWConfig, Base, BatchShape, Input, InvalidStep, Method, ModelConfig, Op, Precision, Purpose,
    ShapeError, Target, TrainState, Trainer, build_graph_in, gradients, logits,
};

/// After five steps. It changes with the kernel specification and the enumeration of steps, never
/// with a machine.
const GOLDEN: &str = "af6347c03c962f343ea50bed071540defd34978e6ca8879c5b3215cca60eb5f0";

const SHAPE: BatchShape = BatchShape { batch: 3, seq: 37 };

fn base(precision: Precision) -> Arc<Base> {
    let json = br#"{"model_type": "qwen2", "vocab_size": 300, "hidden_size": 48,
        "intermediate_size": 100, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 64,
        "tie_word_embeddings": true}"#;
    let config = ModelConfig::from_json(json).unwrap();
    Arc::new(Base::random(config, &[1; 32]).unwrap().held_in(precision))
}

fn trainer(kernel: &Kernel, method: &Method) -> (Trainer, TrainState) {
    let base = base(Precision::W8A8);
    let state = TrainState::new(common::fresh(&base, method, 2));
    let settings = AdamWConfig::default();
    let trainer = Trainer::new(kernel, base, method, settings, SHAPE, &[2; 32]);
    (trainer.unwrap(), state)
}

#[test]
fn a_run_has_one_digest_on_every_path_and_number_of_threads() {
    let lora = common::lora(&Target::ALL);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in 1..=3 {
            let (mut trainer, mut state) = trainer(&Kernel::new(isa, threads).unwrap(), &lora);
            for step in 0..5 {
                let batch = common::batch(SHAPE.batch, SHAPE.seq, step);
                trainer.step(&mut state, &batch, 1e-2).unwrap();
            }
            let digest = state.digest().to_string();
            assert_eq!(digest, GOLDEN, "{isa}, {threads} threads");
        }
    }
}

/// The steps of both precisions have the same nodes, but for the products by frozen projections.
#[test]
fn only_products_by_frozen_projections_are_of_integers() {
    let config = base(Precision::Float32).config().clone();
    for (name, method) in common::methods() {
        let settings = AdamWConfig::default().into();
        for purpose in [Purpose::Logits, Purpose::Train(settings)] {
            let build = |precision| {
                build_graph_in(&config, Some(&method), SHAPE, purpose, precision).unwrap()
            };
            let (floats, integers) = (build(Precision::Int8), build(Precision::W8A8));
            assert_eq!(floats.tensors, integers.tensors);
            let mut counted = 0;
            for (float, integer) in floats.nodes.iter().zip(&integers.nodes) {
                let frozen = match float.op {
                    Op::Product { .. } => floats.tensor(float.inputs[1]).input,
                    _ => None,
                };
                let replaced = matches!(frozen, Some(Input::Weight(_))) && float.layer.is_some();
                match (float.op, integer.op) {
                    (
                        Op::Product {
                            ta: false,
                            tb,
                            accumulate,
                        },
                        Op::QuantizedProduct {
                            transposed,
                            accumulate: added,
                        },
                    ) if replaced => {
                        assert_eq!((tb, accumulate), (transposed, added));
                        counted += 1;
                    }
                    _ => assert!(
                        !replaced && float == integer,
                        "{name}: {float:?} {integer:?}"
                    ),
                }
                assert_eq!(
                    (&float.inputs, &float.outputs),
                    (&integer.inputs, &integer.outputs)
                );
            }
            assert_eq!(floats.nodes.len(), integers.nodes.len());
            let expected = if method == Method::Full { 0 } else { 14 };
            assert!(counted >= expected, "{name}: {counted}");
            assert_eq!(counted == 0, method == Method::Full);
        }
    }
}

fn error(found: &[f32], wanted: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let off: f64 = found.iter().zip(wanted).map(|(a, b)| square(a - b)).sum();
    let size: f64 = wanted.iter().map(|b| square(*b)).sum();
    (off / size).sqrt()
}

/// Rounding activations to 8 bits moves logits and gradients by about a percent.
#[test]
fn logits_and_gradients_are_near_those_of_widened_weights() {
    let kernel = Kernel::detect().unwrap();
    let (float, integer) = (base(Precision::Int8), base(Precision::W8A8));
    assert_eq!(float.digest(), integer.digest());
    let batch = common::batch(SHAPE.batch, SHAPE.seq, 0);
    for (name, method) in common::methods() {
        if method == Method::Full {
            continue;
        }
        let adapter = common::fresh(&float, &method, 2);
        let [wanted, found] =
            [&float, &integer].map(|base| logits(&kernel, base, Some(&adapter), &batch).unwrap());
        let off = error(&found, &wanted);
        assert!(off > 0.0 && off < 0.02, "{name}: logits {off}");
        let [wanted, found] = [&float, &integer].map(|base| {
            let (_, gradients) = gradients(&kernel, base, &adapter, &batch).unwrap();
            gradients.concat()
        });
        let off = error(&found, &wanted);
        assert!(off > 0.0 && off < 0.04, "{name}: gradients {off}");
    }
}

#[test]
fn merging_uses_the_widened_weights() {
    let kernel = Kernel::detect().unwrap();
    let (float, integer) = (base(Precision::Int8), base(Precision::W8A8));
    let adapter = common::adapter(&float, &common::lora(&Target::ALL));
    let [a, b] = [float, integer].map(|base| adapter.merge(&kernel, &base).unwrap());
    assert_eq!(a.digest(), b.digest());
    assert_eq!(b.precision(), Precision::Float32);
}

#[test]
fn an_invalid_step_leaves_the_state_as_it_was() {
    let (mut trainer, mut state) = trainer(&Kernel::detect().unwrap(), &common::lora(&Target::ALL));
    let batch = common::batch(SHAPE.batch, SHAPE.seq, 0);
    trainer.step(&mut state, &batch, 1e-2).unwrap();
    let before = state.clone();
    let error = trainer.step(&mut state, &batch, f32::MAX).unwrap_err();
    assert!(matches!(error, InvalidStep::NotFinite { .. }), "{error}");
    assert_eq!(state, before);
    trainer.step(&mut state, &batch, 1e-2).unwrap();
}

#[test]
fn a_model_too_wide_for_exact_sums_is_refused() {
    let json = br#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 8,
        "intermediate_size": 131072, "num_hidden_layers": 1, "num_attention_heads": 2}"#;
    let config = ModelConfig::from_json(json).unwrap();
    let build = |precision| {
        let shape = BatchShape { batch: 1, seq: 1 };
        build_graph_in(&config, None, shape, Purpose::Logits, precision)
    };
    assert!(build(Precision::Int8).is_ok());
    assert!(matches!(
        build(Precision::W8A8),
        Err(ShapeError::TooDeep(131_072))
    ));
}
