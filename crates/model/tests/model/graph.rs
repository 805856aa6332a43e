//! The step graph: enumeration, single assignment, memory plan, nodes run alone.

use std::collections::HashMap;
use std::sync::Arc;

use crate::common;
use assay_kernel::Kernel;
use assay_model::{
    ActivationStorage, AdamWConfig, Argument, Base, BatchShape, Graph, Input, Method, ModelConfig,
    Noise, Op, Plan, Precision, Purpose, ShapeError, Target, TensorId, TrainSettings, TrainState,
    Trainer, Values, build_graph, build_graph_in, run_node,
};

const SHAPE: BatchShape = BatchShape { batch: 2, seq: 6 };
const PURPOSES: [Purpose; 4] = [
    Purpose::Logits,
    Purpose::Loss,
    Purpose::Gradients,
    Purpose::Train(TrainSettings {
        optimizer: AdamWConfig {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
        },
        gradient_accumulation_steps: 1,
        max_grad_norm: None,
        gradient_checkpointing: false,
        activation_storage: ActivationStorage::Float32,
        loraplus_lr_ratio: None,
    }),
];

fn config(json: &str) -> ModelConfig {
    ModelConfig::from_json(json.as_bytes()).unwrap()
}

fn graphs() -> Vec<Graph> {
    let mut all = Vec::new();
    for json in [common::BIASED_TIED, common::QWEN, common::PLAIN] {
        let subsets: [&[Target]; 4] = [
            &Target::ALL,
            &[Target::QProj, Target::VProj],
            &[Target::DownProj],
            &[Target::KProj],
        ];
        for purpose in PURPOSES {
            for targets in subsets {
                let lora = common::lora(targets);
                all.push(build_graph(&config(json), Some(&lora), SHAPE, purpose).unwrap());
            }
        }
        for (_, method) in common::methods() {
            let settings = common::settings().into_iter().map(Purpose::Train);
            for purpose in PURPOSES.into_iter().chain(settings) {
                let build = |precision| {
                    build_graph_in(&config(json), Some(&method), SHAPE, purpose, precision)
                };
                all.push(build(Precision::Float32).unwrap());
                all.push(build(Precision::W8A8).unwrap());
            }
            for seq in [1, 6] {
                let shape = BatchShape { batch: 1, seq };
                let next = Purpose::Next { context: 16 };
                all.push(build_graph(&config(json), Some(&method), shape, next).unwrap());
            }
        }
        for purpose in &PURPOSES[..2] {
            all.push(build_graph(&config(json), None, SHAPE, *purpose).unwrap());
        }
    }
    all
}

#[test]
fn every_tensor_is_an_input_or_the_output_of_one_earlier_node() {
    for graph in graphs() {
        let mut known: Vec<bool> = graph.tensors.iter().map(|t| t.input.is_some()).collect();
        for node in &graph.nodes {
            for input in &node.inputs {
                assert!(
                    known[input.0 as usize],
                    "{node:?} reads what is not there yet"
                );
            }
            for output in &node.outputs {
                let was = std::mem::replace(&mut known[output.0 as usize], true);
                assert!(!was, "{node:?} writes a tensor twice");
            }
        }
    }
}

