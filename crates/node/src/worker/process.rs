//! The node's side: starts the worker, sends it work, and starts it anew when it dies.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use assay_crypto::Digest;
use assay_job::Bytes;
use assay_proof::{MAX_STATE_BYTES, Start, StepReport, Work, WorkDone, WorkFailure};
use tracing::{debug, warn};

use super::Runner;
use super::frame::{Answer, Ask, CHUNK, Piece, read_frame, write_frame};

/// Variables a worker inherits: what chooses the kernel's path and finds a device's driver.
const VARIABLES: [&str; 12] = [
    "ASSAY_KERNEL",
    "ASSAY_THREADS",
    "ASSAY_DEVICE",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_CACHE_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HOME",
    "LD_LIBRARY_PATH",
    "PATH",
    "LANG",
];
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
/// What is kept of a worker's standard error.
const LAST_WORDS: usize = 2_000;

/// A worker process that is started when there is work for it, and again when it has died.
pub struct WorkerProcess {
    program: PathBuf,
    arguments: Vec<OsString>,
    memory: u64,
    threads: Option<usize>,
    folder: PathBuf,
    alive: Mutex<Option<Arc<Alive>>>,
    desks: AtomicU32,
    pieces: AtomicU64,
}

impl WorkerProcess {
    /// A worker started as `program arguments --memory BYTES`, in `folder`, which is made when
    /// missing, with so many bytes of memory for everything it does.
    pub fn new(
        program: PathBuf,
        arguments: Vec<OsString>,
        memory: u64,
        folder: PathBuf,
    ) -> Arc<Self> {
        Arc::new(Self {
            program,
            arguments,
            memory,
            threads: None,
            folder,
            alive: Mutex::default(),
            desks: AtomicU32::new(0),
            pieces: AtomicU64::new(0),
        })
    }

    /// The same with so many threads for its kernels, where a number is given.
    pub fn with_threads(mut self: Arc<Self>, threads: Option<usize>) -> Arc<Self> {
        if let Some(process) = Arc::get_mut(&mut self) {
            process.threads = threads;
        }
        self
    }

    /// A place at which pieces are done one after the other, beside those of other desks.
    pub fn desk(self: &Arc<Self>) -> WorkerDesk {
        WorkerDesk {
            number: self.desks.fetch_add(1, Ordering::Relaxed),
            process: self.clone(),
            named: Vec::new(),
            failures: VecDeque::new(),
        }
    }

    /// The worker's process id, while there is one.
    pub fn id(&self) -> Option<u32> {
        let alive = self.lock();
        alive.as_ref().map(|alive| lock(&alive.child).id())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Alive>>> {
        lock(&self.alive)
    }

    /// The worker that lives, or a new one.
    fn alive(&self) -> io::Result<Arc<Alive>> {
        let mut alive = self.lock();
        if let Some(alive) = alive.as_ref().filter(|alive| !alive.is_dead()) {
            return Ok(alive.clone());
        }
        let fresh = Arc::new(self.start()?);
        *alive = Some(fresh.clone());
        Ok(fresh)
    }

    fn start(&self) -> io::Result<Alive> {
        std::fs::create_dir_all(&self.folder)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg("--memory")
            .arg(self.memory.to_string())
            .env_clear()
            .envs(
                VARIABLES
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(self.threads.map(|n| ("ASSAY_THREADS", n.to_string())))
            .env("TMPDIR", &self.folder)
            .current_dir(&self.folder)
            // Ctrl-C is for the node, which ends its worker itself.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        debug!(pid = child.id(), "a worker begins");
        let pipe = || io::Error::other("the worker has no pipes");
        let input = child.stdin.take().ok_or_else(pipe)?;
        let output = child.stdout.take().ok_or_else(pipe)?;
        let errors = child.stderr.take().ok_or_else(pipe)?;
        let waiting = Waiting::default();
        let listening = waiting.clone();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Ok(Some(answer)) = read_frame::<Answer>(&mut output) {
                listening.tell(answer);
            }
            listening.close();
        });
        let last_words = std::thread::spawn(move || last_words(errors));
        Ok(Alive {
            child: Mutex::new(child),
            input: Mutex::new(BufWriter::new(input)),
            waiting,
            last_words: Mutex::new(Some(last_words)),
            obituary: Mutex::new(None),
            memory: self.memory,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of what a worker says to standard error, once it has ended.
fn last_words(mut errors: impl Read) -> String {
    let (mut kept, mut part) = (Vec::new(), [0; 1_024]);
    while let Ok(read @ 1..) = errors.read(&mut part) {
        kept.extend_from_slice(&part[..read]);
        let beyond = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..beyond);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// Who waits for which piece; closed for good when the worker has ended.
#[derive(Clone)]
struct Waiting(Arc<Mutex<Option<Desks>>>);

/// Where the answers about each piece go.
type Desks = BTreeMap<u64, mpsc::Sender<Answer>>;

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(BTreeMap::new()))))
    }
}

