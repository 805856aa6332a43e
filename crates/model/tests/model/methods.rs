//! Every fine-tuning method: against 50 steps of PyTorch + PEFT (`fixtures/methods`, made by
//! `bench/make_method_fixtures.py`), and its bits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common;
use assay_data::Batch;
use assay_kernel::{Isa, Kernel};
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BatchShape, BitFitConfig, Decay, LoraConfig,
    Method, PrivateLoraConfig, Schedule, Target, TrainSettings, TrainState, Trainer, logits,
    merged_files, read_model_folder,
};
use safetensors::SafeTensors;
use serde_json::Value;

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn fixture(name: &str) -> PathBuf {
    path("tests/fixtures/methods").join(name)
}

fn example() -> Arc<Base> {
    Arc::new(Base::from_folder(&path("../../examples/glassllm")).unwrap())
}

fn words<T>(bytes: &[u8], name: &str, convert: fn([u8; 4]) -> T) -> Vec<T> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let words = tensor.data().as_chunks::<4>().0;
    words.iter().map(|word| convert(*word)).collect()
}

/// The batches that every run of the fixtures sees.
fn batches(steps: usize, rows: usize, seq: usize) -> Vec<Batch> {
    let bytes = std::fs::read(fixture("batches.safetensors")).unwrap();
    let ids = words(&bytes, "input_ids", u32::from_le_bytes);
    let labels = words(&bytes, "labels", i32::from_le_bytes);
    assert_eq!(ids.len(), steps * rows * seq);
    let parts = ids.chunks(rows * seq).zip(labels.chunks(rows * seq));
    let batch = |(ids, labels): (&[u32], &[i32])| Batch {
        batch: rows,
        seq,
        ids: ids.to_vec(),
        labels: labels.to_vec(),
    };
    parts.map(batch).collect()
}

/// The adapter that a run of the fixtures starts from.
fn start(name: &str, base: &Base, notes: &Value) -> Adapter {
    let kernel = Kernel::detect().unwrap();
    let all = Target::ALL.map(Target::name);
    let method = match name {
        "full" => Method::Full,
        "bitfit" => Method::BitFit(BitFitConfig::new(&all).unwrap()),
        "private_lora" => {
            let (r, alpha) = (notes["r"].as_u64(), notes["lora_alpha"].as_u64());
            let config = PrivateLoraConfig::new(r.unwrap(), alpha.unwrap(), &all);
            Method::PrivateLora(config.unwrap())
        }
        // These differ from the plain run in the settings of a step only.
        "clipped" | "accumulated" | "loraplus" | "cosine" | "rounded" => {
            return start("lora", base, notes);
        }
        saved => return Adapter::load_peft(&fixture(saved), base.config()).unwrap(),
    };
    let mut adapter = Adapter::init(&kernel, base, &method, &[0; 32]);
    if name == "private_lora" {
        let bytes = std::fs::read(fixture(name).join("adapter_model.safetensors")).unwrap();
        for param in adapter.params_mut() {
            param.values = words(&bytes, &param.info.name, f32::from_le_bytes);
        }
    }
    adapter
}

