//! Times LoRA steps and prints one JSON object: `step_time [SHAPE] [STEPS] [STORAGE] [PRECISION]`.
//!
//! `glassllm` is the shape of the example model with 8 rows of 64 tokens; `hidden512`, `hidden288`
//! and `smollm2` have 4 rows of 256. `bench/lora_step.py` times the same shapes in PyTorch. Weights
//! and tokens are random, rank 8 is on all seven projections. STORAGE is `float32` or `bfloat16`,
//! that of what the backward pass reads, with `-twice` behind it for gradient checkpointing; PRECISION
//! that of the frozen projections, named as in job files. `ASSAY_KERNEL` and `ASSAY_THREADS` choose
//! the path and the threads.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_kernel::random::Stream;
use assay_model::{
    ActivationStorage, AdamWConfig, Adapter, Base, BatchShape, Evaluator, Input, LoraConfig,
    Method, ModelConfig, Op, Plan, Precision, Target, TrainSettings, TrainState, Trainer,
};

/// Name, `config.json` and batch of a shape.
type Shape = (&'static str, &'static str, BatchShape);

const SHAPES: [Shape; 4] = [
    (
        "glassllm",
        r#"{"model_type": "llama", "vocab_size": 1024, "hidden_size": 128,
            "intermediate_size": 341, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": true}"#,
        BatchShape { batch: 8, seq: 64 },
    ),
    (
        "hidden512",
        r#"{"model_type": "llama", "vocab_size": 8192, "hidden_size": 512,
            "intermediate_size": 1376, "num_hidden_layers": 8, "num_attention_heads": 8,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5}"#,
        BatchShape { batch: 4, seq: 256 },
    ),
    (
        "hidden288",
        r#"{"model_type": "llama", "vocab_size": 32000, "hidden_size": 288,
            "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6,
            "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}"#,
        BatchShape { batch: 4, seq: 256 },
    ),
    (
        "smollm2",
        r#"{"model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "rope_theta": 100000.0, "tie_word_embeddings": true}"#,
        BatchShape { batch: 4, seq: 256 },
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "glassllm".into());
    let steps: usize = arguments.next().map_or(Ok(10), |n| n.parse())?;
    let storage = arguments.next().unwrap_or_else(|| "float32".into());
    let (held, twice) = match storage.strip_suffix("-twice") {
        Some(held) => (held, true),
        None => (storage.as_str(), false),
    };
    let activation_storage = match held {
        "float32" => ActivationStorage::Float32,
        "bfloat16" => ActivationStorage::BFloat16,
        other => return Err(format!("unknown storage {other}; use float32 or bfloat16").into()),
    };
    let precision: Precision = arguments
        .next()
        .map_or(Ok(Precision::Float32), |p| p.parse())?;
    let known = SHAPES.into_iter().find(|(known, ..)| *known == name);
    let Some((_, config, shape)) = known else {
        let names = SHAPES.map(|(name, ..)| name).join(", ");
        return Err(format!("unknown shape {name}; use one of {names}").into());
    };
    let kernel = Kernel::detect()?;
    let config = ModelConfig::from_json(config.as_bytes())?;
    let vocab = config.vocab_size as u32;
    let base = Arc::new(Base::random(config, &[1; 32])?.held_in(precision));
    let targets: Vec<&str> = Target::ALL.into_iter().map(Target::name).collect();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &targets)?);
    let settings = TrainSettings {
        activation_storage,
        gradient_checkpointing: twice,
        ..AdamWConfig {
            weight_decay: 0.01,
            ..AdamWConfig::default()
        }
        .into()
    };
    let mut trainer = Trainer::new(&kernel, base.clone(), &lora, settings, shape, &[2; 32])?;
    let mut state = TrainState::new(Adapter::init(&kernel, &base, &lora, &[2; 32]));
    let mut batch = Batch::padding(shape.batch, shape.seq, 0);
    let mut stream = Stream::new(&[3; 32], 0, 0);
    batch.ids.fill_with(|| stream.below(vocab));
    for row in 0..shape.batch {
        for t in 1..shape.seq {
            batch.labels[row * shape.seq + t - 1] = batch.ids[row * shape.seq + t] as i32;
        }
    }
    let mut losses = Vec::new();
    let seconds = timed(steps, || {
        losses.push(trainer.step(&mut state, &batch, 1e-3)?.loss);
        Ok(())
    })?;
    let peak = peak_bytes();
    let digest = timed(3, || {
        state.digest();
        Ok(())
    })?;
    let mut evaluator = Evaluator::new(&kernel, base, Some(state.adapter()), shape)?;
    let forward = timed(3, || {
        evaluator.score(&batch)?;
        Ok(())
    })?;
    let operators = profile(&mut trainer, &mut state, &batch, steps.max(3))?;
    let report = serde_json::json!({
        "operators_ms": operators,
        "shape": name,
        "storage": storage,
        "planned_bytes": Plan::new(trainer.graph()).bytes(),
        "precision": precision.name(),
        "isa": kernel.isa().name(),
        "threads": kernel.threads(),
        "nodes": trainer.graph().nodes.len(),
        "step_best_s": seconds[0],
        "step_median_s": seconds[seconds.len() / 2],
        "peak_bytes": peak,
        "tokens_per_s": shape.positions() as f64 / seconds[seconds.len() / 2],
        "digest_s": digest[0],
        "forward_s": forward[0],
        "loss_first": losses[0],
        "loss_last": losses[losses.len() - 1],
        "state_digest": state.digest().to_string(),
    });
    writeln!(std::io::stdout(), "{report:#}")?;
    Ok(())
}

/// The most memory the process has had, where the system tells (`VmHWM` of Linux).
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Milliseconds a step spends in each operator: the best time of every node, added up by name.
fn profile(
    trainer: &mut Trainer,
    state: &mut TrainState,
    batch: &Batch,
    steps: usize,
) -> Result<BTreeMap<String, f64>, Box<dyn Error>> {
    let mut best = vec![f64::INFINITY; trainer.graph().nodes.len()];
    for _ in 0..steps {
        let mut last = Instant::now();
        let mut observe = |node: usize, _: &[&[f32]]| {
            best[node] = best[node].min(last.elapsed().as_secs_f64());
            last = Instant::now();
        };
        trainer.step_observed(state, batch, 1e-3, Some(&mut observe))?;
    }
    let mut sums = BTreeMap::new();
    let graph = trainer.graph();
    for (node, seconds) in graph.nodes.iter().zip(&best) {
        let mut name = node.op.name().to_owned();
        if let Op::Product { ta, .. } = node.op {
            let [a, b] = [node.inputs[0], node.inputs[1]].map(|id| graph.tensor(id));
            let depth = if ta { a.rows } else { a.cols };
            name = match b.input {
                Some(Input::Weight(_)) => "product with frozen".into(),
                Some(Input::Param(_)) if depth <= 64 => "product up from rank".into(),
                Some(Input::Param(_)) => "product down to rank".into(),
                _ => "product into gradient".into(),
            };
        }
        *sums.entry(name).or_insert(0.0) += seconds * 1e3;
    }
    sums.insert("total".into(), best.iter().sum::<f64>() * 1e3);
    Ok(sums)
}

/// Seconds of each run after a first one that does not count, best first.
fn timed(
    runs: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Vec<f64>, Box<dyn Error>> {
    work()?;
    let mut seconds = Vec::new();
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}
