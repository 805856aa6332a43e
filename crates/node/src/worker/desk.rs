//! One place in a worker: asks it for pieces of work, and again in a new one when it dies.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use assay_crypto::Digest;
use assay_proof::{MAX_STATE_BYTES, Start, StepReport, Work, WorkDone, WorkFailure};
use tracing::warn;

use super::Runner;
use super::frame::{Answer, Ask, CHUNK, Piece};
use super::process::{Alive, Death, WorkerProcess};
use crate::inputs::Spooled;

/// Failures of this machine that one task may cause before its work is given up.
const MOST_FAILURES: u32 = 5;
/// The same where the worker's memory ran out: that will hardly go better.
const MOST_OUT_OF_MEMORY: u32 = 2;
/// First pause before another worker is started; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a waiting desk asks whether it should stop.
const TICK: Duration = Duration::from_millis(50);
/// Tasks whose failures are remembered.
const REMEMBERED: usize = 64;

/// One place in a worker.
pub struct WorkerDesk {
    process: Arc<WorkerProcess>,
    number: u32,
    /// Failures of this machine by the seed of the task they happened in, which no other has.
    failures: VecDeque<(Digest, u32)>,
}

impl Runner for WorkerDesk {
    fn run(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<WorkDone, WorkFailure> {
        loop {
            let death = match self.attempt(work, on_step, stop) {
                // The party waits for the next block and asks again.
                Ok(Err(WorkFailure::Local(reason))) => {
                    let failed = self.failed(work, 1);
                    return Err(match failed < MOST_FAILURES {
                        true => WorkFailure::Local(reason),
                        false => given_up(failed, &reason),
                    });
                }
                Ok(result) => return result,
                Err(death) => death,
            };
            let weight = match death.out_of_memory {
                true => MOST_FAILURES.div_ceil(MOST_OUT_OF_MEMORY),
                false => 1,
            };
            let failed = self.failed(work, weight);
            let reason = &death.reason;
            if failed >= MOST_FAILURES {
                return Err(given_up(failed, reason));
            }
            warn!(reason, "the work is begun again in a new worker");
            let pause = PAUSE * 2_u32.saturating_pow(failed - 1);
            for _ in 0..pause.as_millis() / TICK.as_millis() {
                if stop() {
                    return Err(WorkFailure::Stopped);
                }
                std::thread::sleep(TICK);
            }
        }
    }
}

fn given_up(failed: u32, reason: &str) -> WorkFailure {
    let times = match failed {
        1 => "at once".to_owned(),
        _ => "again and again".to_owned(),
    };
    WorkFailure::Unable(format!("{reason} {times}; it is given up here"))
}

impl WorkerDesk {
    pub(super) fn new(process: Arc<WorkerProcess>, number: u32) -> Self {
        Self {
            process,
            number,
            failures: VecDeque::new(),
        }
    }

    /// Counts failures of this machine in a task.
    fn failed(&mut self, work: &Work, weight: u32) -> u32 {
        let seed = work.task.seed;
        let known = self.failures.iter_mut().find(|(of, _)| *of == seed);
        if let Some((_, count)) = known {
            *count += weight;
            return *count;
        }
        self.failures.push_front((seed, weight));
        self.failures.truncate(REMEMBERED);
        weight
    }

