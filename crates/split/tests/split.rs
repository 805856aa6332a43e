//! The plain split: who holds what, the bits, and the bytes.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use assay_kernel::{Isa, Kernel};
use assay_model::{
    BatchShape, Evaluator, Input, Op, Precision, Purpose, Targets, TrainState, Trainer, logits,
};
use assay_split::wire::HEADER;
use assay_split::{
    Holdings, Outcome, Provider, Requester, SetupError, Side, Split, local, step_traffic,
};
use std::sync::Arc;

const SHAPE: BatchShape = BatchShape { batch: 2, seq: 5 };

/// Every non-empty set of projections.
fn subsets() -> impl Iterator<Item = Vec<&'static str>> {
    let names = common::all();
    (1u8..128).map(move |bits| {
        let chosen = names.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        chosen.map(|(_, name)| *name).collect()
    })
}

fn purposes() -> Vec<Purpose> {
    let train = common::all_settings().into_iter().map(Purpose::Train);
    [Purpose::Logits, Purpose::Loss]
        .into_iter()
        .chain(train)
        .collect()
}

#[test]
fn the_provider_never_reads_tokens_labels_embedding_output_m_or_optimiser() {
    for json in [common::BIASED, common::QWEN, common::PLAIN] {
        let base = common::base(json);
        for targets in subsets() {
            let settings = common::private(3, &targets);
            for purpose in purposes() {
                let split = Split::new(base.config(), &settings, SHAPE, purpose).unwrap();
                let params = split.method().params(base.config());
                for input in split.inputs_of(Side::Provider) {
                    let allowed = match input {
                        Input::Weight(id) => {
                            let name = &base.spec().weights()[id.0 as usize].name;
                            name.starts_with("model.layers.")
                        }
                        Input::RopeCos | Input::RopeSin => true,
                        Input::Param(i) => {
                            let name = &params[i as usize].name;
                            name.ends_with("lora_A.weight") || name.ends_with("lora_B.weight")
                        }
                        _ => false,
                    };
                    assert!(allowed, "the provider reads {input:?}");
                }
                // And the requester reads nothing of the layers, nor A or B.
                for input in split.inputs_of(Side::Requester) {
                    let allowed = match input {
                        Input::Weight(id) => {
                            let name = &base.spec().weights()[id.0 as usize].name;
                            !name.starts_with("model.layers.")
                        }
                        Input::Param(i) => params[i as usize].is_trained(),
                        Input::RopeCos | Input::RopeSin => false,
                        _ => true,
                    };
                    assert!(allowed, "the requester reads {input:?}");
                }
            }
        }
    }
}

/// What crosses to the provider: the embedded tokens, the gradient of the last layer's output, and
/// `r` wide outputs of a product with M.
#[test]
fn only_boundaries_and_low_rank_tensors_cross() {
    let base = common::base(common::BIASED);
    let settings = common::private(3, &common::all());
    for purpose in purposes() {
        let split = Split::new(base.config(), &settings, SHAPE, purpose).unwrap();
        let graph = split.graph();
        for side in [Side::Provider, Side::Requester] {
            for id in split.received_by(side) {
                let mut nodes = graph.nodes.iter().zip(split.owners());
                let (node, owner) = nodes.find(|(n, _)| n.outputs.contains(id)).unwrap();
                assert_eq!(*owner, side.other());
                let tensor = graph.tensor(*id);
                let boundary = tensor.cols == base.config().hidden_size;
                let through_m = tensor.cols == 3 && matches!(node.op, Op::Product { .. });
                let scaled = tensor.cols == 3 && matches!(node.op, Op::Scale { .. });
                assert!(boundary || through_m || scaled, "{node:?} crosses");
            }
        }
    }
}

