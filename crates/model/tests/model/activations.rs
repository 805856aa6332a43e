//! Holding what the backward pass reads as bfloat16: what it computes, its bits, its memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::common;
use assay_data::Batch;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Argument, Base, BatchShape, Input, InvalidStep,
    Method, Noise, Op, Plan, Purpose, TensorId, TrainSettings, TrainState, Trainer, Values,
    build_graph, run_node,
};

const SEED: [u8; 32] = [2; 32];

fn plain() -> TrainSettings {
    TrainSettings::from(AdamWConfig::default())
}

fn rounded() -> TrainSettings {
    TrainSettings {
        activation_storage: ActivationStorage::BFloat16,
        ..plain()
    }
}

/// The nearer neighbour with 8 significant bits, found in f64; the even one on a tie.
fn nearest(x: f32) -> f32 {
    let below = x.to_bits() & 0xffff_0000;
    let [below, above] = [below, below + 0x1_0000].map(f32::from_bits);
    let distance = |y: f32| (f64::from(y) - f64::from(x)).abs();
    let even = below.to_bits() & 0x1_0000 == 0;
    match distance(below).total_cmp(&distance(above)) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal if even => below,
        _ => above,
    }
}

/// A step in plain f32 in which every node after the loss reads rounded values of what the nodes
/// before it made, run node by node: what AdamW makes of each input that it changes.
fn reference(
    base: &Base,
    method: &Method,
    settings: TrainSettings,
    shape: BatchShape,
    state: &TrainState,
    batch: &Batch,
) -> HashMap<Input, Vec<f32>> {
    let kernel = Kernel::new(Isa::Scalar, 1).unwrap();
    let purpose = Purpose::Train(settings);
    let graph = build_graph(base.config(), Some(method), shape, purpose).unwrap();
    let loss = |node: &assay_model::Node| matches!(node.op, Op::CrossEntropy { .. });
    let loss = graph.nodes.iter().position(loss).unwrap();
    let mut values: HashMap<TensorId, Vec<f32>> = HashMap::new();
    let mut short: HashMap<TensorId, Vec<f32>> = HashMap::new();
    for (i, tensor) in graph.tensors.iter().enumerate() {
        let found = tensor.input.and_then(|input| match input {
            Input::Weight(id) => Some(base.weight(id).to_vec()),
            Input::RopeCos => Some(base.rope().cos[..tensor.values()].to_vec()),
            Input::RopeSin => Some(base.rope().sin[..tensor.values()].to_vec()),
            Input::LearningRate => Some(vec![1e-2]),
            other => state.input(other),
        });
        values.insert(TensorId(i as u32), found.unwrap_or_default());
    }
    let mut changed = HashMap::new();
    for (n, node) in graph.nodes.iter().enumerate() {
        let read = |id: &TensorId| match short.get(id).filter(|_| n > loss) {
            Some(short) => short,
            None => &values[id],
        };
        let mut outputs: Vec<Vec<f32>> = (node.outputs.iter().enumerate())
            .map(|(k, id)| match node.op.updates(k) {
                Some(i) => read(&node.inputs[i]).clone(),
                None => vec![f32::NAN; graph.tensor(*id).values()],
            })
            .collect();
        let arguments: Vec<Argument<'_>> = (node.inputs.iter())
            .map(|id| Argument {
                tensor: *graph.tensor(*id),
                values: match graph.tensor(*id).input {
                    Some(Input::Ids(_)) => Values::Ids(&batch.ids),
                    Some(Input::Labels(_) | Input::AllLabels) => Values::Labels(&batch.labels),
                    Some(Input::Noise) => Values::Noise(Noise {
                        key: SEED,
                        step: state.step(),
                    }),
                    _ => Values::Floats(read(id)),
                },
            })
            .collect();
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        run_node(&kernel, node.op, &arguments, None, &mut slices);
        for (k, (id, output)) in node.outputs.iter().zip(outputs).enumerate() {
            // Inverse root mean squares, and what DoRA makes of the adapter alone, are not kept.
            let small = matches!((node.op, k), (Op::RmsNorm { .. }, 1) | (Op::Divide, _));
            if n < loss && !small && node.op != Op::RowNorms {
                short.insert(*id, output.iter().map(|x| nearest(*x)).collect());
            }
            if let Op::AdamW(_) = node.op {
                let old = node.inputs[node.op.updates(k).unwrap()];
                changed.insert(graph.tensor(old).input.unwrap(), output.clone());
            }
            values.insert(*id, output);
        }
    }
    changed
}

