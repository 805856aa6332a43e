//! The worker's side.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};

use assay_crypto::{Digest, ReadAt};
use assay_job::Limited;
use assay_proof::{Handle, Programs, Source, Start, Task, TaskInput, Work, WorkFailure, Worker};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::frame::{Answer, Ask, Piece, read_frame, write_frame};
use crate::inputs::Passage;

/// Makes the programs of one desk.
type MakePrograms = Arc<dyn Fn() -> Box<dyn Programs> + Send + Sync>;

/// Is a worker: limits this process to so many bytes of memory of its own and serves the node at the
/// other end of standard input and output, until that closes.
pub fn run_worker(memory: u64) -> ! {
    if let Err(error) = limit(memory) {
        // Standard error is what the node reads when its worker ends.
        let _ = writeln!(io::stderr(), "the worker cannot limit itself: {error}");
        std::process::exit(1)
    }
    let programs: MakePrograms =
        Arc::new(move || -> Box<dyn Programs> { Box::new(Limited { memory }) });
    match serve(io::stdin().lock(), io::stdout(), programs) {
        // Desks may still compute; nobody waits for them.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            let _ = writeln!(io::stderr(), "the worker lost its node: {error}");
            std::process::exit(1)
        }
    }
}

/// Nobody may take more than the limits that were set when the process began.
fn limit(memory: u64) -> io::Result<()> {
    let fixed = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Core, fixed(0))?;
    let held = rustix::process::getrlimit(Resource::Data).maximum;
    setrlimit(
        Resource::Data,
        fixed(held.map_or(memory, |held| held.min(memory))),
    )?;
    Ok(())
}

/// Serves a node until it closes `input`.
///
/// # Errors
/// When a frame is broken. What a program does is answered, never an error.
pub fn serve(
    mut input: impl Read,
    output: impl Write + Send + 'static,
    programs: MakePrograms,
) -> io::Result<()> {
    let out = Out(Arc::new(Mutex::new(Box::new(output))));
    let mut kept = Kept::default();
    let mut desks: BTreeMap<u32, Desk> = BTreeMap::new();
    while let Some(ask) = read_frame(&mut input)? {
        match ask {
            Ask::Input {
                digest,
                bytes,
                last,
            } => kept.take(digest, &bytes, last),
            Ask::Work(asked) => {
                let (piece, number) = (asked.piece, asked.desk);
                match kept.work(*asked) {
                    Ok(work) => {
                        let desk = desks
                            .entry(number)
                            .or_insert_with(|| Desk::open(programs.clone(), out.clone()));
                        // Its thread ends only with the desk.
                        let _ = desk.pieces.send((piece, work));
                    }
                    Err(NotBegun::Missing(inputs)) => out.say(&Answer::Missing { piece, inputs }),
                    Err(NotBegun::Unread(why)) => out.say(&Answer::Failed {
                        piece,
                        failure: WorkFailure::Local(why),
                    }),
                }
            }
            Ask::Stop { desk, piece } => {
                if let Some(desk) = desks.get(&desk) {
                    desk.stopped.store(piece, Ordering::Relaxed);
                }
            }
            Ask::Leave { desk } => drop(desks.remove(&desk)),
            Ask::Open(place) => drop(kept.places.insert(place.content, *place)),
        }
    }
    Ok(())
}

/// Where answers go, one at a time.
#[derive(Clone)]
struct Out(Arc<Mutex<Box<dyn Write + Send>>>);

impl Out {
    fn say(&self, answer: &Answer) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A node that no longer listens has closed the other pipe too, which ends the worker.
        let _ = write_frame(&mut *out, answer);
    }
}

/// Inputs by content digest: each is here once, however many desks work with it.
#[derive(Default)]
struct Kept {
    known: HashMap<Digest, Weak<dyn ReadAt>>,
    /// Those that came and no piece has begun with yet.
    fresh: HashMap<Digest, Arc<dyn ReadAt>>,
    /// Where others lie.
    places: HashMap<Digest, Passage>,
    arriving: Vec<u8>,
}

