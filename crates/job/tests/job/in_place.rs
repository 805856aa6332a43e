//! A model is read where it lies: in short parts, every byte of its weights once at the most, and
//! with the same bits as from memory.

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_crypto::{Digest, ReadAt};
use assay_job::{Local, Registry};
use assay_proof::{Handle, ProgramError, Programs, Source, Task};
use assay_vault::bundle;

/// Longest part of a tensor that may be read at once, in bytes.
const PART: u64 = 1 << 20;

/// Bytes that count how they are read, and fail from the `limit`th read of weights on.
struct Counting {
    of: Arc<dyn ReadAt>,
    weights: Vec<Range<u64>>,
    longest: AtomicU64,
    read: AtomicU64,
    reads: AtomicU64,
    limit: u64,
}

impl Counting {
    fn new(handle: &Handle, limit: u64) -> Self {
        let places = bundle::list(handle.reader()).unwrap().into_iter();
        let weights = places.filter(|(name, _)| name.ends_with(".safetensors"));
        Self {
            of: handle.bytes().clone(),
            weights: weights.map(|(_, place)| place).collect(),
            longest: AtomicU64::new(0),
            read: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            limit,
        }
    }
}

impl ReadAt for Counting {
    fn length(&self) -> u64 {
        self.of.length()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at + out.len() as u64;
        let inside = |place: &&Range<u64>| place.start < end && at < place.end;
        if let Some(place) = self.weights.iter().find(inside) {
            let length = end.min(place.end) - at.max(place.start);
            self.longest.fetch_max(length, Ordering::Relaxed);
            self.read.fetch_add(length, Ordering::Relaxed);
            if self.reads.fetch_add(1, Ordering::Relaxed) >= self.limit {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.of.read_at(at, out)
    }
}

/// A few steps on the example's model, held in this precision.
fn local(precision: &str) -> Local {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let text = std::fs::read_to_string(examples.join("finetune.toml")).unwrap();
    let model = format!("path = \"glassllm\"\nprecision = \"{precision}\"");
    let shorter = [
        ("path = \"glassllm\"", model.as_str()),
        ("steps = 160", "steps = 2"),
        ("warmup_steps = 8", "warmup_steps = 1"),
        ("batch_size = 8", "batch_size = 1"),
        ("segment_steps = 10", "segment_steps = 1"),
    ];
    let text = shorter.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replacen(from, to, 1)
    });
    let job = assay_job::read(&text, &examples).unwrap();
    Local::new(&job, Digest::ZERO).unwrap()
}

/// The task with other bytes behind the handle of its model.
fn with_model(task: &Task, bytes: impl Fn(&Handle) -> Arc<dyn ReadAt>) -> Task {
    let mut task = task.clone();
    for input in task.inputs.iter_mut().filter(|input| input.name == "model") {
        let bytes = bytes(&input.handle);
        input.handle = Handle::new(bytes, input.handle.content(), Source::Memory);
    }
    task
}

fn state(task: &Task) -> Vec<u8> {
    let run = assay_job::run(task, &mut |_| ControlFlow::Continue(()));
    run.unwrap().state
}

#[test]
fn weights_are_read_once_in_short_parts_and_give_the_bits_of_those_in_memory() {
    for precision in ["float32", "nf4", "int8", "bfloat16"] {
        let task = local(precision).task;
        assert_eq!(
            task.inputs
                .iter()
                .find(|i| i.name == "model")
                .unwrap()
                .handle
                .resident(),
            0
        );
        let in_memory = with_model(&task, |model| {
            Arc::new(model.whole(u64::MAX).unwrap().into_owned())
        });
        let expected = state(&in_memory);
        let counting = std::cell::OnceCell::new();
        let counted = with_model(&task, |model| {
            let bytes = Arc::new(Counting::new(model, u64::MAX));
            let _ = counting.set(bytes.clone());
            bytes
        });
        assert_eq!(state(&counted), expected, "{precision}");
        let counting = counting.into_inner().unwrap();
        let all: u64 = counting
            .weights
            .iter()
            .map(|place| place.end - place.start)
            .sum();
        let read = counting.read.load(Ordering::Relaxed);
        assert!(all > PART && read <= all, "{precision}: {read} of {all}");
        assert!(counting.longest.load(Ordering::Relaxed) <= PART);
    }
}

#[test]
fn a_model_that_cannot_be_read_on_is_this_machines_failure() {
    // In a precision that the other test has not, so that nobody else holds the base.
    let task = local("w8a8").task;
    for limit in [0, 1, 2, 10] {
        let failing = with_model(&task, |model| Arc::new(Counting::new(model, limit)));
        let Err(error) = Registry.build(&failing) else {
            panic!("it was built from what cannot be read");
        };
        assert!(matches!(error, ProgramError::Local(_)), "{limit}: {error}");
    }
}
