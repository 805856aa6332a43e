//! Steps on a CUDA device against the processor: every state digest, method by method.
//!
//! Where there is no device this prints `not run`. `ASSAY_STEPS` sets the length of the long run.
#![cfg(feature = "cuda")]
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests

use std::path::Path;
use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_kernel::cuda::Device;
use assay_kernel::random::Stream;
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BatchShape, BitFitConfig, Ia3Config,
    InvalidStep, LoraConfig, Method, ModelConfig, PrivateLoraConfig, Target, TrainSettings,
    TrainState, Trainer, evaluate, gradients, logits,
};

const SEED: [u8; 32] = [9; 32];

/// The processor, and the processor with the first device; or why there is none.
fn kernels() -> Option<(Kernel, Kernel)> {
    match Device::open(0) {
        Ok(device) => {
            let kernel = Kernel::detect().unwrap();
            let plain = Kernel::new(kernel.isa(), kernel.threads()).unwrap();
            Some((plain, kernel.with_device(device)))
        }
        Err(error) => {
            eprintln!("not run: {error}");
            None
        }
    }
}

fn example() -> Arc<Base> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/glassllm");
    Arc::new(Base::from_folder(&folder).unwrap())
}

/// Random tokens, a fifth of them not counted.
fn batch(base: &Base, rows: usize, seq: usize, number: u64) -> Batch {
    let mut stream = Stream::new(&[4; 32], 0, number);
    let vocab = base.config().vocab_size as u32;
    let mut batch = Batch::padding(rows, seq, 0);
    batch.ids.fill_with(|| stream.below(vocab));
    batch.labels.fill_with(|| match stream.below(5) {
        0 => -100,
        _ => stream.below(vocab) as i32,
    });
    batch
}

fn all() -> [&'static str; 7] {
    Target::ALL.map(Target::name)
}

fn plain() -> TrainSettings {
    AdamWConfig::default().into()
}

/// Trains on both and compares the states after every step.
fn compare(
    name: &str,
    base: &Arc<Base>,
    method: &Method,
    settings: TrainSettings,
    shape: BatchShape,
    steps: u64,
) {
    let Some((here, there)) = kernels() else {
        return;
    };
    let start = || TrainState::new(Adapter::init(&here, base, method, &SEED));
    let trainer = |kernel: &Kernel| {
        Trainer::new(kernel, base.clone(), method, settings, shape, &SEED).unwrap()
    };
    let (mut ours, mut theirs) = ((trainer(&here), start()), (trainer(&there), start()));
    let rows = shape.batch * settings.gradient_accumulation_steps as usize;
    for step in 0..steps {
        let batch = batch(base, rows, shape.seq, step);
        let wanted = ours.0.step(&mut ours.1, &batch, 1e-3).unwrap();
        let found = theirs.0.step(&mut theirs.1, &batch, 1e-3).unwrap();
        assert_eq!(
            wanted.loss.to_bits(),
            found.loss.to_bits(),
            "{name}, step {step}"
        );
        assert_eq!(ours.1.digest(), theirs.1.digest(), "{name}, step {step}");
    }
    eprintln!("{name}: {steps} steps, state {}", theirs.1.digest());
}

const SHAPE: BatchShape = BatchShape { batch: 3, seq: 70 };

#[test]
fn a_long_run_has_the_bits_of_the_processor() {
    let steps = std::env::var("ASSAY_STEPS").map_or(200, |n| n.parse().unwrap());
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.1, &all()).unwrap());
    let settings = TrainSettings {
        max_grad_norm: Some(0.5),
        ..plain()
    };
    compare(
        "lora with dropout and clipping",
        &example(),
        &lora,
        settings,
        SHAPE,
        steps,
    );
}