#[test]
fn a_step_is_the_f32_step_whose_backward_pass_reads_rounded_values() {
    let kernel = Kernel::detect().unwrap();
    let shape = BatchShape { batch: 2, seq: 9 };
    for json in [common::BIASED_TIED, common::QWEN] {
        let base = common::base(json);
        for (name, method) in common::methods() {
            for max_grad_norm in [None, Some(0.1)] {
                let settings = TrainSettings {
                    max_grad_norm,
                    ..rounded()
                };
                let trainer = Trainer::new(&kernel, base.clone(), &method, settings, shape, &SEED);
                let mut trainer = trainer.unwrap();
                let mut state = TrainState::new(common::adapter(&base, &method));
                for step in 0..3 {
                    let batch = common::batch(2, 9, step);
                    let settings = TrainSettings {
                        max_grad_norm,
                        ..plain()
                    };
                    let wanted = reference(&base, &method, settings, shape, &state, &batch);
                    trainer.step(&mut state, &batch, 1e-2).unwrap();
                    assert!(!wanted.is_empty());
                    for (input, wanted) in wanted {
                        let found = state.input(input).unwrap();
                        assert_eq!(found, wanted, "{name}, step {step}: {input:?}");
                    }
                }
            }
        }
    }
}

/// After three steps from the seed. They change with the kernel specification and the enumeration
/// of steps, never with a machine.
const GOLDEN: [(&str, &str); 8] = [
    (
        "lora",
        "5a5d4d9d9dbebf00f54604dd4717227212443ccbf7876b5d1c1b03087c08d5ad",
    ),
    (
        "lora with dropout",
        "d1004468e439c96175acb77890d23c1149b90f80fb2352a01d220c3838524bc7",
    ),
    (
        "dora",
        "713bb9d4504042ac97f77960e70783ababe12093a6a1415fa27e5fee30e71385",
    ),
    (
        "ia3",
        "aa606ac5cad25f2ceea2c93b2d95c4925fdcd15be980f9f36b78cac370a4aa67",
    ),
    (
        "ia3 everywhere",
        "9322222e142eed8fb64e59cfdbc781043cb53d2ec534daeec0b64103999fd33c",
    ),
    (
        "bitfit",
        "0845ef5e1ead385331b3eb84444ab317b8cf3743e4245fe9e9c345d9b87ef0f8",
    ),
    (
        "private lora",
        "5a151688fb9d9f8ccf748a541a2ffc303fdb33909059d0b3b406ff194ebab602",
    ),
    (
        "full",
        "56daa7aa8610d5d8e3d3a24be51b6ac750e8998f813f2fb637b1ca1beec41b26",
    ),
];

/// Three steps of 32 positions a row; the losses and the state.
fn run(
    kernel: &Kernel,
    method: &Method,
    settings: TrainSettings,
    rows: usize,
) -> (Vec<f32>, TrainState) {
    let base = common::base(common::BIASED_TIED);
    let micro_batches = settings.gradient_accumulation_steps as usize;
    let (batch, seq) = (rows / micro_batches, 32);
    let shape = BatchShape { batch, seq };
    let mut trainer = Trainer::new(kernel, base.clone(), method, settings, shape, &SEED).unwrap();
    let mut state = TrainState::new(Adapter::init(kernel, &base, method, &SEED));
    let losses = (0..3)
        .map(|step| {
            let batch = common::batch(rows, seq, step);
            trainer.step(&mut state, &batch, 1e-2).unwrap().loss
        })
        .collect();
    (losses, state)
}

