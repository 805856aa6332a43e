//! Runs a machine: performs what it asks for and brings back the answers.
//!
//! The machine decides everything; a driver has the sockets, the disk, the threads and the clock.
//! Entries of the journal are on disk before anything after them happens, so a driver may be
//! killed at any moment and [`run`] again.
//!
//! Time and randomness come from a [`Runtime`] and the journal is any [`Log`], so the simulator drives
//! the same machines with the same code as a node, by [`run_on`] (decision 0295).

mod journal;
mod runtime;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    future::{Future, pending},
    io,
    path::{Path, PathBuf},
};

use assay_crypto::PublicKey;
use assay_machine::{Context, Input, Machine, Millis, Output, Protocol};
use futures::stream::{FuturesUnordered, StreamExt};

pub use self::journal::{Head, Journal, JournalFault, JournalKey};
pub use self::runtime::{Runtime, System};

/// Does what the machines of a protocol ask for.
pub trait Perform<P: Protocol>: Sync {
    /// Performs one request. It is dropped with the driver, and whatever takes the processor for
    /// long belongs on another thread: all requests of a machine share one.
    fn perform(&self, ask: P::Ask) -> impl Future<Output = P::Answer> + Send;
}

/// Reads what the machines of a protocol watch.
pub trait Watch<P: Protocol>: Send {
    /// What there is to see: at the first call as soon as it can be read, later when it has
    /// changed. `None` when it will not change any more and the machine must not go on without.
    ///
    /// A driver may stop waiting and call again.
    fn news(&mut self) -> impl Future<Output = Option<P::View>> + Send;
}

/// Carries the mail of a machine.
pub trait Mail: Send {
    /// Takes bytes to be brought to `to`. They may be lost.
    fn send(&mut self, to: PublicKey, bytes: Vec<u8>);

    /// The next mail, with the account that sent it.
    ///
    /// A driver may stop waiting and call again.
    fn next(&mut self) -> impl Future<Output = (PublicKey, Vec<u8>)> + Send;
}

/// For machines that send nothing and are sent nothing.
#[derive(Debug, Default)]
pub struct NoMail;

impl Mail for NoMail {
    fn send(&mut self, _: PublicKey, _: Vec<u8>) {}

    async fn next(&mut self) -> (PublicKey, Vec<u8>) {
        pending().await
    }
}

/// For machines that watch nothing.
#[derive(Debug, Default)]
pub struct Nothing {
    begun: bool,
}

impl<P: Protocol<View = ()>> Watch<P> for Nothing {
    async fn news(&mut self) -> Option<()> {
        if self.begun {
            pending::<()>().await;
        }
        self.begun = true;
        Some(())
    }
}

/// Where a machine's entries are kept.
pub trait Log: Send {
    /// Appends an entry, which is durable when this returns.
    ///
    /// # Errors
    /// What the disk said. The entry may be there or not, and nothing more can be appended.
    fn append(&mut self, entry: &[u8]) -> io::Result<()>;

    /// Where it lies, for messages.
    fn path(&self) -> &Path;
}

impl Log for Journal {
    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        Journal::append(self, entry)
    }

    fn path(&self) -> &Path {
        Journal::path(self)
    }
}

/// A machine's memory, which outlives its process.
#[derive(Debug)]
pub struct Memory<J = Journal> {
    /// Where the machine writes.
    pub journal: J,
    /// What it wrote in earlier lives.
    pub past: Vec<Vec<u8>>,
}

impl Memory {
    /// Opens or creates the journal at `path`, which `key` seals.
    ///
    /// # Errors
    /// [`DriveError::Journal`].
    pub fn open(path: &Path, key: JournalKey) -> Result<Self, DriveError> {
        let opened = Journal::open(path, key, None);
        let (journal, past) = opened.map_err(|source| DriveError::journal(path, source))?;
        Ok(Self { journal, past })
    }
}

/// Why a machine could not be driven to its end.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be read or written; going on without it could double a move.
    #[error("the journal {path} cannot be used; free disk space or mend the disk and restart")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no randomness for salts and seals.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// What the machine watches will not be seen again.
    #[error("the chain has stopped")]
    ChainStopped,
}