#[test]
fn loss_curves_are_those_of_pytorch_and_peft() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let notes: Value =
        serde_json::from_slice(&std::fs::read(fixture("runs.json")).unwrap()).unwrap();
    let whole = |name: &str| notes[name].as_u64().unwrap() as usize;
    let (steps, rows, seq) = (whole("steps"), whole("rows"), whole("length"));
    let batches = batches(steps, rows, seq);
    let runs = notes["runs"].as_object().unwrap();
    assert_eq!(runs.len(), 12);
    for (name, run) in runs {
        let number = |name: &str| run[name].as_f64().map(|x| x as f32);
        let micro_batches = run["micro_batches"].as_u64().unwrap_or(1) as usize;
        let settings = TrainSettings {
            gradient_accumulation_steps: micro_batches as u32,
            max_grad_norm: number("max_grad_norm"),
            loraplus_lr_ratio: number("ratio"),
            activation_storage: match run["activation_storage"] == "bfloat16" {
                true => ActivationStorage::BFloat16,
                false => ActivationStorage::Float32,
            },
            ..AdamWConfig {
                weight_decay: notes["weight_decay"].as_f64().unwrap() as f32,
                ..AdamWConfig::default()
            }
            .into()
        };
        let cosine = run["cosine"] == true;
        let rates = Schedule {
            peak: number("rate").unwrap(),
            steps: steps as u64,
            warmup_steps: 0,
            decay: if cosine {
                Decay::Cosine
            } else {
                Decay::Constant
            },
        };
        let shape = BatchShape {
            batch: rows / micro_batches,
            seq,
        };
        let adapter = start(name, &base, &notes);
        let method = adapter.method().clone();
        let seed = [0; 32];
        let trainer = Trainer::new(&kernel, base.clone(), &method, settings, shape, &seed);
        let (mut trainer, mut state) = (trainer.unwrap(), TrainState::new(adapter));
        let theirs = run["losses"].as_array().unwrap();
        assert_eq!(theirs.len(), steps);
        // Autograd saves other tensors than we keep, and each loses 16 bits.
        let tolerance = if name == "rounded" { 1e-2 } else { 1e-3 };
        let mut worst = 0.0f64;
        for (step, (batch, theirs)) in batches.iter().zip(theirs).enumerate() {
            let rate = rates.rate(step as u64);
            let ours = trainer.step(&mut state, batch, rate).unwrap().loss;
            let difference = (f64::from(ours) - theirs.as_f64().unwrap()).abs();
            assert!(
                difference < tolerance,
                "{name}, step {step}: {ours} {theirs}"
            );
            worst = worst.max(difference);
        }
        eprintln!("{name}: largest difference of {steps} losses {worst:.1e}");
    }
}

#[test]
fn a_fresh_adapter_of_any_method_changes_nothing() {
    let kernel = Kernel::detect().unwrap();
    for json in [common::BIASED_TIED, common::QWEN, common::PLAIN] {
        let base = common::base(json);
        let batch = common::batch(2, 9, 0);
        let plain = logits(&kernel, &base, None, &batch).unwrap();
        for (name, method) in common::methods() {
            let fresh = common::fresh(&base, &method, 1);
            let same = logits(&kernel, &base, Some(&fresh), &batch).unwrap();
            // Factors on outputs come before the residual is added, which rounds differently.
            let exact = name != "dora" && name != "ia3 everywhere";
            for (a, b) in same.iter().zip(&plain) {
                assert!(a == b || !exact && (a - b).abs() < 1e-5, "{name}: {a} {b}");
            }
            let moved = common::adapter(&base, &method);
            assert_ne!(logits(&kernel, &base, Some(&moved), &batch).unwrap(), plain);
        }
    }
}