#[test]
fn a_provider_refuses_tensors_that_it_must_not_have_and_notices_missing_ones() {
    let base = common::base(common::BIASED);
    let kernel = Kernel::detect().unwrap();
    let settings = common::private(3, &common::all());
    let state = common::state(&base, &settings);
    let purpose = Purpose::Train(common::plain_settings());
    let split = Arc::new(Split::new(base.config(), &settings, SHAPE, purpose).unwrap());
    let part = |side| Holdings::of(&split, side, &base, state.adapter()).unwrap();
    let theirs = part(Side::Provider);
    let needed = split.inputs_of(Side::Provider);
    assert_eq!(theirs.inputs().count(), needed.len());
    for input in split.inputs_of(Side::Requester) {
        let mut more = theirs.clone();
        more.insert(input, vec![0.0; 4]);
        let refused = Provider::new(&kernel, split.clone(), more);
        assert!(matches!(refused, Err(SetupError::NotForProvider(i)) if i == input));
    }
    for input in needed {
        let mut other = theirs.clone();
        other.insert(input, vec![0.0; 1]);
        let refused = Provider::new(&kernel, split.clone(), other);
        assert!(matches!(refused, Err(SetupError::Missing(i)) if i == input));
    }
    let theirs = Requester::new(&kernel, split.clone(), part(Side::Provider), state.clone());
    assert!(matches!(theirs, Err(SetupError::Missing(Input::Weight(_)))));
    let other = common::state(&base, &common::private(2, &common::all()));
    let refused = Requester::new(&kernel, split.clone(), part(Side::Requester), other);
    assert!(matches!(refused, Err(SetupError::State(_))));
    let gradients = Split::new(base.config(), &settings, SHAPE, Purpose::Gradients);
    assert!(matches!(gradients, Err(SetupError::Purpose)));
}

/// A row is rounded as a whole, which two parties with parts of the step could not follow.
#[test]
fn a_base_that_computes_in_integers_is_refused() {
    let base = Arc::into_inner(common::base(common::PLAIN)).unwrap();
    let base = base.held_in(Precision::W8A8);
    let settings = common::private(3, &common::all());
    let split = Split::new(base.config(), &settings, SHAPE, Purpose::Logits).unwrap();
    let state = common::state(&base, &settings);
    for side in [Side::Requester, Side::Provider] {
        let refused = Holdings::of(&split, side, &base, state.adapter());
        assert!(matches!(refused, Err(SetupError::Precision)));
    }
    let masked = assay_split::masked::MaskedProvider::new(0, &base, 8);
    let text = masked.map(|_| ()).unwrap_err().to_string();
    assert!(
        text.contains("use float32, bfloat16, int8 or nf4"),
        "{text}"
    );
}

/// The point of it all: state digests of every step, for every setting, on different code paths on
/// the two sides.
#[test]
fn a_split_run_has_the_bits_of_the_unsplit_one() {
    let held = Arc::into_inner(common::base(common::PLAIN)).unwrap();
    let bases = [common::BIASED, common::QWEN, common::PLAIN].map(common::base);
    for base in bases
        .into_iter()
        .chain([Arc::new(held.held_in(Precision::Nf4))])
    {
        for targets in [&["q_proj", "down_proj"][..], &common::all()] {
            let private = common::private(3, targets);
            let mut ends = Vec::new();
            for settings in common::all_settings() {
                let kernel = Kernel::new(Isa::Scalar, 1).unwrap();
                let mut state = common::state(&base, &private);
                let method = state.adapter().method().clone();
                let trainer =
                    Trainer::new(&kernel, base.clone(), &method, settings, SHAPE, &[0; 32]);
                let mut trainer = trainer.unwrap();
                let purpose = Purpose::Train(settings);
                let (mut requester, mut provider) =
                    common::parties(&base, &private, SHAPE, purpose);
                let rows = trainer.graph().rows();
                for step in 0..4 {
                    let rate = 0.01 / (step + 1) as f32;
                    let batch = common::batch(rows.batch, rows.seq, 20, step);
                    let expected = trainer.step(&mut state, &batch, rate).unwrap();
                    let (outcome, _) =
                        local::exchange(&mut requester, &mut provider, &batch, rate).unwrap();
                    assert_eq!(outcome, Outcome::Trained(expected));
                    assert_eq!(requester.state().digest(), state.digest());
                }
                assert_eq!(requester.state(), &state);
                ends.push(state.digest());
            }
            // Clipping, accumulation and rounding did something; checkpointing did not.
            let plain = ends[0];
            assert!(plain != ends[1] && plain != ends[2] && plain == ends[3] && plain != ends[5]);
        }
    }
}