impl Waiting {
    fn tell(&self, answer: Answer) {
        if let Some(waiting) = lock(&self.0).as_ref()
            && let Some(desk) = waiting.get(&answer.piece())
        {
            // A desk that left does not mind.
            let _ = desk.send(answer);
        }
    }

    fn close(&self) {
        *lock(&self.0) = None;
    }

    fn begin(&self, piece: u64) -> Option<mpsc::Receiver<Answer>> {
        let (desk, answers) = mpsc::channel();
        lock(&self.0).as_mut()?.insert(piece, desk);
        Some(answers)
    }

    fn end(&self, piece: u64) {
        if let Some(waiting) = lock(&self.0).as_mut() {
            waiting.remove(&piece);
        }
    }
}

/// A worker that was started.
struct Alive {
    child: Mutex<Child>,
    input: Mutex<BufWriter<ChildStdin>>,
    waiting: Waiting,
    last_words: Mutex<Option<JoinHandle<String>>>,
    obituary: Mutex<Option<Death>>,
    memory: u64,
}

/// How a worker ended.
#[derive(Debug, Clone)]
struct Death {
    reason: String,
    out_of_memory: bool,
}

impl Alive {
    fn is_dead(&self) -> bool {
        lock(&self.waiting.0).is_none()
    }

    fn say(&self, ask: &Ask) -> io::Result<()> {
        write_frame(&mut *lock(&self.input), ask)
    }

