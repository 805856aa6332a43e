//! Times training steps and prints one JSON object: `estimator_step SHAPE [STEPS]`.
//!
//! `bench/estimator_step.py` times the same shapes in PyTorch. Rows are random; `ASSAY_KERNEL` and
//! `ASSAY_THREADS` choose the path and the threads.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use assay_estimator::{
    Labels, ModelSpec, Order, Samples, Shard, Specification, State, TrainSpec, Trainer,
};
use assay_kernel::Kernel;
use assay_kernel::random::Stream;

/// Name, model and rows of a batch.
fn shapes() -> [(&'static str, ModelSpec, u32); 4] {
    let mlp = ModelSpec::Mlp {
        features: 784,
        hidden: vec![128, 64],
        classes: 10,
    };
    let cnn = ModelSpec::Cnn {
        channels: 1,
        height: 28,
        width: 28,
        filters: vec![16, 32],
        classes: 10,
    };
    let softmax = ModelSpec::Softmax {
        features: 784,
        classes: 10,
    };
    [
        ("logistic", ModelSpec::Logistic { features: 30 }, 32),
        ("softmax", softmax, 64),
        ("mlp", mlp, 64),
        ("cnn", cnn, 64),
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "softmax".into());
    let steps: u64 = arguments.next().map_or(Ok(200), |n| n.parse())?;
    let known = shapes().into_iter().find(|(known, ..)| *known == name);
    let Some((_, model, batch_size)) = known else {
        let names = shapes().map(|(name, ..)| name).join(", ");
        return Err(format!("unknown shape {name}; use one of {names}").into());
    };
    let kernel = Kernel::detect()?;
    let (rows, width) = (4 * batch_size, model.features());
    let mut stream = Stream::new(&[1; 32], 0, 0);
    let features = (0..rows as usize * width)
        .map(|_| stream.normal())
        .collect();
    let classes = model.classes().ok_or("a model of classes")?;
    let labels = (0..rows).map(|_| stream.below(classes)).collect();
    let labels = Labels::classes(labels, classes)?;
    let shard = Shard::new(Samples::new(features, width, labels)?);
    let training = TrainSpec {
        batch_size,
        momentum: 0.9,
        ..TrainSpec::at_rate(0.01)
    };
    let specification = Specification { model, training };
    let mut state = State::initial(&specification.model, &[2; 32])?;
    let order = Order {
        seed: [3; 32],
        round: 0,
        trainer: 0,
    };
    let mut trainer = Trainer::new(&kernel, &specification, order)?;
    let mut seconds = Vec::new();
    for index in 0..steps + 5 {
        let start = Instant::now();
        let report = trainer.step(&mut state, &shard, index)?;
        seconds.push(start.elapsed().as_secs_f64());
        if !report.is_valid() {
            return Err(format!("step {index}: {report:?}").into());
        }
    }
    // The first steps make room and warm up.
    let mut seconds = seconds.split_off(5);
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
    let line = serde_json::json!({
        "shape": name, "batch": batch_size, "parameters": state.parameters().len(),
        "kernel": kernel.isa().name(), "threads": kernel.threads(), "steps": steps,
        "step_median_s": median, "step_best_s": seconds.first(), "state": state.digest().to_string(),
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
