use std::io::{self, Cursor, PipeReader, PipeWriter};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use assay_crypto::tiles::{Tiled, Writer};
use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{Counts, Reached, StateFile, StepIndex, StopRule, Taken};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task, WorkFailure};
use assay_vault::{Coding, Sealer, content_digest};

use super::frame::{Answer, Ask, MAX_FRAME, Piece, read_frame, write_frame};
use super::serve;
use crate::inputs::Passage;

/// A chain that adds its index to a byte; its specification says what goes wrong, and at which step.
struct Toy {
    state: u8,
    spec: Vec<u8>,
    sum: u8,
}

struct Toys;

impl Programs for Toys {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        if task.spec == b"refuse" {
            return Err(ProgramError::Refused("no".to_owned()));
        }
        if task.spec == b"large" {
            return Err(ProgramError::TooLarge("1 PiB".to_owned()));
        }
        Ok(Box::new(Toy {
            state: 0,
            spec: task.spec.clone(),
            sum: task
                .inputs
                .iter()
                .flat_map(|i| i.handle.whole(u64::MAX).unwrap().into_owned())
                .fold(0, |a, b| a.wrapping_add(b)),
        }))
    }
}

impl Program for Toy {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = self.sum;
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.state = bytes[0];
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        assert!(self.spec != b"panic", "a step too far");
        self.state = self.state.wrapping_add(step.0 as u8);
        Ok(StepReport {
            step,
            loss_micro: None,
            units: 1,
            taken: Taken::Valid,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&[self.state]);
    }
}

