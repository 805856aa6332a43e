//! Times LoRA steps on the device of `ASSAY_DEVICE`, or the processor, and prints one JSON object:
//! `device_step [SHAPE] [STEPS] [ROWS] [TOKENS]`.
//!
//! `smollm2` has the shape of SmolLM2-135M, `llama1b` that of Llama 3.2 1B. Weights and tokens are
//! random, rank 8 is on all seven projections. A step includes sending the state and the batch and
//! taking the state back.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_kernel::random::Stream;
use assay_model::{
    AdamWConfig, Adapter, Base, BatchShape, LoraConfig, Method, ModelConfig, Target, TrainState,
    Trainer,
};

const SHAPES: [(&str, &str); 2] = [
    (
        "smollm2",
        r#"{"model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "rope_theta": 100000.0, "tie_word_embeddings": true}"#,
    ),
    (
        "llama1b",
        r#"{"model_type": "llama", "vocab_size": 128256, "hidden_size": 2048,
            "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
            "num_key_value_heads": 8, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0, "tie_word_embeddings": true}"#,
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "smollm2".into());
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |n| n.parse());
    let (steps, batch, seq) = (number(5)?, number(4)?, number(256)?);
    let known = SHAPES.into_iter().find(|(known, _)| *known == name);
    let Some((_, config)) = known else {
        return Err(format!("unknown shape {name}; use smollm2 or llama1b").into());
    };
    let kernel = Kernel::detect()?;
    let config = ModelConfig::from_json(config.as_bytes())?;
    let vocab = config.vocab_size as u32;
    let base = Arc::new(Base::random(config, &[1; 32])?);
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &Target::ALL.map(Target::name))?);
    let shape = BatchShape { batch, seq };
    let settings = AdamWConfig::default();
    let mut trainer = Trainer::new(&kernel, base.clone(), &lora, settings, shape, &[2; 32])?;
    let mut state = TrainState::new(Adapter::init(&kernel, &base, &lora, &[2; 32]));
    let mut rows = Batch::padding(batch, seq, 0);
    let mut stream = Stream::new(&[3; 32], 0, 0);
    rows.ids.fill_with(|| stream.below(vocab));
    rows.labels.fill_with(|| stream.below(vocab) as i32);
    let mut seconds = Vec::new();
    let mut losses = Vec::new();
    // The first two prepare the device.
    for step in 0..steps.max(1) + 2 {
        let start = Instant::now();
        losses.push(trainer.step(&mut state, &rows, 1e-3)?.loss);
        if step >= 2 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let report = serde_json::json!({
        "shape": name,
        "rows": batch,
        "tokens_a_row": seq,
        "device": std::env::var("ASSAY_DEVICE").unwrap_or_else(|_| kernel.isa().name().into()),
        "nodes": trainer.graph().nodes.len(),
        "step_median_s": median,
        "step_best_s": seconds[0],
        "tokens_per_second": (batch * seq) as f64 / median,
        "losses": losses,
        "state": state.digest().to_string(),
    });
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string_pretty(&report)?
    )?;
    Ok(())
}
