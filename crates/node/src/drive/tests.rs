use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use assay_crypto::{Digest, SecretKey};
use assay_machine::{
    Mailbox,
    mailbox::{Acted, Limits, Step},
};
use tokio::sync::mpsc;

use super::*;

fn key() -> JournalKey {
    JournalKey::new(&SecretKey::from_seed([1; 32]), "party")
}

/// A protocol of a machine that counts to a number, one request at a time.
enum Counting {}

impl Protocol for Counting {
    type View = u64;
    type Tag = u64;
    type Ask = u64;
    type Answer = u64;
    type Report = u64;
    type End = Vec<u64>;
}

/// Writes down each number before it asks for it, sleeps a moment, and goes on with the next one.
#[derive(Default)]
struct Counter {
    known: Vec<u64>,
    seeds: usize,
    open: Option<u64>,
    sleeps: bool,
}

impl Machine for Counter {
    type Protocol = Counting;

    fn step(
        &mut self,
        at: &Context<'_, Counting>,
        input: Input<Counting>,
    ) -> Vec<Output<Counting>> {
        match input {
            Input::Seed(seed) => {
                assert_ne!(seed, [0; 32]);
                assert!(self.known.is_empty(), "the seed comes first");
                self.seeds += 1;
                return Vec::new();
            }
            Input::Journal(entry) => {
                self.known.push(u64::from(entry[0]));
                return Vec::new();
            }
            Input::Message { .. } => panic!("nobody sends it anything"),
            Input::News => assert_eq!(self.seeds, 1),
            Input::Wake => assert!(std::mem::take(&mut self.sleeps), "woken without asking"),
            Input::Answer(tag, number) => {
                assert_eq!((self.open.take(), number), (Some(tag), tag * 10));
                self.sleeps = true;
                return vec![
                    Output::Report(number),
                    Output::WakeAt(at.now + 1_000_000),
                    // The later one counts.
                    Output::WakeAt(at.now + 1),
                ];
            }
        }
        if self.open.is_some() || self.sleeps {
            return Vec::new();
        }
        let next = self.known.len() as u64;
        if next >= *at.view {
            return vec![Output::End(self.known.clone())];
        }
        self.known.push(next);
        self.open = Some(next);
        vec![Output::Journal(vec![next as u8]), Output::Ask(next, next)]
    }
}

/// Answers, unless it is to fall silent at a number; sees what is in the journal when it is asked.
struct Answers {
    journal: PathBuf,
    silent_at: Option<u64>,
    asked: Mutex<Vec<u64>>,
}

impl Perform<Counting> for Answers {
    async fn perform(&self, number: u64) -> u64 {
        let written = Journal::peek(&self.journal, &key()).unwrap();
        assert_eq!(written.last(), Some(&vec![number as u8]));
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).push(number);
        if self.silent_at == Some(number) {
            pending::<()>().await;
        }
        number * 10
    }
}

/// Goes up to its last number by one with every look.
struct Rising {
    now: u64,
    last: u64,
    ends: bool,
}

impl Watch<Counting> for Rising {
    async fn news(&mut self) -> Option<u64> {
        if self.now == self.last {
            if self.ends {
                return None;
            }
            pending::<()>().await;
        }
        self.now += 1;
        Some(self.now)
    }
}

fn answers(journal: &Path, silent_at: Option<u64>) -> Answers {
    Answers {
        journal: journal.to_owned(),
        silent_at,
        asked: Mutex::default(),
    }
}

const NUMBERS: u64 = 6;

fn settled() -> Rising {
    Rising {
        now: NUMBERS - 1,
        last: NUMBERS,
        ends: false,
    }
}