    /// Ends it, if it has not ended by itself, and says how.
    fn bury(&self) -> Death {
        let mut obituary = lock(&self.obituary);
        if let Some(death) = &*obituary {
            return death.clone();
        }
        self.waiting.close();
        let mut child = lock(&self.child);
        // Its pipes close a moment before its status is there.
        let mut status = child.try_wait();
        for _ in 0..20 {
            if !matches!(status, Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            status = child.try_wait();
        }
        let _ = child.kill();
        let status = match status {
            Ok(Some(status)) => Ok(status),
            _ => child.wait(),
        };
        let words = lock(&self.last_words).take();
        let words = words.and_then(|thread| thread.join().ok());
        let death = death(status, &words.unwrap_or_default(), self.memory);
        *obituary = Some(death.clone());
        death
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn death(status: io::Result<std::process::ExitStatus>, words: &str, memory: u64) -> Death {
    // What Rust's runtime says before it aborts, and what C's says.
    let starved = [
        "memory allocation of",
        "out of memory",
        "Cannot allocate memory",
    ];
    let out_of_memory = starved.iter().any(|said| words.contains(said));
    let how = match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was ended by signal {signal}"),
            (_, Some(code)) => format!("ended with status {code}"),
            _ => "ended".to_owned(),
        },
        Err(error) => format!("was lost: {error}"),
    };
    let last = words.lines().last().unwrap_or_default();
    let reason = match (out_of_memory, last) {
        (true, _) => format!("the worker ran out of its {}", Bytes(memory)),
        (false, "") => format!("the worker {how}"),
        (false, last) => format!("the worker {how}: {last}"),
    };
    Death {
        reason,
        out_of_memory,
    }
}

/// One place in a worker.
pub struct WorkerDesk {
    process: Arc<WorkerProcess>,
    number: u32,
    /// The inputs of the last task with their digests.
    named: Vec<(Arc<Vec<u8>>, Digest)>,
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
        let piece = 1 + process.pieces.fetch_add(1, Ordering::Relaxed);
        let Some(answers) = alive.waiting.begin(piece) else {
            return Err(alive.bury());
        };
        let done = self.converse(&alive, piece, &answers, work, on_step, stop);
        alive.waiting.end(piece);
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
        self.name_inputs(work);
        let ask = Ask::Work(Box::new(self.piece(piece, work)));
        alive.say(&ask)?;
        let mut reports = Vec::new();
        let count = work.to.0.saturating_sub(work.from.0);
        loop {
            match answers.recv_timeout(TICK) {
                Ok(Answer::Missing { inputs, .. }) => {
                    for digest in inputs {
                        self.send_input(alive, &digest)?;
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
                Ok(Answer::Done { leaves, state, .. }) => {
                    let whole = leaves.len() as u64 == count + 1 && reports.len() as u64 == count;
                    if !whole || state.len() > MAX_STATE_BYTES {
                        return Err(Lost);
                    }
                    return Ok(Ok(WorkDone {
                        leaves,
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

    /// Remembers the digests of a task's inputs, which are many times as long as a piece of work.
    fn name_inputs(&mut self, work: &Work) {
        let inputs = work.task.inputs.iter();
        let named: Vec<_> = inputs
            .map(|input| {
                let known = self
                    .named
                    .iter()
                    .find(|(bytes, _)| Arc::ptr_eq(bytes, &input.bytes));
                let digest = known.map(|(_, digest)| *digest);
                let digest = digest
                    .unwrap_or_else(|| Digest::of("assay/worker/input/v1", &[&input.bytes[..]]));
                (input.bytes.clone(), digest)
            })
            .collect();
        self.named = named;
    }

    fn piece(&self, piece: u64, work: &Work) -> Piece {
        let task = &work.task;
        let names = task.inputs.iter().zip(&self.named);
        Piece {
            piece,
            desk: self.number,
            kind: task.kind.clone(),
            spec: task.spec.clone(),
            inputs: names
                .map(|(input, (_, digest))| (input.name.clone(), *digest))
                .collect(),
            seed: task.seed,
            steps: task.steps,
            segment_steps: task.segment_steps,
            start: match &work.start {
                Start::Initial => None,
                Start::State(bytes) => Some(bytes.clone()),
            },
            from: work.from,
            to: work.to,
        }
    }

    /// Sends an input in parts; other desks' inputs wait for the whole of it.
    fn send_input(&self, alive: &Alive, wanted: &Digest) -> Result<(), Lost> {
        let found = self.named.iter().find(|(_, digest)| digest == wanted);
        let (bytes, digest) = found.ok_or(Lost)?;
        let mut input = lock(&alive.input);
        let mut rest = &bytes[..];
        loop {
            let (part, after) = rest.split_at(rest.len().min(CHUNK));
            rest = after;
            let part = Ask::Input {
                digest: *digest,
                bytes: part.to_vec(),
                last: rest.is_empty(),
            };
            write_frame(&mut *input, &part)?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Drop for WorkerDesk {
    fn drop(&mut self) {
        let alive = self.process.lock().clone();
        if let Some(alive) = alive {
            let _ = alive.say(&Ask::Leave { desk: self.number });
        }
    }
}

/// The worker does not answer any more, or not as it should.
struct Lost;

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self
    }
}
