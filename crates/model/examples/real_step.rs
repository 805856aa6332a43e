//! Times LoRA steps on a model from disk: `real_step MODEL BATCH SEQ STEPS [checkpoint]`.
//!
//! Rank 8 on all seven projections, random tokens, every position counts; with `checkpoint` layers
//! are computed again in the backward pass. Prints one JSON object:
//! seconds of the median step and peak memory of the process in MiB, after loading and at the end.
//! `ASSAY_KERNEL` and `ASSAY_THREADS` choose the path and the threads.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_kernel::random::Stream;
use assay_model::{
    AdamWConfig, Adapter, Base, BatchShape, LoraConfig, Method, Target, TrainSettings, TrainState,
    Trainer,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, batch, seq, steps, checkpoint) = match arguments.as_slice() {
        [model, batch, seq, steps] => (model, batch, seq, steps, false),
        [model, batch, seq, steps, word] if word == "checkpoint" => {
            (model, batch, seq, steps, true)
        }
        _ => return Err("usage: real_step MODEL BATCH SEQ STEPS [checkpoint]".into()),
    };
    let (batch, seq, steps): (usize, usize, usize) = (batch.parse()?, seq.parse()?, steps.parse()?);
    let shape = BatchShape { batch, seq };
    let kernel = Kernel::detect()?;
    let start = Instant::now();
    let base = Arc::new(Base::from_folder(Path::new(model))?);
    let load = start.elapsed().as_secs_f64();
    let loaded = peak_mib();
    let targets: Vec<&str> = Target::ALL.into_iter().map(Target::name).collect();
    let lora = Method::Lora(LoraConfig::new(8, 16, 0.0, &targets)?);
    let settings = TrainSettings {
        gradient_checkpointing: checkpoint,
        ..AdamWConfig::default().into()
    };
    let mut trainer = Trainer::new(&kernel, base.clone(), &lora, settings, shape, &[2; 32])?;
    let mut state = TrainState::new(Adapter::init(&kernel, &base, &lora, &[2; 32]));
    let mut rows = Batch::padding(batch, seq, 0);
    let mut stream = Stream::new(&[3; 32], 0, 0);
    rows.ids
        .fill_with(|| stream.below(base.config().vocab_size as u32));
    for row in 0..batch {
        for t in 1..seq {
            rows.labels[row * seq + t - 1] = rows.ids[row * seq + t] as i32;
        }
    }
    let mut seconds = Vec::new();
    // The first step packs the frozen matrices and does not count.
    for _ in 0..=steps.max(1) {
        let start = Instant::now();
        trainer.step(&mut state, &rows, 1e-4)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let first = seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let report = serde_json::json!({
        "isa": kernel.isa().name(),
        "threads": kernel.threads(),
        "batch": batch,
        "seq": seq,
        "checkpoint": checkpoint,
        "load_seconds": load,
        "first_step_seconds": first,
        "step_seconds": median,
        "tokens_per_second": shape.positions() as f64 / median,
        "peak_mib_loaded": loaded,
        "peak_mib": peak_mib(),
        "state_digest": state.digest().to_string(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// The most memory this process has held, in MiB; none where the system does not say.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}