#[test]
fn frozen_matrices_get_no_gradient_and_the_first_layer_no_input_gradient() {
    let lora = common::lora(&Target::ALL);
    let config = config(common::PLAIN);
    let graph = build_graph(&config, Some(&lora), SHAPE, PURPOSES[2]).unwrap();
    let count = |op: fn(&Op) -> bool| graph.nodes.iter().filter(|n| op(&n.op)).count();
    let layers = config.num_hidden_layers;
    // One per norm, less the first layer's: nothing trainable lies below it.
    assert_eq!(
        count(|op| matches!(op, Op::RmsNormBackward { .. })),
        2 * layers
    );
    assert_eq!(
        count(|op| matches!(op, Op::AttentionBackward { .. })),
        layers
    );
    assert_eq!(graph.results.len(), 1 + 2 * 7 * layers);
    let from_frozen = |node: &&assay_model::Node| {
        let weight = |id: &TensorId| matches!(graph.tensor(*id).input, Some(Input::Weight(_)));
        matches!(node.op, Op::Product { .. }) && weight(&node.inputs[1])
    };
    // Forward 7 a layer and the output; backward the same, less q, k and v of the first layer.
    assert_eq!(
        graph.nodes.iter().filter(from_frozen).count(),
        2 * (7 * layers + 1) - 3
    );
    // With an adapter on the last projection only, nothing below it is differentiated.
    let last = build_graph(
        &config,
        Some(&common::lora(&[Target::DownProj])),
        SHAPE,
        PURPOSES[2],
    );
    let backward = |n: &&assay_model::Node| matches!(n.op, Op::AttentionBackward { .. });
    assert_eq!(
        last.unwrap().nodes.iter().filter(backward).count(),
        layers - 1
    );
}

/// A tensor's buffer is not written between the node that makes it and the last that reads it.
#[test]
fn the_plan_overwrites_nothing_that_is_still_read() {
    for graph in graphs() {
        let plan = Plan::new(&graph);
        let mut holder: HashMap<usize, TensorId> = HashMap::new();
        for (i, tensor) in graph.tensors.iter().enumerate() {
            let id = TensorId(i as u32);
            let buffer = plan.buffer(id);
            if let Some(buffer) = buffer {
                assert!(plan.sizes()[buffer] >= tensor.values());
                if tensor.input.is_some() {
                    assert_eq!(holder.insert(buffer, id), None);
                }
            }
        }
        for (n, node) in graph.nodes.iter().enumerate() {
            for input in &node.inputs {
                if let Some(buffer) = plan.buffer(*input) {
                    assert_eq!(holder[&buffer], *input, "{node:?}");
                }
            }
            let mut written = Vec::new();
            // What is widened for a node may lie on nothing that it or a later one reads.
            for (place, buffer) in plan.widened(n) {
                let id = node.inputs[*place];
                assert!(plan.sizes()[*buffer] >= graph.tensor(id).values());
                assert!(!plan.is_bfloat16(*buffer) && !written.contains(buffer));
                let read = node.inputs.iter().map(|id| plan.buffer(*id));
                assert!(!read.clone().any(|b| b == Some(*buffer)), "{node:?}");
                written.push(*buffer);
                holder.insert(*buffer, TensorId(u32::MAX));
            }
            let rounded = |id: &&TensorId| plan.buffer(**id).is_some_and(|b| plan.is_bfloat16(b));
            assert_eq!(node.inputs.iter().filter(rounded).count(), written.len());
            for (k, output) in node.outputs.iter().enumerate() {
                let buffer = plan.buffer(*output).unwrap();
                assert!(!written.contains(&buffer));
                written.push(buffer);
                // Only the input an operator updates may share its output's buffer.
                for (i, input) in node.inputs.iter().enumerate() {
                    let shares = plan.buffer(*input) == Some(buffer);
                    assert!(!shares || node.op.updates(k) == Some(i), "{node:?}");
                }
                let rounded = node.op == Op::RoundBf16;
                assert_eq!(plan.is_bfloat16(buffer), rounded, "{node:?}");
                holder.insert(buffer, *output);
            }
        }
        for result in &graph.results {
            assert_eq!(holder[&plan.buffer(*result).unwrap()], *result);
        }
    }
}

#[test]
fn memory_is_reused() {
    let lora = common::lora(&Target::ALL);
    let total = |purpose| {
        let graph = build_graph(&config(common::PLAIN), Some(&lora), SHAPE, purpose).unwrap();
        let all: usize = graph
            .nodes
            .iter()
            .flat_map(|n| &n.outputs)
            .map(|o| graph.tensor(*o).values())
            .sum();
        (Plan::new(&graph).sizes().iter().sum::<usize>(), all)
    };
    let (planned, all) = total(Purpose::Loss);
    assert!(planned * 3 < all, "{planned} of {all}");
    let (planned, all) = total(PURPOSES[3]);
    assert!(planned * 3 < all * 2, "{planned} of {all}");
}