#[test]
fn every_method_has_the_bits_of_the_processor() {
    let lora = || LoraConfig::new(8, 16, 0.0, &all()).unwrap();
    let methods = [
        ("lora", Method::Lora(lora())),
        ("dora", Method::Lora(lora().with_dora(true).unwrap())),
        (
            "ia3",
            Method::Ia3(Ia3Config::new(&all(), &["down_proj"]).unwrap()),
        ),
        ("bitfit", Method::BitFit(BitFitConfig::new(&all()).unwrap())),
        (
            "private lora",
            Method::PrivateLora(PrivateLoraConfig::new(8, 16, &all()).unwrap()),
        ),
        ("full", Method::Full),
    ];
    for (name, method) in methods {
        compare(name, &example(), &method, plain(), SHAPE, 6);
    }
}

#[test]
fn every_setting_has_the_bits_of_the_processor() {
    let lora = Method::Lora(LoraConfig::new(4, 8, 0.05, &["q_proj", "down_proj"]).unwrap());
    let settings = TrainSettings {
        optimizer: AdamWConfig {
            weight_decay: 0.1,
            ..AdamWConfig::default()
        },
        gradient_accumulation_steps: 3,
        max_grad_norm: Some(1.0),
        gradient_checkpointing: true,
        activation_storage: ActivationStorage::Float32,
        loraplus_lr_ratio: Some(16.0),
    };
    compare(
        "accumulated, checkpointed",
        &example(),
        &lora,
        settings,
        SHAPE,
        5,
    );
    for gradient_checkpointing in [false, true] {
        let rounded = TrainSettings {
            gradient_checkpointing,
            activation_storage: ActivationStorage::BFloat16,
            ..settings
        };
        compare("rounded", &example(), &lora, rounded, SHAPE, 5);
    }
}

#[test]
fn long_sequences_cross_the_blocks_of_a_chain() {
    let config = br#"{"model_type": "llama", "vocab_size": 500, "hidden_size": 320,
        "intermediate_size": 600, "num_hidden_layers": 2, "num_attention_heads": 5,
        "num_key_value_heads": 1, "max_position_embeddings": 700}"#;
    let base = Base::random(ModelConfig::from_json(config).unwrap(), &[1; 32]).unwrap();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &all()).unwrap());
    let shape = BatchShape { batch: 2, seq: 601 };
    compare(
        "sequences of 601",
        &Arc::new(base),
        &lora,
        plain(),
        shape,
        3,
    );
}

#[test]
fn evaluation_and_gradients_have_the_bits_of_the_processor() {
    let Some((here, there)) = kernels() else {
        return;
    };
    let base = example();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &all()).unwrap());
    let adapter = Adapter::init(&here, &base, &lora, &SEED);
    let batch = batch(&base, 2, 90, 7);
    let of = |kernel: &Kernel| {
        (
            evaluate(kernel, &base, Some(&adapter), &batch).unwrap(),
            logits(kernel, &base, Some(&adapter), &batch).unwrap(),
            gradients(kernel, &base, &adapter, &batch).unwrap(),
        )
    };
    assert!(of(&here) == of(&there));
}

#[test]
fn a_step_is_traced_and_a_fault_named_as_on_the_processor() {
    let Some((here, there)) = kernels() else {
        return;
    };
    let base = example();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &all()).unwrap());
    let run = |kernel: &Kernel| {
        let mut trainer = Trainer::new(kernel, base.clone(), &lora, plain(), SHAPE, &SEED).unwrap();
        let mut state = TrainState::new(Adapter::init(kernel, &base, &lora, &SEED));
        let batch = |number| batch(&base, SHAPE.batch, SHAPE.seq, number);
        let (_, digests) = trainer.step_traced(&mut state, &batch(0), 1e-3).unwrap();
        // Steps this long leave the range of f32 sooner or later.
        let fault = (1..40).find_map(|number| {
            let before = state.digest();
            let fault = trainer.step(&mut state, &batch(number), 1e30).err()?;
            assert_eq!(state.digest(), before, "an invalid step left a trace");
            Some(fault)
        });
        let Some(InvalidStep::NotFinite { node, operator, .. }) = fault else {
            panic!("{fault:?}");
        };
        // The trainer goes on.
        (digests, node, operator, state.digest())
    };
    assert!(run(&here) == run(&there));
}
