use std::sync::atomic::AtomicU64;

use assay_crypto::Digest;
use assay_crypto::tiles::Writer;
use assay_ledger::{StopRule, Taken};
use assay_proof::{Program, ProgramError, Programs, Task};

use super::*;
use crate::worker::InProcess;

/// A chain whose every step takes one tick of a clock that all its programs share.
struct Ticking {
    clock: Arc<AtomicU64>,
    state: u64,
}

struct Clockwork(Arc<AtomicU64>);

impl Programs for Clockwork {
    fn build(&self, _: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Ticking {
            clock: self.0.clone(),
            state: 0,
        }))
    }
}

impl Program for Ticking {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.state = 7;
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let bytes = bytes
            .try_into()
            .map_err(|_| ProgramError::Refused("state".to_owned()))?;
        self.state = u64::from_le_bytes(bytes);
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.clock.fetch_add(1, Ordering::SeqCst);
        self.state = self.state.wrapping_mul(31).wrapping_add(step.0);
        Ok(StepReport {
            step,
            loss_micro: None,
            units: 1,
            taken: Taken::Valid,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.state.to_le_bytes());
    }
}

fn work(seed: u8, steps: u64) -> Work {
    Work {
        task: Task {
            kind: "test".to_owned(),
            spec: Vec::new(),
            model: Vec::new(),
            memory: u64::MAX,
            inputs: Vec::new(),
            seed: Digest([seed; 32]),
            steps,
            segment_steps: 1,
            stop: StopRule {
                stop_after: 1,
                max_invalid: 1,
            },
        },
        start: Start::Initial,
        from: StepIndex(0),
        to: StepIndex(steps),
    }
}

/// A node that is asked, at some step of a replay of a thousand, for one of ten steps that is due sooner. For
/// how many ticks it waits.
fn honest_dispute(
    asked: u64,
    attackers: impl Fn() -> u64 + Send + 'static,
    target: Duration,
) -> u64 {
    let clock = Arc::new(AtomicU64::new(0));
    let programs = Clockwork(clock.clone());
    let runner = Box::new(InProcess::new(Box::new(programs)));
    let compute = Compute::sliced("test", runner, target).unwrap();
    let (queue, ticks) = (compute.owner.0.clone(), clock.clone());
    let (tell, told) = std::sync::mpsc::channel();
    // Whoever asked waits for the answer.
    let waits = Arc::new(Mutex::new(None));
    let waiting = waits.clone();
    let on_step = Box::new(move |report: &StepReport| {
        if report.step.0 != asked {
            return;
        }
        let (answer, result) = oneshot::channel();
        let (tell, ticks, mut left) = (tell.clone(), ticks.clone(), 10);
        let counted = Box::new(move |_: &StepReport| {
            left -= 1;
            if left == 0 {
                tell.send(ticks.load(Ordering::SeqCst)).unwrap();
            }
        });
        add(&queue, work(2, 10), Box::new(|| 100), counted, answer);
        *waiting.lock().unwrap() = Some(result);
    });
    let long = compute.enqueue(work(1, 1_000), Box::new(attackers), on_step);
    let done = long.blocking_recv().unwrap().unwrap();
    assert_eq!((done.leaves.len(), done.reports.len()), (1_001, 1_000));
    let at = told.recv().unwrap();
    let answered = waits.lock().unwrap().take().unwrap();
    assert_eq!(answered.blocking_recv().unwrap().unwrap().leaves.len(), 11);
    at - asked
}

/// Somebody's dispute over a long replay makes no other dispute late.
#[test]
fn a_long_replay_does_not_make_another_dispute_late() {
    for asked in [5, 100, 900] {
        // The look at the queue comes after each step, or after the first slice has shown how long one takes.
        let waits = honest_dispute(asked, || 10_000, Duration::ZERO);
        assert!(waits <= 20, "{waits}");
        // One whose own time is over goes last, though it would be due first.
        let waits = honest_dispute(asked, || u64::MAX, Duration::ZERO);
        assert!(waits <= 20, "{waits}");
        // The control: in the order of their coming.
        let waits = honest_dispute(asked, || 0, Duration::ZERO);
        assert!(waits > 1_000 - asked, "{waits}");
    }
    // And the first due, but with slices that grow as long as they like: 4, 16, 64 and 256 steps.
    let waits = honest_dispute(100, || 10_000, Duration::from_secs(1_000_000));
    assert!(waits > 200, "{waits}");
}

/// What is done in slices is the same as what is done at once.
#[test]
fn slices_make_no_difference() {
    let whole = work(3, 50);
    let clock = || Arc::new(AtomicU64::new(0));
    let mut runner = InProcess::new(Box::new(Clockwork(clock())));
    let expected = runner.run(&whole, &mut |_| (), &|| false).unwrap();
    for target in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_secs(9),
    ] {
        let runner = InProcess::new(Box::new(Clockwork(clock())));
        let compute = Compute::sliced("test", Box::new(runner), target).unwrap();
        let seen = Arc::new(AtomicU64::new(0));
        let steps = seen.clone();
        let on_step = Box::new(move |_: &StepReport| {
            steps.fetch_add(1, Ordering::SeqCst);
        });
        let found = compute.enqueue(whole.clone(), Box::new(|| 0), on_step);
        assert_eq!(found.blocking_recv().unwrap().unwrap(), expected);
        assert_eq!(seen.load(Ordering::SeqCst), 50);
        // A piece of no steps is only a leaf.
        let leaf = Work {
            to: StepIndex(0),
            ..whole.clone()
        };
        let found = compute.enqueue(leaf, Box::new(|| 0), Box::new(|_| ()));
        assert_eq!(
            found.blocking_recv().unwrap().unwrap().leaves,
            expected.leaves[..1]
        );
    }
}

/// Work that nobody waits for any more is not begun, and the thread ends with its owner.
#[test]
fn what_nobody_waits_for_is_dropped() {
    let clock = Arc::new(AtomicU64::new(0));
    let runner = InProcess::new(Box::new(Clockwork(clock.clone())));
    let compute = Compute::sliced("test", Box::new(runner), Duration::ZERO).unwrap();
    drop(compute.enqueue(work(1, 1_000_000), Box::new(|| 0), Box::new(|_| ())));
    let found = compute.enqueue(work(2, 3), Box::new(|| 1), Box::new(|_| ()));
    assert_eq!(found.blocking_recv().unwrap().unwrap().leaves.len(), 4);
    assert!(clock.load(Ordering::SeqCst) < 1_000_000);
    compute.stop();
    let stopped = compute.enqueue(work(3, 1_000_000), Box::new(|| 0), Box::new(|_| ()));
    assert_eq!(stopped.blocking_recv().unwrap(), Err(WorkFailure::Stopped));
    drop(compute);
}