/// What a judge does: every node again, alone, from its declared inputs, unpacked, on the scalar
/// path, in memory of its own. All bits must be those the training step showed.
#[test]
fn every_node_of_a_step_can_be_run_alone() {
    for json in [common::BIASED_TIED, common::QWEN] {
        for precision in [Precision::Float32, Precision::W8A8] {
            let base = Base::from_files(common::files(json)).unwrap();
            let base = Arc::new(base.held_in(precision));
            for (name, method) in common::methods() {
                for settings in common::settings() {
                    check_nodes(&base, name, &method, settings);
                }
            }
        }
    }
}

fn check_nodes(base: &Arc<Base>, name: &str, method: &Method, settings: TrainSettings) {
    let fast = Kernel::detect().unwrap();
    let seed = [2; 32];
    let mut trainer = Trainer::new(&fast, base.clone(), method, settings, SHAPE, &seed).unwrap();
    let mut state = TrainState::new(common::adapter(base, method));
    let rows = trainer.graph().rows();
    let batch = common::batch(rows.batch, rows.seq, 3);
    trainer.step(&mut state, &batch, 1e-2).unwrap();

    let before = state.clone();
    let mut seen: Vec<Vec<Vec<f32>>> = Vec::new();
    let mut observe = |node: usize, outputs: &[&[f32]]| {
        assert_eq!(node, seen.len());
        seen.push(outputs.iter().map(|o| o.to_vec()).collect());
    };
    trainer
        .step_observed(&mut state, &batch, 1e-2, Some(&mut observe))
        .unwrap();
    let graph = trainer.graph();
    assert_eq!(seen.len(), graph.nodes.len());

    let mut values: HashMap<TensorId, Vec<f32>> = HashMap::new();
    let judge = Kernel::new(assay_kernel::Isa::Scalar, 1).unwrap();
    let state_bytes = before.to_bytes();
    let from = |id: TensorId| -> Vec<f32> {
        let tensor = graph.tensor(id);
        match tensor.input.unwrap() {
            Input::Weight(weight) => base.weight(weight).to_vec(),
            Input::RopeCos => base.rope().cos[..tensor.values()].to_vec(),
            Input::RopeSin => base.rope().sin[..tensor.values()].to_vec(),
            Input::LearningRate => vec![1e-2],
            Input::Powers => vec![0.9, 0.999],
            Input::Param(i) => before.adapter().params()[i as usize].values.clone(),
            Input::First(i) => moment(&state_bytes, &before, 1, i as usize),
            Input::Second(i) => moment(&state_bytes, &before, 2, i as usize),
            Input::Ids(_) | Input::Labels(_) | Input::AllLabels | Input::Noise => Vec::new(),
            Input::Past | Input::Keys(_) | Input::Values(_) => panic!("a step has no cache"),
        }
    };
    let positions = SHAPE.positions();
    let part = |k: u32| k as usize * positions..(k as usize + 1) * positions;
    for (node, seen) in graph.nodes.iter().zip(&seen) {
        for id in &node.inputs {
            if graph.tensor(*id).input.is_some() {
                values.entry(*id).or_insert_with(|| from(*id));
            }
        }
        let mut outputs: Vec<Vec<f32>> = (node.outputs.iter().enumerate())
            .map(|(k, id)| match node.op.updates(k) {
                Some(i) => values[&node.inputs[i]].clone(),
                None => vec![f32::NAN; graph.tensor(*id).values()],
            })
            .collect();
        let arguments: Vec<Argument<'_>> = (node.inputs.iter())
            .map(|id| Argument {
                tensor: *graph.tensor(*id),
                values: match graph.tensor(*id).input {
                    Some(Input::Ids(k)) => Values::Ids(&batch.ids[part(k)]),
                    Some(Input::Labels(k)) => Values::Labels(&batch.labels[part(k)]),
                    Some(Input::AllLabels) => Values::Labels(&batch.labels),
                    Some(Input::Noise) => Values::Noise(Noise { key: seed, step: 1 }),
                    Some(Input::Weight(weight))
                        if matches!(node.op, Op::QuantizedProduct { .. }) =>
                    {
                        let (values, scales) = base.weight_int8(weight).unwrap();
                        Values::Int8 {
                            values,
                            scales,
                            packed: None,
                        }
                    }
                    _ => Values::Floats(&values[id]),
                },
            })
            .collect();
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        run_node(&judge, node.op, &arguments, None, &mut slices);
        for ((ours, theirs), id) in outputs.into_iter().zip(seen).zip(&node.outputs) {
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&ours), bits(theirs), "{name}: {node:?}");
            values.insert(*id, ours);
        }
    }
}