#[tokio::test]
async fn what_is_asked_for_is_written_down_first_and_a_kill_at_any_point_loses_nothing() {
    for silent_at in 0..NUMBERS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("party.journal");
        let first = answers(&file, Some(silent_at));
        let memory = Memory::open(&file, key()).unwrap();
        let mut machine = Counter::default();
        let run = run(&mut machine, Some(memory), settled(), &first, |_| {});
        // Nothing comes any more: the process is as good as dead.
        let cut = tokio::time::timeout(Duration::from_millis(300), run).await;
        assert!(cut.is_err());

        let second = answers(&file, None);
        let memory = Memory::open(&file, key()).unwrap();
        assert_eq!(memory.past.len() as u64, silent_at + 1);
        let mut told = Vec::new();
        let mut machine = Counter::default();
        let report = |number| told.push(number);
        let end = super::run(&mut machine, Some(memory), settled(), &second, report).await;
        assert_eq!(end.unwrap(), (0..NUMBERS).collect::<Vec<_>>());
        let asked = |of: Answers| of.asked.into_inner().unwrap();
        let rest: Vec<u64> = (silent_at + 1..NUMBERS).collect();
        assert_eq!(asked(first), (0..=silent_at).collect::<Vec<_>>());
        assert_eq!(asked(second), rest, "nothing is asked for twice");
        assert_eq!(told, rest.iter().map(|n| n * 10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_the_drive_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("party.journal");
    let open = |path: &Path| Box::new(std::fs::File::open(path).unwrap());
    Memory::open(&file, key()).unwrap();
    // Opened for reading alone, every append fails.
    let (journal, past) = Journal::on(open(&file), &file, key(), None).unwrap();
    let doer = answers(&file, None);
    let mut machine = Counter::default();
    let memory = Some(Memory { journal, past });
    let end = run(&mut machine, memory, settled(), &doer, |_| {}).await;
    let Err(DriveError::Journal { path, .. }) = end else {
        panic!("it was written");
    };
    assert_eq!(path, file);
    assert!(doer.asked.into_inner().unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_does_not_outlive_what_it_watches_and_can_be_driven_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("party.journal");
    let doer = answers(&file, None);
    let stopped = Rising {
        ends: true,
        ..settled()
    };
    let memory = || Memory::open(&file, key()).unwrap();
    let mut machine = Counter::default();
    let ended = run(&mut machine, Some(memory()), stopped, &doer, |_| {}).await;
    assert!(matches!(ended, Err(DriveError::ChainStopped)));
    let mut machine = Counter::default();
    let ended = run(&mut machine, Some(memory()), settled(), &doer, |_| {}).await;
    assert_eq!(ended.unwrap(), (0..NUMBERS).collect::<Vec<_>>());
}

/// A protocol of two machines that only write to each other.
enum Talking {}

impl Protocol for Talking {
    type View = ();
    type Tag = ();
    type Ask = ();
    type Answer = ();
    type Report = ();
    type End = Vec<Vec<u8>>;
}

/// Posts three letters, takes three, and is over when its own are signed for.
struct Talker {
    mail: Mailbox,
    peer: PublicKey,
    posted: u8,
    taken: Vec<Vec<u8>>,
}

impl Talker {
    fn new(me: u8, peer: u8) -> Self {
        let [me, peer] = [me, peer].map(|n| SecretKey::from_seed([n; 32]));
        let peer = peer.public();
        let limits = Limits {
            statement_after_ms: 5,
            resend_ms: 20,
            ..Limits::default()
        };
        let mail = Mailbox::new(me, Digest::ZERO, [peer], limits);
        Self {
            mail,
            peer,
            posted: 0,
            taken: Vec::new(),
        }
    }

    fn again(&mut self, step: Step) {
        self.posted += step.posts.len() as u8;
        if let Acted::Letter { bytes, .. } = step.acted {
            self.taken.push(bytes);
        }
    }
}

impl Machine for Talker {
    type Protocol = Talking;

    fn step(&mut self, at: &Context<'_, Talking>, input: Input<Talking>) -> Vec<Output<Talking>> {
        match input {
            Input::Seed(seed) => self.mail.seeded(seed),
            Input::Journal(entry) => {
                if let Some(step) = self.mail.recover(&entry).unwrap() {
                    self.again(step);
                }
                return Vec::new();
            }
            Input::News | Input::Answer(..) => {
                while self.posted < 3 {
                    self.mail.post(self.peer, vec![self.posted]).unwrap();
                    self.posted += 1;
                }
            }
            Input::Wake => assert_eq!(self.mail.wake(at.now), []),
            Input::Message { from, bytes } => {
                if let Ok(received) = self.mail.receive(at.now, from, &bytes) {
                    self.taken.extend(received.letter);
                }
            }
        }
        let mut outputs = self.mail.commit(at.now);
        outputs.extend(self.mail.due().map(Output::WakeAt));
        let rest = self.mail.under_way(&self.peer).0;
        if self.taken.len() == 3 && rest == 0 && self.mail.due().is_none() {
            outputs.push(Output::End(self.taken.clone()));
        }
        outputs
    }
}

/// One end of a pipe; loses what it is told to lose.
struct Pipe {
    peer: PublicKey,
    to: mpsc::UnboundedSender<Vec<u8>>,
    from: mpsc::UnboundedReceiver<Vec<u8>>,
    loses: u32,
}

impl Mail for Pipe {
    fn send(&mut self, to: PublicKey, bytes: Vec<u8>) {
        assert_eq!(to, self.peer);
        if self.loses > 0 {
            self.loses -= 1;
        } else {
            let _ = self.to.send(bytes);
        }
    }

    async fn next(&mut self) -> (PublicKey, Vec<u8>) {
        match self.from.recv().await {
            Some(bytes) => (self.peer, bytes),
            None => pending().await,
        }
    }
}

struct Idle;

impl Perform<Talking> for Idle {
    async fn perform(&self, (): ()) {}
}

#[tokio::test]
async fn machines_write_to_each_other_over_what_loses_their_mail() {
    let folder = tempfile::tempdir().unwrap();
    let (to_b, from_a) = mpsc::unbounded_channel();
    let (to_a, from_b) = mpsc::unbounded_channel();
    let talk = |me: u8, peer: u8, to, from| {
        let memory = Memory::open(&folder.path().join(format!("{me}.journal")), key()).unwrap();
        async move {
            let mut machine = Talker::new(me, peer);
            let mail = Pipe {
                peer: machine.peer,
                to,
                from,
                loses: 2,
            };
            let watch = Nothing::default();
            let end = run_with_mail(&mut machine, Some(memory), watch, mail, &Idle, |()| {});
            end.await.unwrap()
        }
    };
    let ends = tokio::join!(talk(1, 2, to_b, from_b), talk(2, 1, to_a, from_a));
    let letters: Vec<_> = (0..3).map(|n| vec![n]).collect();
    assert_eq!(ends, (letters.clone(), letters));
}