#[test]
fn a_merged_model_computes_what_base_and_adapter_do() {
    let kernel = Kernel::detect().unwrap();
    for json in [common::BIASED_TIED, common::PLAIN] {
        let files = common::files(json);
        let base = common::base(json);
        let batch = common::batch(2, 9, 0);
        for (name, method) in common::methods() {
            let adapter = common::adapter(&base, &method);
            let theirs = logits(&kernel, &base, Some(&adapter), &batch).unwrap();
            let merged = merged_files(&kernel, &base, files.clone(), &adapter).unwrap();
            let merged = Arc::new(Base::from_files(merged).unwrap());
            let ours = logits(&kernel, &merged, None, &batch).unwrap();
            let size = theirs.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() < 2e-5 * size, "{name}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_merged_model_of_a_real_folder_keeps_its_tokenizer() {
    let (kernel, base) = (Kernel::detect().unwrap(), example());
    let files = read_model_folder(&path("../../examples/glassllm")).unwrap();
    let all = Target::ALL.map(Target::name);
    let method = Method::BitFit(BitFitConfig::new(&all).unwrap());
    let adapter = common::adapter(&base, &method);
    let merged = merged_files(&kernel, &base, files, &adapter).unwrap();
    let config: Value = serde_json::from_slice(&merged["config.json"]).unwrap();
    assert_eq!(
        (&config["attention_bias"], &config["mlp_bias"]),
        (&true.into(), &true.into())
    );
    let merged = Base::from_files(merged).unwrap();
    let ids = |base: &Base| {
        base.tokenizer()
            .unwrap()
            .encode("Who are you?", false)
            .unwrap()
            .ids
    };
    assert_eq!(ids(&merged), ids(&base));
}

#[test]
fn folders_of_every_adapter_come_back() {
    let base = common::base(common::BIASED_TIED);
    let kernel = Kernel::detect().unwrap();
    let batch = common::batch(1, 8, 0);
    for (name, method) in common::methods() {
        let adapter = common::adapter(&base, &method);
        let files = adapter.peft_files("some/base");
        let back = Adapter::from_peft_files(&files[0].1, &files[1].1, base.config());
        match &method {
            // The model's own folder takes its place.
            Method::Full => assert!(back.is_err()),
            // It becomes the LoRA of the same update.
            Method::PrivateLora(private) => {
                let back = back.unwrap();
                let all = Target::ALL.map(Target::name);
                let (r, alpha) = (private.r() as u64, private.lora_alpha().into());
                let lora = LoraConfig::new(r, alpha, 0.0, &all).unwrap();
                assert_eq!(*back.method(), Method::Lora(lora));
                let ours = logits(&kernel, &base, Some(&adapter), &batch).unwrap();
                let theirs = logits(&kernel, &base, Some(&back), &batch).unwrap();
                for (a, b) in ours.iter().zip(&theirs) {
                    assert!((a - b).abs() < 1e-4, "{a} {b}");
                }
            }
            _ => assert_eq!(
                back.unwrap().resumed_as(&method).unwrap(),
                adapter,
                "{name}"
            ),
        }
    }
}

/// After three steps from the seed. They change with the kernel specification and the enumeration
/// of steps, never with a machine.
const GOLDEN: [(&str, &str); 8] = [
    (
        "lora",
        "35209a655ca93af39b5dc796da7b007c17001b5a39cd9b76729509bc2ceedacc",
    ),
    (
        "lora with dropout",
        "aeef36515b612ba3021f03613f68dd3617f511b7ab2ebd49d56d5a1813914d4a",
    ),
    (
        "dora",
        "adecd7442b93a4e573154652c8a1605f0d88f7e75ab9f8a9749ea7185d15b56c",
    ),
    (
        "ia3",
        "8c397aa23c31f1df9ea0074ae56a2fc992c586e4d4fadcd380673161696e3ad9",
    ),
    (
        "ia3 everywhere",
        "879cf561a54d495a6b43b5cf4b90d6511295bcba8c4f40e7437835e3fd4f9bb1",
    ),
    (
        "bitfit",
        "f44612808114cafa79d5528f9aacedef45b3ac5cd22a2ca3b0a4716002a940e4",
    ),
    (
        "private lora",
        "3a34fb7f07ebf2c5e7357e523b937b11021b6b5c930996d8f3edec39fc77cc89",
    ),
    (
        "full",
        "5a01b29a0024da56f1b9832d75be923963edcb1348b5303c0cae7cd83d87d607",
    ),
];

fn run(kernel: &Kernel, method: &Method, settings: TrainSettings, rows: usize) -> TrainState {
    let base = common::base(common::BIASED_TIED);
    let micro_batches = settings.gradient_accumulation_steps as usize;
    let (batch, seq, seed) = (rows / micro_batches, 32, [2; 32]);
    let shape = BatchShape { batch, seq };
    let trainer = Trainer::new(kernel, base.clone(), method, settings, shape, &seed);
    let (mut trainer, mut state) = (
        trainer.unwrap(),
        TrainState::new(Adapter::init(kernel, &base, method, &seed)),
    );
    for step in 0..3 {
        let batch = common::batch(rows, seq, step);
        trainer.step(&mut state, &batch, 1e-2).unwrap();
    }
    state
}

#[test]
fn a_run_of_any_method_has_one_digest_on_every_path_and_number_of_threads() {
    let plain = TrainSettings::from(AdamWConfig::default());
    let mut found = Vec::new();
    for ((name, method), (golden_name, golden)) in common::methods().into_iter().zip(GOLDEN) {
        assert_eq!(name, golden_name);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for threads in [1, 2, 3, 8] {
                let kernel = Kernel::new(isa, threads).unwrap();
                let digest = run(&kernel, &method, plain, 4).digest().to_string();
                if digest != golden {
                    found.push(format!("{name}, {isa}, {threads} threads: {digest}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn computing_layers_twice_changes_no_bit() {
    let kernel = Kernel::detect().unwrap();
    let plain = TrainSettings::from(AdamWConfig::default());
    let again = TrainSettings {
        gradient_checkpointing: true,
        ..plain
    };
    for (name, method) in common::methods() {
        let (kept, computed) = (
            run(&kernel, &method, plain, 4),
            run(&kernel, &method, again, 4),
        );
        assert_eq!(kept, computed, "{name}");
    }
}

/// The chains over positions are cut every 256, so micro-batches of 256 positions add up to the
/// bits of one batch: for every method whose gradients are such chains, which leaves out DoRA (it
/// divides each sum), full fine-tuning (an embedding's gradient is one sum over all positions) and
/// dropout (other masks).
#[test]
fn micro_batches_of_256_positions_add_up_to_the_bits_of_one_batch() {
    let kernel = Kernel::detect().unwrap();
    let whole = TrainSettings::from(AdamWConfig::default());
    let parts = TrainSettings {
        gradient_accumulation_steps: 3,
        ..whole
    };
    for (name, method) in common::methods() {
        if ["dora", "full", "lora with dropout"].contains(&name) {
            continue;
        }
        let (one, many) = (
            run(&kernel, &method, whole, 24),
            run(&kernel, &method, parts, 24),
        );
        let differ: Vec<&str> = (one.adapter().params().iter().zip(many.adapter().params()))
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.info.name.as_str())
            .collect();
        assert!(differ.is_empty(), "{name}: {differ:?}");
    }
}

#[test]
fn dropout_draws_other_masks_for_every_step_seed_and_projection() {
    let kernel = Kernel::detect().unwrap();
    let all = Target::ALL.map(Target::name);
    let method = |p| Method::from(LoraConfig::new(3, 4, p, &all).unwrap());
    let base = common::base(common::PLAIN);
    let shape = BatchShape { batch: 2, seq: 16 };
    let batch = common::batch(2, 16, 0);
    let first = |p: f64, seed: u8, steps: u64| {
        let settings = AdamWConfig::default();
        let mut trainer = Trainer::new(
            &kernel,
            base.clone(),
            &method(p),
            settings,
            shape,
            &[seed; 32],
        )
        .unwrap();
        let mut state = TrainState::new(common::adapter(&base, &method(p)));
        for _ in 0..steps {
            // A rate of zero leaves the adapter as it is, so only the masks differ.
            trainer.step(&mut state, &batch, 0.0).unwrap();
        }
        let mut masks = Vec::new();
        let mut observe = |_: usize, outputs: &[&[f32]]| {
            masks.push(outputs.iter().map(|o| o.to_vec()).collect::<Vec<_>>());
        };
        let loss = trainer
            .step_observed(&mut state, &batch, 0.0, Some(&mut observe))
            .unwrap()
            .loss;
        let nodes = trainer.graph().nodes.iter().zip(masks);
        let dropped = nodes.filter(|(node, _)| matches!(node.op, assay_model::Op::Dropout { .. }));
        let zeros = |values: &[f32]| values.iter().map(|v| *v == 0.0).collect::<Vec<bool>>();
        let masks: Vec<Vec<bool>> = dropped.map(|(_, outputs)| zeros(&outputs[0])).collect();
        (loss, masks)
    };
    assert_eq!(first(0.0, 1, 0), first(0.0, 2, 3));
    let (loss, masks) = first(0.25, 1, 0);
    assert_eq!(first(0.25, 1, 0), (loss, masks.clone()));
    assert_ne!(first(0.25, 2, 0).1, masks);
    assert_ne!(first(0.25, 1, 1).1, masks);
    // Forward seven a layer; backward the same, less q, k and v of the first layer.
    assert_eq!(masks.len(), 2 * 7 * base.config().num_hidden_layers - 3);
    let forward = 7 * base.config().num_hidden_layers;
    for (i, mask) in masks[..forward].iter().enumerate() {
        let same = masks[..forward].iter().filter(|other| *other == mask);
        assert_eq!(same.count(), 1, "two projections share mask {i}");
    }
    let all: Vec<&bool> = masks[..forward].iter().flatten().collect();
    let share = all.iter().filter(|zero| ***zero).count() as f64 / all.len() as f64;
    assert!((share - 0.25).abs() < 0.02, "{share}");
}