#[test]
fn a_run_of_any_method_has_one_digest_on_every_path_and_number_of_threads() {
    let mut found = Vec::new();
    for ((name, method), (golden_name, golden)) in common::methods().into_iter().zip(GOLDEN) {
        assert_eq!(name, golden_name);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for threads in [1, 2, 3, 8] {
                let kernel = Kernel::new(isa, threads).unwrap();
                let digest = run(&kernel, &method, rounded(), 4).1.digest().to_string();
                if digest != golden {
                    found.push(format!("{name}, {isa}, {threads} threads: {digest}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_forward_pass_is_that_of_f32() {
    let kernel = Kernel::detect().unwrap();
    for (name, method) in common::methods() {
        let (exact, held) = (
            run(&kernel, &method, plain(), 4),
            run(&kernel, &method, rounded(), 4),
        );
        assert_eq!(exact.0[0].to_bits(), held.0[0].to_bits(), "{name}");
        // A bias' gradient in the last layer reads no activation, but those below do.
        assert_ne!(exact.1, held.1, "{name}");
        for (a, b) in exact.0.iter().zip(&held.0) {
            assert!((a - b).abs() < 2e-2 * a, "{name}: {a} {b}");
        }
    }
}

#[test]
fn computing_layers_twice_changes_no_bit() {
    let kernel = Kernel::detect().unwrap();
    let again = TrainSettings {
        gradient_checkpointing: true,
        ..rounded()
    };
    for (name, method) in common::methods() {
        let (kept, computed) = (
            run(&kernel, &method, rounded(), 4),
            run(&kernel, &method, again, 4),
        );
        assert_eq!(kept, computed, "{name}");
    }
}

/// As without rounding, which is element by element; the same methods are left out.
#[test]
fn micro_batches_of_256_positions_add_up_to_the_bits_of_one_batch() {
    let kernel = Kernel::detect().unwrap();
    let parts = TrainSettings {
        gradient_accumulation_steps: 3,
        ..rounded()
    };
    for (name, method) in common::methods() {
        if ["dora", "full", "lora with dropout"].contains(&name) {
            continue;
        }
        let (one, many) = (
            run(&kernel, &method, rounded(), 24).1,
            run(&kernel, &method, parts, 24).1,
        );
        assert_eq!(one.adapter(), many.adapter(), "{name}");
    }
}

/// One value of `up` rounds to infinity; in f32 the step is valid, since its gate is closed.
#[test]
fn a_value_too_large_for_it_makes_the_step_invalid_and_is_named() {
    let kernel = Kernel::detect().unwrap();
    let mut tensors = common::tensors(common::BIASED_TIED);
    for (name, _, values) in &mut tensors {
        match name.as_str() {
            "model.layers.1.mlp.up_proj.bias" => values[3] = 3.4e38,
            "model.layers.1.mlp.gate_proj.bias" => values[3] = -1e3,
            _ => {}
        }
    }
    let mut files = common::files(common::BIASED_TIED);
    files.insert("model.safetensors".into(), common::safetensors(&tensors));
    let base = Arc::new(Base::from_files(files).unwrap());
    let method = common::lora(&assay_model::Target::ALL);
    let shape = BatchShape { batch: 2, seq: 9 };
    let batch = common::batch(2, 9, 0);
    let step = |settings| {
        let mut trainer =
            Trainer::new(&kernel, base.clone(), &method, settings, shape, &SEED).unwrap();
        let before = TrainState::new(common::fresh(&base, &method, 1));
        let mut state = before.clone();
        let result = trainer.step(&mut state, &batch, 1e-2);
        assert_eq!(result.is_err(), state == before);
        (result, trainer.graph().clone())
    };
    assert!(step(plain()).0.is_ok());
    let again = TrainSettings {
        gradient_checkpointing: true,
        ..rounded()
    };
    for settings in [rounded(), again] {
        let (result, graph) = step(settings);
        let Err(InvalidStep::NotFinite { node, operator, .. }) = result else {
            panic!("{result:?}");
        };
        assert_eq!(graph.nodes[node].op, Op::RoundBf16);
        assert_eq!(operator, "bfloat16 of layer 1");
    }
}

#[test]
fn a_step_takes_less_memory_and_keeps_nothing_twice() {
    let json = br#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 64,
        "intermediate_size": 172, "num_hidden_layers": 8, "num_attention_heads": 4}"#;
    let config = assay_model::ModelConfig::from_json(json).unwrap();
    let shape = BatchShape { batch: 4, seq: 128 };
    for (name, method) in common::methods() {
        let bytes = |settings: TrainSettings| {
            let purpose = Purpose::Train(settings);
            let graph = build_graph(&config, Some(&method), shape, purpose).unwrap();
            let mut held = vec![false; graph.tensors.len()];
            for node in graph.nodes.iter().filter(|n| n.op == Op::RoundBf16) {
                let again = std::mem::replace(&mut held[node.inputs[0].0 as usize], true);
                assert!(
                    !again || settings.gradient_checkpointing,
                    "{name}: {node:?}"
                );
            }
            // Rounded values are read, never written over.
            for node in &graph.nodes {
                let updated = (0..node.outputs.len()).filter_map(|k| node.op.updates(k));
                for id in updated.map(|i| node.inputs[i]) {
                    let rounds = |n: &assay_model::Node| n.outputs[0] == id;
                    let made = graph.nodes.iter().find(|n| rounds(n));
                    assert!(
                        made.is_none_or(|n| n.op != Op::RoundBf16),
                        "{name}: {node:?}"
                    );
                }
            }
            Plan::new(&graph).bytes()
        };
        let (exact, held) = (bytes(plain()), bytes(rounded()));
        // What a layer computed twice has is gone before the next one, so little is left to halve.
        let again = bytes(TrainSettings {
            gradient_checkpointing: true,
            ..rounded()
        });
        eprintln!("{name}: {exact} -> {held}, computed twice {again}");
        assert!(held * 4 < exact * 3, "{name}: {exact} -> {held}");
        assert!(again < held, "{name}: {held} -> {again}");
    }
}