    /// One try: an answer, or the worker's death.
    fn attempt(
        &mut self,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<Result<WorkDone, WorkFailure>, Death> {
        let process = self.process.clone();
        let alive = match process.alive() {
            Ok(alive) => alive,
            Err(error) => {
                let text = format!("no worker can be started: {error}");
                return Ok(Err(WorkFailure::Local(text)));
            }
        };
        let piece = process.next_piece();
        let Some(answers) = alive.begin(piece) else {
            return Err(alive.bury());
        };
        let done = self.converse(&alive, piece, &answers, work, on_step, stop);
        alive.end(piece);
        done.map_err(|Lost| alive.bury())
    }

    fn converse(
        &mut self,
        alive: &Alive,
        piece: u64,
        answers: &mpsc::Receiver<Answer>,
        work: &Work,
        on_step: &mut dyn FnMut(&StepReport),
        stop: &dyn Fn() -> bool,
    ) -> Result<Result<WorkDone, WorkFailure>, Lost> {
        let ask = Ask::Work(Box::new(self.piece(piece, work)));
        alive.say(&ask)?;
        let mut reports = Vec::new();
        let count = work.to.0.saturating_sub(work.from.0);
        loop {
            match answers.recv_timeout(TICK) {
                Ok(Answer::Missing { inputs, .. }) => {
                    for digest in inputs {
                        match self.send_input(alive, work, &digest) {
                            Ok(()) => {}
                            Err(NotSent::Lost) => return Err(Lost),
                            Err(NotSent::Unread(error)) => {
                                let text = format!("an input cannot be read: {error}");
                                return Ok(Err(WorkFailure::Local(text)));
                            }
                        }
                    }
                    alive.say(&ask)?;
                }
                Ok(Answer::Step { report, .. }) => {
                    on_step(&report);
                    reports.push(report);
                    if reports.len() as u64 > count {
                        return Err(Lost);
                    }
                }
                Ok(Answer::Done {
                    leaves,
                    last,
                    state,
                    ..
                }) => {
                    let whole = leaves.len() as u64 == count + 1 && reports.len() as u64 == count;
                    if !whole || state.len() > MAX_STATE_BYTES {
                        return Err(Lost);
                    }
                    return Ok(Ok(WorkDone {
                        leaves,
                        last,
                        state,
                        reports,
                    }));
                }
                Ok(Answer::Failed { failure, .. }) => return Ok(Err(failure)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Lost),
            }
            if stop() {
                let desk = self.number;
                alive.say(&Ask::Stop { desk, piece })?;
                return Ok(Err(WorkFailure::Stopped));
            }
        }
    }

    fn piece(&self, piece: u64, work: &Work) -> Piece {
        let task = &work.task;
        let names = task.inputs.iter();
        Piece {
            piece,
            desk: self.number,
            kind: task.kind.clone(),
            spec: task.spec.clone(),
            model: task.model.clone(),
            memory: task.memory,
            inputs: names
                .map(|input| (input.name.clone(), input.handle.content()))
                .collect(),
            seed: task.seed,
            steps: task.steps,
            segment_steps: task.segment_steps,
            stop: task.stop,
            start: match &work.start {
                Start::Initial => None,
                Start::State(bytes) => Some(bytes.clone()),
            },
            from: work.from,
            to: work.to,
        }
    }

    /// Tells the worker where an input lies, or sends it in parts; other desks' inputs wait for the
    /// whole of it.
    fn send_input(&self, alive: &Alive, work: &Work, wanted: &Digest) -> Result<(), NotSent> {
        let inputs = work.task.inputs.iter().map(|input| &input.handle);
        let found = inputs.into_iter().find(|input| input.content() == *wanted);
        let handle = found.ok_or(NotSent::Lost)?;
        if let Some(spooled) = handle.held_by::<Spooled>() {
            let passage = spooled.passage().map_err(NotSent::Unread)?;
            return Ok(alive.say(&Ask::Open(Box::new(passage)))?);
        }
        let (mut unread, bytes) = (None, handle.bytes());
        let count = handle.length().div_ceil(CHUNK as u64).max(1);
        let mut part = |n: u64| {
            let at = n * CHUNK as u64;
            let mut part = vec![0; (handle.length() - at).min(CHUNK as u64) as usize];
            if let Err(error) = bytes.read_at(at, &mut part) {
                unread = Some(error);
                return None;
            }
            Some(Ask::Input {
                digest: *wanted,
                bytes: part,
                last: n + 1 == count,
            })
        };
        alive.say_all((0..count).map_while(&mut part))?;
        unread.map_or(Ok(()), |error| Err(NotSent::Unread(error)))
    }
}

impl Drop for WorkerDesk {
    fn drop(&mut self) {
        if let Some(alive) = self.process.started() {
            let _ = alive.say(&Ask::Leave { desk: self.number });
        }
    }
}

/// The worker does not answer any more, or not as it should.
struct Lost;

/// Why an input did not reach the worker.
enum NotSent {
    /// The worker does not listen, or asked for what it was not told of.
    Lost,
    /// Its bytes cannot be had.
    Unread(io::Error),
}

impl From<io::Error> for NotSent {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self
    }
}
