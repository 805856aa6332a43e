//! Times a whole run of so many segments, and one auditor that verifies it; prints one JSON object:
//! `verify_cost SEGMENTS DRAWN`. The job is the example's, in segments of the length and with the batch
//! below. `ASSAY_KERNEL` and `ASSAY_THREADS` choose the path and the threads.

use std::collections::BTreeSet;
use std::{error::Error, io::Write as _, ops::ControlFlow, path::Path, time::Instant};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_job::{Local, Registry};
use assay_ledger::StepIndex;
use assay_proof::{Start, StepReport, Work, Worker};

/// What is changed of the example.
const CHANGED: [(&str, &str); 2] = [
    ("batch_size = 8", "batch_size = 2"),
    ("segment_steps = 10", "segment_steps = 4"),
];
/// Steps of a segment, as in [`CHANGED`].
const SEGMENT_STEPS: u64 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> Result<u64, Box<dyn Error>> {
        Ok(arguments.next().ok_or("SEGMENTS DRAWN")?.parse()?)
    };
    let (segments, drawn) = (number()?, number()?);
    let folder = Path::new("examples");
    let mut text = std::fs::read_to_string(folder.join("finetune.toml"))?;
    let steps = format!("steps = {}", segments * SEGMENT_STEPS);
    for (from, to) in CHANGED.into_iter().chain([("steps = 160", steps.as_str())]) {
        if !text.contains(from) {
            return Err(format!("the example has no {from:?}").into());
        }
        text = text.replacen(from, to, 1);
    }
    let job = assay_job::read(&text, folder)?;
    let task = Local::new(&job, Digest::ZERO)?.task;
    let mut on_step = |_: &StepReport| ControlFlow::Continue(());
    let work = |start: Start, from: u64, to: u64| Work {
        task: task.clone(),
        start,
        from: StepIndex(from),
        to: StepIndex(to),
    };

    // The provider: every segment, the state kept at each boundary, and the digest of every state.
    let mut starts = vec![Start::Initial];
    let mut ends = Vec::new();
    let began = Instant::now();
    let mut worker = Worker::new(Box::new(Registry));
    for segment in 0..segments {
        let from = segment * SEGMENT_STEPS;
        let start = starts.last().cloned().ok_or("no start")?;
        let done = worker.run(&work(start, from, from + SEGMENT_STEPS), &mut on_step)?;
        ends.push(done.leaves.last().copied());
        starts.push(Start::State(done.state));
    }
    let train = began.elapsed().as_secs_f64();

    // An auditor: leaf 0, and the drawn segments, each from its checkpoint. It draws with replacement and
    // replays once what is drawn twice, as the ledger does.
    let mut dice = Stream::new(
        Digest::of("assay/verify_cost/v1", &[]),
        "segments",
        segments,
    );
    let drawn: BTreeSet<u64> = (0..drawn).map(|_| dice.below(segments)).collect();
    let began = Instant::now();
    let mut worker = Worker::new(Box::new(Registry));
    worker.run(&work(Start::Initial, 0, 0), &mut on_step)?;
    for segment in &drawn {
        let (from, start) = (segment * SEGMENT_STEPS, starts[*segment as usize].clone());
        let done = worker.run(&work(start, from, from + SEGMENT_STEPS), &mut on_step)?;
        if Some(done.leaves.last().copied()) != ends.get(*segment as usize).copied() {
            return Err(format!("segment {segment} ends elsewhere").into());
        }
    }
    let verify = began.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "train_seconds": train,
        "verify_seconds": verify,
        "segments": segments,
        "replayed": drawn.len(),
        "steps": job.steps,
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": std::env::var("ASSAY_KERNEL").ok(),
        "threads": std::env::var("ASSAY_THREADS").ok(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
