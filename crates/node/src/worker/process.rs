//! The node's side: starts the worker, and starts it anew when it has died.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use assay_job::Bytes;
use tracing::debug;

use super::desk::WorkerDesk;
use super::frame::{Answer, Ask, read_frame, write_frame};

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
        WorkerDesk::new(self.clone(), self.desks.fetch_add(1, Ordering::Relaxed))
    }

    /// The worker's process id, while there is one.
    pub fn id(&self) -> Option<u32> {
        self.started().map(|alive| lock(&alive.child).id())
    }

    /// The worker, if one was started.
    pub(super) fn started(&self) -> Option<Arc<Alive>> {
        lock(&self.alive).clone()
    }

    /// A number that no other piece of work has.
    pub(super) fn next_piece(&self) -> u64 {
        1 + self.pieces.fetch_add(1, Ordering::Relaxed)
    }

    /// The worker that lives, or a new one.
    pub(super) fn alive(&self) -> io::Result<Arc<Alive>> {
        let mut alive = lock(&self.alive);
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
pub(super) struct Alive {
    child: Mutex<Child>,
    input: Mutex<BufWriter<ChildStdin>>,
    waiting: Waiting,
    last_words: Mutex<Option<JoinHandle<String>>>,
    obituary: Mutex<Option<Death>>,
    memory: u64,
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub(super) struct Death {
    pub(super) reason: String,
    pub(super) out_of_memory: bool,
}

impl Alive {
    fn is_dead(&self) -> bool {
        lock(&self.waiting.0).is_none()
    }

    pub(super) fn say(&self, ask: &Ask) -> io::Result<()> {
        write_frame(&mut *lock(&self.input), ask)
    }

    /// Where the answers about a piece come in; `None` once it has ended.
    pub(super) fn begin(&self, piece: u64) -> Option<mpsc::Receiver<Answer>> {
        self.waiting.begin(piece)
    }

    /// Nobody waits for a piece any more.
    pub(super) fn end(&self, piece: u64) {
        self.waiting.end(piece);
    }

    /// Says several things, nothing of others between them.
    pub(super) fn say_all(&self, asks: impl Iterator<Item = Ask>) -> io::Result<()> {
        let mut input = lock(&self.input);
        asks.into_iter()
            .try_for_each(|ask| write_frame(&mut *input, &ask))
    }

    /// Ends it, if it has not ended by itself, and says how.
    pub(super) fn bury(&self) -> Death {
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