#[test]
fn the_example_model_trains_to_the_same_bits() {
    let base = common::example();
    let data = common::dialogue(&base, "train.jsonl", 32);
    let private = common::private(8, &common::all());
    let shape = BatchShape { batch: 4, seq: 32 };
    let settings = assay_model::TrainSettings {
        max_grad_norm: Some(1.0),
        ..common::plain_settings()
    };
    let kernel = Kernel::detect().unwrap();
    let mut state = common::state(&base, &private);
    let before = state.clone();
    let method = state.adapter().method().clone();
    let trainer = Trainer::new(&kernel, base.clone(), &method, settings, shape, &[0; 32]);
    let mut trainer = trainer.unwrap();
    let (mut requester, mut provider) =
        common::parties(&base, &private, shape, Purpose::Train(settings));
    for step in 0..3 {
        let batch = data.batch(step, shape.batch);
        let expected = trainer.step(&mut state, &batch, 0.01).unwrap();
        let (outcome, transcript) =
            local::exchange(&mut requester, &mut provider, &batch, 0.01).unwrap();
        assert_eq!(outcome, Outcome::Trained(expected));
        assert_eq!(requester.state().digest(), state.digest());
        // Queries, keys and values share a round, and so do gate and up: four there and back a
        // layer, forward and backward, and the tokens' way in and the loss's way back.
        assert_eq!(transcript.trips, 2 * (4 * 8 + 1));
        if step == 0 {
            let bytes = |all: &[Vec<u8>]| all.iter().map(Vec::len).sum::<usize>();
            let (to, from) = (&transcript.to_provider, &transcript.to_requester);
            println!(
                "per token: {} bytes to the provider, {} back; {} one-way trips a step",
                bytes(to) / shape.positions(),
                bytes(from) / shape.positions(),
                transcript.trips
            );
        }
    }
    assert_ne!(before.digest(), state.digest());
}

#[test]
fn losses_and_logits_are_those_of_the_unsplit_model() {
    let base = common::base(common::QWEN);
    let kernel = Kernel::detect().unwrap();
    let private = common::private(3, &common::all());
    let state: TrainState = common::state(&base, &private);
    let batch = common::batch(SHAPE.batch, SHAPE.seq, 20, 1);
    let adapter = Some(state.adapter());
    let mut evaluator = Evaluator::new(&kernel, base.clone(), adapter, SHAPE).unwrap();
    let score = evaluator.score(&batch).unwrap();
    let logits = logits(&kernel, &base, adapter, &batch).unwrap();
    for (purpose, expected) in [
        (Purpose::Loss, Outcome::Scored(score)),
        (Purpose::Logits, Outcome::Logits(logits)),
    ] {
        let (mut requester, mut provider) = common::parties(&base, &private, SHAPE, purpose);
        for _ in 0..2 {
            let run = local::exchange(&mut requester, &mut provider, &batch, 0.0);
            assert_eq!(run.unwrap().0, expected);
        }
        assert_eq!(requester.state(), &state);
    }
}

/// Counted in the encoded messages, not from the graph.
#[test]
fn bytes_on_the_wire_equal_the_formula() {
    for json in [common::BIASED, common::QWEN, common::PLAIN] {
        let base = common::base(json);
        for (i, targets) in subsets().enumerate() {
            // All subsets against the lists of crossings, and some of them in earnest.
            let settings = common::private(3, &targets);
            for purpose in purposes() {
                let expected = step_traffic(base.config(), &settings, SHAPE, purpose);
                let split = Split::new(base.config(), &settings, SHAPE, purpose).unwrap();
                let planned = |side| {
                    let ids = split.received_by(side).iter();
                    ids.map(|id| HEADER + 4 * split.graph().tensor(*id).values())
                        .sum::<usize>()
                };
                assert_eq!(planned(Side::Provider), expected.to_provider.bytes());
                assert_eq!(planned(Side::Requester), expected.to_requester.bytes());
                if i % 42 != 0 {
                    continue;
                }
                let (mut requester, mut provider) =
                    common::parties(&base, &settings, SHAPE, purpose);
                let rows = split.graph().rows();
                let batch = common::batch(rows.batch, rows.seq, 20, 2);
                let (_, transcript) =
                    local::exchange(&mut requester, &mut provider, &batch, 0.01).unwrap();
                for (messages, expected) in [
                    (&transcript.to_provider, expected.to_provider),
                    (&transcript.to_requester, expected.to_requester),
                ] {
                    assert_eq!(messages.len(), expected.messages);
                    let bytes: usize = messages.iter().map(Vec::len).sum();
                    assert_eq!(bytes, expected.bytes());
                    assert!(messages.iter().all(|m| m.len() <= split.longest_message()));
                }
            }
        }
    }
    assert_eq!(Targets::new(&common::all()).unwrap().count(), 7);
}