/// Moment `which` (1 first, 2 second) of matrix `index`, read from the end of a state's bytes.
fn moment(bytes: &[u8], state: &TrainState, which: usize, index: usize) -> Vec<f32> {
    let params = state.adapter().params().iter();
    let sizes: Vec<usize> = params
        .map(|p| {
            if p.info.is_trained() {
                p.values.len()
            } else {
                0
            }
        })
        .collect();
    let all: usize = sizes.iter().sum();
    let start = bytes.len() - 4 * all * (3 - which) + 4 * sizes[..index].iter().sum::<usize>();
    let words = bytes[start..start + 4 * sizes[index]].as_chunks::<4>().0;
    words.iter().map(|w| f32::from_le_bytes(*w)).collect()
}

#[test]
fn impossible_shapes_are_refused() {
    let build = |batch, seq| {
        let shape = BatchShape { batch, seq };
        build_graph(&config(common::PLAIN), None, shape, Purpose::Loss).map(|_| ())
    };
    assert_eq!(build(0, 4), Err(ShapeError::Empty(0, 4)));
    assert_eq!(build(1, 33), Err(ShapeError::TooLong { seq: 33, max: 32 }));
    let windowed = common::PLAIN.replace("\"llama\"", "\"mistral\", \"sliding_window\": 8");
    let in_window = |seq, purpose| {
        let shape = BatchShape { batch: 1, seq };
        build_graph(&config(&windowed), None, shape, purpose).map(|_| ())
    };
    assert_eq!(in_window(8, Purpose::Loss), Ok(()));
    let told = in_window(9, Purpose::Loss).unwrap_err();
    assert_eq!(told, ShapeError::Window { seq: 9, window: 8 });
    assert!(
        told.to_string()
            .contains("set sequence_length to at most 8")
    );
    let next = in_window(1, Purpose::Next { context: 9 });
    assert_eq!(next, Err(ShapeError::Window { seq: 9, window: 8 }));
    assert_eq!(build(1 << 40, 32), Err(ShapeError::TooLarge(1 << 40, 32)));
    assert_eq!(
        build(usize::MAX, 32),
        Err(ShapeError::TooLarge(usize::MAX, 32))
    );
    assert_eq!(build(1, 32), Ok(()));
    let next = |batch, seq, context| {
        let (shape, next) = (BatchShape { batch, seq }, Purpose::Next { context });
        build_graph(&config(common::PLAIN), None, shape, next).map(|_| ())
    };
    assert_eq!(next(2, 4, 8), Err(ShapeError::Cache(2, 4, 8)));
    assert_eq!(next(1, 9, 8), Err(ShapeError::Cache(1, 9, 8)));
    assert_eq!(
        next(1, 4, 33),
        Err(ShapeError::TooLong { seq: 33, max: 32 })
    );
    assert_eq!(next(1, 32, 32), Ok(()));
}