/// Why a piece cannot begin.
enum NotBegun {
    /// These inputs were not sent.
    Missing(Vec<Digest>),
    /// One cannot be read.
    Unread(String),
}

impl Kept {
    fn take(&mut self, digest: Digest, bytes: &[u8], last: bool) {
        self.arriving.extend_from_slice(bytes);
        if last {
            let whole = std::mem::take(&mut self.arriving);
            self.keep(digest, Arc::new(whole));
        }
    }

    fn keep(&mut self, digest: Digest, input: Arc<dyn ReadAt>) {
        self.known.retain(|_, input| input.strong_count() > 0);
        self.known.insert(digest, Arc::downgrade(&input));
        self.fresh.insert(digest, input);
    }

    /// Opens the inputs of a piece whose places were told.
    fn open(&mut self, piece: &Piece) -> Result<(), NotBegun> {
        for (name, digest) in &piece.inputs {
            let Some(place) = self.places.remove(digest) else {
                continue;
            };
            match place.open() {
                Ok(input) => self.keep(*digest, Arc::new(input)),
                Err(error) => {
                    let text = format!("input {name:?} cannot be read: {error}");
                    return Err(NotBegun::Unread(text));
                }
            }
        }
        Ok(())
    }

    /// The piece as work.
    fn work(&mut self, piece: Piece) -> Result<Work, NotBegun> {
        self.open(&piece)?;
        let known = |digest: &Digest| self.known.get(digest).and_then(Weak::upgrade);
        let mut missing = Vec::new();
        let mut inputs = Vec::with_capacity(piece.inputs.len());
        for (name, digest) in &piece.inputs {
            match known(digest) {
                Some(bytes) => inputs.push(TaskInput {
                    name: name.clone(),
                    handle: Handle::new(bytes, *digest, Source::Memory),
                }),
                None => missing.push(*digest),
            }
        }
        if !missing.is_empty() {
            return Err(NotBegun::Missing(missing));
        }
        for (_, digest) in &piece.inputs {
            self.fresh.remove(digest);
        }
        let task = Task {
            kind: piece.kind,
            spec: piece.spec,
            model: piece.model,
            memory: piece.memory,
            inputs,
            seed: piece.seed,
            steps: piece.steps,
            segment_steps: piece.segment_steps,
            stop: piece.stop,
        };
        Ok(Work {
            task,
            start: piece.start.map_or(Start::Initial, Start::State),
            from: piece.from,
            to: piece.to,
        })
    }
}

/// A thread that does one piece after the other.
struct Desk {
    pieces: mpsc::Sender<(u64, Work)>,
    /// The piece that nobody waits for any more.
    stopped: Arc<AtomicU64>,
}

impl Desk {
    fn open(programs: MakePrograms, out: Out) -> Self {
        let (pieces, queue) = mpsc::channel::<(u64, Work)>();
        let stopped = Arc::new(AtomicU64::new(0));
        let stop = stopped.clone();
        std::thread::spawn(move || {
            let mut worker = Worker::new(programs());
            for (piece, work) in queue {
                out.say(&answer(&mut worker, piece, &work, &stop, &out));
            }
        });
        Self { pieces, stopped }
    }
}

fn answer(worker: &mut Worker, piece: u64, work: &Work, stop: &AtomicU64, out: &Out) -> Answer {
    // A program that panics leaves nothing behind: the worker has taken it out before it runs it.
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
        worker.run(work, &mut |report| {
            let report = *report;
            out.say(&Answer::Step { piece, report });
            match stop.load(Ordering::Relaxed) == piece {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }));
    let ran = ran.unwrap_or_else(|panic| Err(WorkFailure::Local(panicked(&*panic))));
    match ran {
        Ok(done) => Answer::Done {
            piece,
            leaves: done.leaves,
            last: done.last,
            state: done.state,
        },
        Err(failure) => Answer::Failed { piece, failure },
    }
}

/// A panic as a reason to give up a piece of work.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    format!("the program panicked: {}", said(panic))
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("nothing")
}