impl DriveError {
    fn journal(path: &Path, source: io::Error) -> Self {
        Self::Journal {
            path: path.to_owned(),
            source,
        }
    }
}

/// Drives `machine`, which neither sends nor is sent anything, until it ends. Without a `memory` what
/// it writes down is lost with the process.
///
/// # Errors
/// [`DriveError`]. With its memory the machine can be driven again, and goes on.
pub async fn run<M, W, D>(
    machine: &mut M,
    memory: Option<Memory>,
    watch: W,
    doer: &D,
    report: impl FnMut(<M::Protocol as Protocol>::Report) + Send,
) -> Result<<M::Protocol as Protocol>::End, DriveError>
where
    M: Machine + ?Sized,
    W: Watch<M::Protocol>,
    D: Perform<M::Protocol>,
{
    run_with_mail(machine, memory, watch, NoMail, doer, report).await
}

/// [`run`] for a machine that sends, and is sent, what `mail` carries.
///
/// # Errors
/// As [`run`].
pub async fn run_with_mail<M, W, L, D>(
    machine: &mut M,
    memory: Option<Memory>,
    watch: W,
    mail: L,
    doer: &D,
    report: impl FnMut(<M::Protocol as Protocol>::Report) + Send,
) -> Result<<M::Protocol as Protocol>::End, DriveError>
where
    M: Machine + ?Sized,
    W: Watch<M::Protocol>,
    L: Mail,
    D: Perform<M::Protocol>,
{
    run_on(&System, machine, memory, watch, mail, doer, report).await
}

/// [`run_with_mail`] on another runtime than the operating system's.
///
/// On a runtime that is deterministic so is this: of several things that have happened a wake comes
/// first, then answers, then news, then mail. Mail comes last because strangers can send without end.
///
/// # Errors
/// As [`run`].
pub async fn run_on<R, M, J, W, L, D>(
    runtime: &R,
    machine: &mut M,
    memory: Option<Memory<J>>,
    mut watch: W,
    mut mail: L,
    doer: &D,
    mut report: impl FnMut(<M::Protocol as Protocol>::Report) + Send,
) -> Result<<M::Protocol as Protocol>::End, DriveError>
where
    R: Runtime,
    M: Machine + ?Sized,
    J: Log,
    W: Watch<M::Protocol>,
    L: Mail,
    D: Perform<M::Protocol>,
{
    let mut view = watch.news().await.ok_or(DriveError::ChainStopped)?;
    let seed = runtime.seed()?;
    let (mut journal, past) = match memory {
        Some(Memory { journal, past }) => (Some(journal), past),
        None => (None, Vec::new()),
    };
    let mut inputs = VecDeque::from([Input::Seed(seed)]);
    inputs.extend(past.into_iter().map(Input::Journal));
    inputs.push_back(Input::News);
    let mut answers = FuturesUnordered::new();
    let mut wake = None;
    loop {
        while let Some(input) = inputs.pop_front() {
            let at = Context {
                now: runtime.now(),
                view: &view,
            };
            for output in machine.step(&at, input) {
                match output {
                    Output::Journal(entry) => {
                        if let Some(journal) = &mut journal {
                            let appended = journal.append(&entry);
                            appended
                                .map_err(|source| DriveError::journal(journal.path(), source))?;
                        }
                    }
                    Output::Ask(tag, ask) => {
                        answers.push(async move { (tag, doer.perform(ask).await) });
                    }
                    Output::Send { to, bytes } => mail.send(to, bytes),
                    Output::WakeAt(at) => wake = Some(at),
                    Output::Report(told) => report(told),
                    Output::End(end) => return Ok(end),
                }
            }
        }
        let input = tokio::select! {
            biased;
            () = until(runtime, wake) => {
                wake = None;
                Input::Wake
            }
            Some((tag, answer)) = answers.next() => Input::Answer(tag, answer),
            news = watch.news() => {
                view = news.ok_or(DriveError::ChainStopped)?;
                Input::News
            }
            (from, bytes) = mail.next() => Input::Message { from, bytes },
        };
        inputs.push_back(input);
    }
}

/// Waits for a time, or for ever.
async fn until(runtime: &impl Runtime, time: Option<Millis>) {
    match time {
        Some(time) => runtime.sleep_until(time).await,
        None => pending().await,
    }
}
