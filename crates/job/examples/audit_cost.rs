//! Times a whole run of a job file and the replays of its audit; prints one JSON object:
//! `audit_cost [JOB.toml]`. `ASSAY_KERNEL` and `ASSAY_THREADS` choose the path and the threads.

use std::{error::Error, io::Write as _, ops::ControlFlow, path::PathBuf, time::Instant};

use assay_crypto::Digest;
use assay_job::{Local, Registry};
use assay_ledger::StepIndex;
use assay_proof::{Start, StepReport, Work, Worker};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "examples/finetune.toml".to_owned());
    let file = PathBuf::from(file);
    let folder = file.parent().ok_or("the job file has no folder")?;
    let job = assay_job::read(&std::fs::read_to_string(&file)?, folder)?;
    let task = Local::new(&job, Digest::ZERO)?.task;
    let mut worker = Worker::new(Box::new(Registry));
    let mut on_step = |_: &StepReport| ControlFlow::Continue(());
    let length = u64::from(task.segment_steps);
    let work = |start: Start, from: u64, to: u64| Work {
        task: task.clone(),
        start,
        from: StepIndex(from),
        to: StepIndex(to.min(task.steps)),
    };

    // The provider: every segment, the state kept at each boundary.
    let mut starts = vec![Start::Initial];
    let began = Instant::now();
    for from in (0..task.steps).step_by(length as usize) {
        let start = starts[starts.len() - 1].clone();
        let done = worker.run(&work(start, from, from + length), &mut on_step)?;
        starts.push(Start::State(done.state));
    }
    let train = began.elapsed().as_secs_f64();

    // The auditors: leaf 0 and as many segments as are drawn, each from its checkpoint.
    let began = Instant::now();
    for _ in 0..job.audit.auditors {
        worker.run(&work(Start::Initial, 0, 0), &mut on_step)?;
        for segment in 0..u64::from(job.audit.segments) {
            let (from, start) = (segment * length, starts[segment as usize].clone());
            worker.run(&work(start, from, from + length), &mut on_step)?;
        }
    }
    let audit = began.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "train_seconds": train,
        "audit_seconds": audit,
        "auditors": job.audit.auditors,
        "segments": job.audit.segments,
        "of": job.steps.div_ceil(length),
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
