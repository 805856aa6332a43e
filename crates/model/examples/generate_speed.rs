//! Times generation and prints one JSON object: `generate_speed [demo|smollm2] [TOKENS] [PROMPT]`.
//!
//! `demo` has the shape of `examples/glassllm` (0.85 M parameters), `smollm2` that of
//! SmolLM2-135M. Weights and tokens are random; TOKENS (64) are written greedily after a prompt of
//! PROMPT (32), without an adapter and with LoRA of rank 8 on all seven projections.
//! `ASSAY_KERNEL` and `ASSAY_THREADS` choose the path and the threads. The peer is
//! `bench/generate_speed.py`.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use assay_kernel::random::Stream;
use assay_kernel::{Kernel, MatMut, MatRef, Store};
use assay_model::{
    Adapter, Base, GenerateSettings, Generator, LoraConfig, Method, ModelConfig, Sampling, Target,
};

const DEMO: &str = r#"{"model_type": "llama", "vocab_size": 1024, "hidden_size": 128,
    "intermediate_size": 341, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": true}"#;
const SMOLLM2: &str = r#"{"model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
    "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "max_position_embeddings": 2048, "rope_theta": 100000.0,
    "rms_norm_eps": 1e-5, "tie_word_embeddings": true}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "demo".into());
    let mut number = |default| arguments.next().map_or(Ok(default), |n| n.parse());
    let (tokens, prompt) = (number(64)?, number(32)?);
    let config = match name.as_str() {
        "demo" => DEMO,
        "smollm2" => SMOLLM2,
        other => return Err(format!("unknown shape {other}; use demo or smollm2").into()),
    };
    let config = ModelConfig::from_json(config.as_bytes())?;
    let kernel = Kernel::detect()?;
    let base = Arc::new(Base::random(config, &[1; 32])?);
    let targets: Vec<&str> = Target::ALL.into_iter().map(Target::name).collect();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &targets)?);
    let lora = Adapter::init(&kernel, &base, &lora, &[2; 32]);
    let mut rows = serde_json::Map::new();
    for (label, adapter) in [("base", None), ("lora", Some(&lora))] {
        let start = Instant::now();
        let mut generator = Generator::new(&kernel, base.clone(), adapter, tokens + prompt)?;
        let set_up = start.elapsed().as_secs_f64();
        let row = time(&mut generator, tokens, prompt, set_up)?;
        rows.insert(label.into(), row);
    }
    let weights: usize = (base.spec().weights().iter())
        .map(|info| info.shape.iter().product::<usize>())
        .sum();
    let report = serde_json::json!({
        "shape": name,
        "isa": kernel.isa().name(),
        "threads": kernel.threads(),
        "prompt": prompt,
        "tokens": tokens,
        "rows": rows,
        "weights_gb": weights as f64 * 4e-9,
        "one_row_product_gb_per_s": one_row_rate(&kernel),
        "draw_ms": draw(&kernel, base.config().vocab_size)?,
    });
    writeln!(std::io::stdout(), "{report:#}")?;
    Ok(())
}

fn time(
    generator: &mut Generator,
    tokens: usize,
    prompt: usize,
    set_up: f64,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let vocab = generator.base().config().vocab_size as u32;
    let mut stream = Stream::new(&[3; 32], 0, 0);
    let prompt: Vec<u32> = (0..prompt).map(|_| stream.below(vocab)).collect();
    let (mut prefill, mut token) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        generator.rewind(0);
        let start = Instant::now();
        generator.read(&prompt)?;
        prefill.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let settings = GenerateSettings::greedy(tokens);
        generator.tokens(&prompt, &settings, |_| Ok(true))?;
        // The prompt's last token is read once more.
        token.push(start.elapsed().as_secs_f64() / tokens as f64);
    }
    for seconds in [&mut prefill, &mut token] {
        seconds.remove(0);
        seconds.sort_by(f64::total_cmp);
    }
    let middle = token[token.len() / 2];
    Ok(serde_json::json!({
        "set_up_s": set_up,
        "prompt_tokens_per_s": prompt.len() as f64 / prefill[prefill.len() / 2],
        "token_ms": middle * 1e3,
        "token_best_ms": token[0] * 1e3,
        "tokens_per_s": 1.0 / middle,
    }))
}

/// Bytes of a packed matrix of 288 MB, far more than caches hold, that a one-row product reads.
fn one_row_rate(kernel: &Kernel) -> f64 {
    let (rows, cols) = (1536, 49_152);
    let b = kernel.pack(MatRef::row_major(&vec![0.5; rows * cols], rows, cols));
    let (a, mut c) = (vec![0.5; rows], vec![0.0; cols]);
    let mut once = || {
        let mut c = MatMut::row_major(&mut c, 1, cols);
        let start = Instant::now();
        kernel.gemm_packed(MatRef::row_major(&a, 1, rows), &b, &mut c, Store::Overwrite);
        start.elapsed().as_secs_f64()
    };
    let best = (0..5).map(|_| once()).fold(f64::INFINITY, f64::min);
    (rows * cols) as f64 * 4e-9 / best
}

/// Milliseconds to draw a token with a temperature and top_p.
fn draw(kernel: &Kernel, vocab: usize) -> Result<f64, Box<dyn Error>> {
    let sampling = Sampling::new(0.8, 0, 0.95, [1; 32])?;
    let mut stream = Stream::new(&[4; 32], 0, 0);
    let logits: Vec<f32> = (0..vocab).map(|_| stream.normal() * 3.0).collect();
    let start = Instant::now();
    for position in 0..20 {
        sampling.draw(kernel, &logits, position);
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / 20.0)
}