/// DoRA's row lengths follow from the adapter alone: a token must not compute them again.
#[test]
fn what_depends_on_no_token_comes_first() {
    let config = config(common::QWEN);
    let shape = BatchShape { batch: 1, seq: 1 };
    let next = Purpose::Next { context: 8 };
    for (name, method) in common::methods() {
        let graph = build_graph(&config, Some(&method), shape, next).unwrap();
        let projections = config.num_hidden_layers * Target::ALL.len();
        let expected = if name == "dora" { 4 * projections } else { 0 };
        assert_eq!(graph.constants, expected, "{name}");
        let rest = &graph.nodes[graph.constants..];
        let norms = rest.iter().filter(|node| node.op == Op::RowNorms);
        assert_eq!(norms.count(), 0, "{name}");
        let step = build_graph(&config, Some(&method), shape, PURPOSES[0]).unwrap();
        assert_eq!(step.constants, 0, "{name}");
    }
}

/// What [`Graph::watched`] rests on: an operator said to carry a NaN or infinity from an input
/// does so from every place in it, whatever the sign.
#[test]
fn carrying_operators_hide_nothing() {
    let kernel = Kernel::detect().unwrap();
    let base = common::base(common::BIASED_TIED);
    let mut stream = assay_kernel::random::Stream::new(&[8; 32], 0, 0);
    let mut graphs = Vec::new();
    for settings in [1, 4].map(|i| Purpose::Train(common::settings()[i])) {
        for (_, method) in common::methods() {
            graphs.push(build_graph(base.config(), Some(&method), SHAPE, settings).unwrap());
        }
    }
    let nodes = graphs
        .iter()
        .flat_map(|graph| graph.nodes.iter().map(move |node| (graph, node)));
    for (graph, node) in nodes {
        for carrying in (0..node.inputs.len()).filter(|i| node.op.carries(*i)) {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut inputs: Vec<Vec<f32>> = (node.inputs.iter())
                    .map(|id| {
                        (0..graph.tensor(*id).values())
                            .map(|_| stream.normal())
                            .collect()
                    })
                    .collect();
                let at = stream.below(inputs[carrying].len() as u32) as usize;
                inputs[carrying][at] = bad;
                let labels = vec![1; SHAPE.positions()];
                let ids = vec![1; SHAPE.positions()];
                let mut outputs: Vec<Vec<f32>> = (node.outputs.iter().enumerate())
                    .map(|(k, id)| match node.op.updates(k) {
                        Some(i) => inputs[i].clone(),
                        None => vec![0.0; graph.tensor(*id).values()],
                    })
                    .collect();
                let arguments: Vec<Argument<'_>> = (node.inputs.iter().zip(&inputs))
                    .map(|(id, values)| Argument {
                        tensor: *graph.tensor(*id),
                        values: match graph.tensor(*id).input {
                            Some(Input::Labels(_)) => Values::Labels(&labels),
                            Some(Input::Ids(_)) => Values::Ids(&ids),
                            _ => Values::Floats(values),
                        },
                    })
                    .collect();
                let mut slices: Vec<&mut [f32]> =
                    outputs.iter_mut().map(Vec::as_mut_slice).collect();
                run_node(&kernel, node.op, &arguments, None, &mut slices);
                let first = usize::from(matches!(node.op, Op::SiluMulBackward));
                let found = outputs[first].iter().any(|v| !v.is_finite());
                assert!(found, "{:?} hides {bad} in input {carrying}", node.op);
            }
        }
    }
}

#[test]
fn few_outputs_need_watching() {
    let lora = common::lora(&Target::ALL);
    let config = config(common::PLAIN);
    let graph = build_graph(&config, Some(&lora), SHAPE, PURPOSES[3]).unwrap();
    let watched = graph.watched();
    let values = |only: bool| -> usize {
        let nodes = graph
            .nodes
            .iter()
            .zip(&watched)
            .filter(|(_, w)| **w || !only);
        nodes
            .flat_map(|(n, _)| &n.outputs)
            .map(|id| graph.tensor(*id).values())
            .sum()
    };
    assert!(
        values(true) * 2 < values(false),
        "{} of {}",
        values(true),
        values(false)
    );
    for (node, watched) in graph.nodes.iter().zip(&watched) {
        let must = matches!(node.op, Op::AdamW(_) | Op::Mean);
        assert!(*watched || !must, "{node:?}");
    }
}
