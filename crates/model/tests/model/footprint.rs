//! The price in bytes is that of the plan itself, at any size, and costs nothing to ask for.

use std::sync::Arc;

use crate::common;
use assay_model::{
    ActivationStorage, AdamWConfig, Base, BatchShape, Footprint, Method, ModelConfig, Plan,
    Precision, Purpose, TrainSettings, build_graph, state_values, weight_bytes,
};

fn config(json: &str, layers: usize) -> ModelConfig {
    ModelConfig {
        num_hidden_layers: layers,
        ..ModelConfig::from_json(json.as_bytes()).unwrap()
    }
}

fn settings(micro_batches: u32, checkpointing: bool, storage: ActivationStorage) -> TrainSettings {
    TrainSettings {
        gradient_accumulation_steps: micro_batches,
        gradient_checkpointing: checkpointing,
        activation_storage: storage,
        ..TrainSettings::from(AdamWConfig::default())
    }
}

/// The difference between two numbers of bytes in parts of a hundred.
fn off_by(told: u64, found: u64) -> u64 {
    100 * told.abs_diff(found) / found.max(1)
}

#[test]
fn the_price_of_a_step_is_that_of_its_plan_however_many_layers_and_micro_batches() {
    let shape = BatchShape { batch: 3, seq: 24 };
    for json in [common::BIASED_TIED, common::QWEN, common::PLAIN] {
        for (name, method) in common::methods() {
            for (layers, micro_batches) in [(1, 1), (3, 4), (7, 1), (16, 3)] {
                for checkpointing in [false, true] {
                    for storage in [ActivationStorage::Float32, ActivationStorage::BFloat16] {
                        let config = config(json, layers);
                        let settings = settings(micro_batches, checkpointing, storage);
                        let purpose = Purpose::Train(settings);
                        let graph = build_graph(&config, Some(&method), shape, purpose).unwrap();
                        let (held, nodes) = (Plan::new(&graph).bytes(), graph.nodes.len());
                        let precision = Precision::Float32;
                        let told =
                            Footprint::new(&config, Some(&method), shape, purpose, precision);
                        let told = told.unwrap();
                        let case = format!(
                            "{name}, {layers} layers, {micro_batches} micro-batches, {checkpointing}, {storage:?}"
                        );
                        let step = off_by(told.step, held as u64);
                        assert!(step <= 5, "{case}: {} for {held}", told.step);
                        // Hardly too little: the optimiser counts with every second micro-batch.
                        let (work, found) = (told.work, graph.work());
                        assert!(work + work / 100 >= found, "{case}: {work} for {found}");
                        assert!(off_by(work, found) <= 30, "{case}: {work} for {found}");
                        let least = told.operators / 320;
                        assert!(
                            off_by(least, nodes as u64) <= 30,
                            "{case}: {least} for {nodes}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn weights_take_what_a_base_says_it_holds() {
    for json in [common::BIASED_TIED, common::QWEN, common::PLAIN] {
        for precision in Precision::ALL {
            let config = config(json, 2);
            let base = Base::random(config.clone(), &[1; 32])
                .unwrap()
                .held_in(precision);
            let base = Arc::new(base);
            assert_eq!(
                weight_bytes(&config, precision),
                base.bytes() as u64,
                "{precision}"
            );
        }
    }
}

#[test]
fn what_is_trained_has_two_moments() {
    let config = config(common::PLAIN, 2);
    for (name, method) in common::methods() {
        let params = method.params(&config);
        let all: usize = params.iter().map(|param| param.values()).sum();
        let trained: usize = params
            .iter()
            .filter(|p| p.is_trained())
            .map(|p| p.values())
            .sum();
        assert_eq!(
            state_values(&config, &method),
            (all + 2 * trained) as u64,
            "{name}"
        );
    }
}

#[test]
fn an_absurd_model_is_priced_and_not_built() {
    let absurd = ModelConfig {
        vocab_size: 1 << 20,
        hidden_size: 65_536,
        intermediate_size: 1 << 20,
        num_hidden_layers: 1_024,
        num_attention_heads: 1_024,
        num_key_value_heads: 1_024,
        head_dim: 1_024,
        max_position_embeddings: 8_192,
        ..config(common::PLAIN, 1)
    };
    let method: Method = common::lora(&assay_model::Target::ALL);
    let purpose = Purpose::Train(settings(256, true, ActivationStorage::Float32));
    let shape = BatchShape {
        batch: 1,
        seq: 1_024,
    };
    let told = Footprint::new(&absurd, Some(&method), shape, purpose, Precision::Nf4).unwrap();
    // A petabyte in weights alone.
    assert!(told.weights > 1 << 47, "{told:?}");
    assert!(told.step > 1 << 39, "{told:?}");
    // What no plan has is refused as when it is built.
    let shape = BatchShape {
        batch: 4_096,
        seq: 8_192,
    };
    assert!(Footprint::new(&absurd, Some(&method), shape, purpose, Precision::Nf4).is_err());
}