/// A worker on a thread, spoken to through pipes.
struct Served {
    asks: Option<PipeWriter>,
    answers: PipeReader,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Served {
    fn start() -> Self {
        let (input, asks) = io::pipe().unwrap();
        let (answers, output) = io::pipe().unwrap();
        let programs = Arc::new(|| Box::new(Toys) as Box<dyn Programs>);
        let thread = std::thread::spawn(move || serve(input, output, programs));
        Self {
            asks: Some(asks),
            answers,
            thread: Some(thread),
        }
    }

    fn ask(&mut self, ask: &Ask) {
        write_frame(self.asks.as_mut().unwrap(), ask).unwrap();
    }

    fn answer(&mut self) -> Answer {
        read_frame(&mut self.answers).unwrap().unwrap()
    }

    fn end(&mut self) -> io::Result<()> {
        self.asks = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

fn piece(number: u64, spec: &[u8], inputs: &[u8]) -> Piece {
    Piece {
        piece: number,
        desk: 3,
        kind: "toy".to_owned(),
        spec: spec.to_vec(),
        model: vec![],
        memory: u64::MAX,
        inputs: inputs
            .iter()
            .map(|n| (format!("input {n}"), Digest([*n; 32])))
            .collect(),
        seed: Digest([9; 32]),
        steps: 10,
        segment_steps: 2,
        stop: StopRule {
            stop_after: 2,
            max_invalid: 3,
        },
        start: None,
        from: StepIndex(0),
        to: StepIndex(2),
    }
}

fn input(name: u8, bytes: &[u8], last: bool) -> Ask {
    Ask::Input {
        digest: Digest([name; 32]),
        bytes: bytes.to_vec(),
        last,
    }
}

#[test]
fn inputs_are_asked_for_once_and_shared_between_desks() {
    let mut worker = Served::start();
    let first = piece(1, b"", &[1, 2]);
    worker.ask(&Ask::Work(Box::new(first.clone())));
    let missing = vec![Digest([1; 32]), Digest([2; 32])];
    assert_eq!(
        worker.answer(),
        Answer::Missing {
            piece: 1,
            inputs: missing
        }
    );
    worker.ask(&input(1, &[10], false));
    worker.ask(&input(1, &[20], true));
    worker.ask(&input(2, &[], true));
    worker.ask(&Ask::Work(Box::new(first)));
    for step in 1..=2 {
        let Answer::Step { piece: 1, report } = worker.answer() else {
            panic!("no step");
        };
        assert_eq!(report.step.0, step);
    }
    let reached = |step, state: u8| Reached {
        state: Tiled::of(&[state]),
        counts: Counts {
            valid: step,
            ..Counts::default()
        },
    };
    let states = [(0, 30), (1, 31), (2, 33)];
    let last = reached(2, 33);
    let done = Answer::Done {
        piece: 1,
        leaves: states
            .map(|(step, state)| reached(step, state).leaf(StepIndex(step)))
            .to_vec(),
        last,
        state: StateFile::encode(&last.counts, vec![33]),
    };
    assert_eq!(worker.answer(), done);
    // Another desk, the same inputs: nothing is missing while the first keeps them.
    let second = Piece {
        desk: 4,
        to: StepIndex(0),
        ..piece(2, b"", &[1, 2])
    };
    worker.ask(&Ask::Work(Box::new(second)));
    let first = StateFile::encode(&Counts::default(), vec![30]);
    assert!(matches!(worker.answer(), Answer::Done { piece: 2, state, .. } if state == first));
    worker.end().unwrap();
}

#[test]
fn a_program_that_panics_fails_here_and_the_desk_goes_on() {
    let mut worker = Served::start();
    worker.ask(&Ask::Work(Box::new(piece(1, b"panic", &[]))));
    let Answer::Failed { piece: 1, failure } = worker.answer() else {
        panic!("it did not fail");
    };
    let WorkFailure::Local(told) = failure else {
        panic!("{failure}: every machine would be blamed");
    };
    assert!(told.contains("a step too far"), "{told}");
    worker.ask(&Ask::Work(Box::new(piece(2, b"", &[]))));
    assert!(matches!(worker.answer(), Answer::Step { piece: 2, .. }));
    worker.end().unwrap();
}

#[test]
fn refusals_are_told_apart_from_what_this_machine_cannot_do() {
    let mut worker = Served::start();
    worker.ask(&Ask::Work(Box::new(piece(1, b"refuse", &[]))));
    // What every machine refuses is a run of no step.
    let idle = |answer: &Answer| matches!(answer, Answer::Step { piece: 1, report } if report.taken == Taken::Idle);
    let mut answer = worker.answer();
    let mut steps = 0;
    while idle(&answer) {
        steps += 1;
        answer = worker.answer();
    }
    assert!(
        steps > 0 && matches!(answer, Answer::Done { piece: 1, .. }),
        "{steps}: {answer:?}"
    );
    worker.ask(&Ask::Work(Box::new(piece(2, b"large", &[]))));
    let failure = WorkFailure::Unable("1 PiB".to_owned());
    assert_eq!(worker.answer(), Answer::Failed { piece: 2, failure });
    worker.end().unwrap();
}

#[test]
fn a_broken_frame_ends_the_worker() {
    let mut worker = Served::start();
    io::Write::write_all(worker.asks.as_mut().unwrap(), &[3, 0, 0, 0, 9, 9, 9]).unwrap();
    assert!(worker.end().is_err());
}

#[test]
fn frames_keep_their_bytes() {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, &Ask::Stop { desk: 3, piece: 7 }).unwrap();
    assert_eq!(bytes, [13, 0, 0, 0, 2, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    write_frame(&mut bytes, &Ask::Work(Box::new(piece(7, &[5], &[1])))).unwrap();
    let digest = Digest::of("test", &[&bytes]);
    assert_eq!(bytes.len(), GOLDEN_LENGTH);
    assert_eq!(digest.to_string(), GOLDEN_WORK);
    let answer = Answer::Failed {
        piece: 1,
        failure: WorkFailure::Stopped,
    };
    let mut bytes = Vec::new();
    write_frame(&mut bytes, &answer).unwrap();
    assert_eq!(bytes, [10, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(read_frame(&mut Cursor::new(bytes)).unwrap(), Some(answer));
}

const GOLDEN_LENGTH: usize = 4 + 1 + 8 + 4 + 7 + 5 + 4 + 4 + 11 + 8 + 32 + 32 + 8 + 4 + 12 + 1 + 16;
const GOLDEN_WORK: &str = "a8b8cbafff6d38ae24580acf029006e14dbf7e4c192b1637e4eabb1fe43e9848";

#[test]
fn frames_from_nowhere_are_errors_and_take_no_memory() {
    let read = |bytes: &[u8]| read_frame::<Answer>(&mut Cursor::new(bytes.to_vec()));
    assert!(read(&[]).unwrap().is_none());
    for length in 1..4 {
        assert!(read(&vec![0; length]).is_err());
    }
    // Longer than any frame, and as long as one may be with nothing behind it.
    assert!(read(&u32::MAX.to_le_bytes()).is_err());
    assert!(read(&(MAX_FRAME as u32).to_le_bytes()).is_err());
    // A list that claims more entries than there are bytes.
    let mut liar = vec![17, 0, 0, 0, 2];
    liar.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    liar.extend([255, 255, 255, 255, 0, 0, 0, 0]);
    assert!(read(&liar).is_err());
    // Bytes after a message.
    assert!(read(&[11, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0]).is_err());
}

#[test]
fn nobody_is_told_of_a_piece_that_was_stopped() {
    let mut worker = Served::start();
    let long = Piece {
        to: StepIndex(1 << 20),
        steps: 1 << 20,
        ..piece(1, b"", &[])
    };
    worker.ask(&Ask::Work(Box::new(long)));
    worker.ask(&Ask::Stop { desk: 3, piece: 1 });
    let (told, heard) = mpsc::channel();
    let mut answers = worker.answers.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        while let Some(answer) = read_frame::<Answer>(&mut answers).unwrap() {
            if !matches!(answer, Answer::Step { .. }) {
                told.send(answer).unwrap();
                return;
            }
        }
    });
    let failure = WorkFailure::Stopped;
    assert_eq!(heard.recv().unwrap(), Answer::Failed { piece: 1, failure });
    reader.join().unwrap();
    worker.end().unwrap();
}

/// A file of sealed pieces as a node has it, and how it is read.
fn spooled(dir: &std::path::Path, plain: &[u8]) -> Passage {
    let key = FileKey([5; 32]);
    let mut sealer = Sealer::new(plain, key.clone(), Coding::Replicated { copies: 1 });
    let slice = sealer.next_slice().unwrap().unwrap();
    let file = sealer.finish().unwrap();
    let mut bytes = Vec::new();
    for piece in [&file.piece, &slice.piece] {
        bytes.extend((piece.len() as u32).to_le_bytes());
        bytes.extend(piece.bytes());
    }
    let path = dir.join("input.0.part");
    std::fs::write(&path, bytes).unwrap();
    let expected = file.expected();
    Passage {
        path: path.into_os_string().into_encoded_bytes(),
        file: expected.id,
        root: expected.root,
        slices: expected.slices,
        length_class: expected.length_class,
        key: key.0,
        content: content_digest(plain),
    }
}

#[test]
fn an_input_is_read_where_it_lies_and_one_that_is_not_there_is_no_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let passage = spooled(dir.path(), &[10, 20]);
    let work = |piece_number| {
        let inputs = vec![("data".to_owned(), passage.content)];
        Ask::Work(Box::new(Piece {
            inputs,
            to: StepIndex(0),
            ..piece(piece_number, b"", &[])
        }))
    };
    let mut worker = Served::start();
    worker.ask(&work(1));
    assert!(matches!(worker.answer(), Answer::Missing { piece: 1, .. }));
    let elsewhere = Passage {
        path: b"/nowhere".to_vec(),
        ..passage.clone()
    };
    let other_key = Passage {
        key: [6; 32],
        ..passage.clone()
    };
    for wrong in [elsewhere, other_key] {
        worker.ask(&Ask::Open(Box::new(wrong)));
        worker.ask(&work(2));
        let Answer::Failed { piece: 2, failure } = worker.answer() else {
            panic!("it did not fail");
        };
        assert!(matches!(failure, WorkFailure::Local(_)), "{failure}");
    }
    worker.ask(&work(3));
    assert!(matches!(worker.answer(), Answer::Missing { piece: 3, .. }));
    worker.ask(&Ask::Open(Box::new(passage.clone())));
    worker.ask(&work(4));
    let first = StateFile::encode(&Counts::default(), vec![30]);
    assert!(matches!(worker.answer(), Answer::Done { piece: 4, state, .. } if state == first));
    worker.end().unwrap();
}
