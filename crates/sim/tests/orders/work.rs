//! Pieces of work, on the smallest programs there are.

use std::ops::ControlFlow;

use assay_crypto::Digest;
use assay_ledger::{Counts, StateFile, StepIndex, StopRule, Taken, Terms};
use assay_proof::{Start, StepReport, Task, TaskInput, Work, WorkFailure, Worker, run};
use assay_sim::orders::{CounterPrograms, OVER, STUCK};

fn task() -> Task {
    Task {
        kind: "counter".to_owned(),
        spec: vec![1],
        model: vec![],
        memory: u64::MAX,
        inputs: vec![TaskInput::in_memory("data", vec![1, 2, 3])],
        seed: Digest::of("seed", &[]),
        steps: 10,
        segment_steps: 4,
        stop: StopRule {
            stop_after: 4,
            max_invalid: 10,
        },
    }
}

fn work(start: Start, from: u64, to: u64) -> Work {
    Work {
        task: task(),
        start,
        from: StepIndex(from),
        to: StepIndex(to),
    }
}

fn go(_: &StepReport) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn segments_join_to_the_whole_run() {
    let whole = run(&CounterPrograms, &work(Start::Initial, 0, 10), &mut go).unwrap();
    assert_eq!(whole.leaves.len(), 11);
    assert_eq!(whole.reports.len(), 10);

    let mut worker = Worker::new(Box::new(CounterPrograms));
    let first = worker.run(&work(Start::Initial, 0, 4), &mut go).unwrap();
    let start = Start::State(first.state);
    let second = worker.run(&work(start, 4, 10), &mut go).unwrap();
    assert_eq!(first.leaves, whole.leaves[..5]);
    assert_eq!(second.leaves, whole.leaves[4..]);
    assert_eq!(second.state, whole.state);
}

#[test]
fn a_kept_program_starts_afresh_and_other_tasks_get_their_own() {
    let mut worker = Worker::new(Box::new(CounterPrograms));
    let first = worker.run(&work(Start::Initial, 0, 7), &mut go).unwrap();
    assert_eq!(
        worker.run(&work(Start::Initial, 0, 7), &mut go).unwrap(),
        first
    );
    let mut other = work(Start::Initial, 0, 7);
    other.task.seed = Digest::ZERO;
    assert_ne!(worker.run(&other, &mut go).unwrap().leaves, first.leaves);
}

#[test]
fn work_outside_the_limits_is_refused() {
    let refused = |work: Work| {
        matches!(
            run(&CounterPrograms, &work, &mut go),
            Err(WorkFailure::Refused(_))
        )
    };
    assert!(refused(work(Start::Initial, 0, 11)));
    assert!(refused(work(Start::Initial, 1, 2)));
    assert!(refused(work(Start::State(vec![0; 32]), 5, 4)));
    assert!(refused(work(Start::State(vec![0; 31]), 0, 1)));
    assert!(refused(work(Start::State(vec![0; 63]), 0, 1)));
    let mut long = work(Start::Initial, 0, Terms::MAX_STEPS + 1);
    long.task.steps = u64::MAX;
    assert!(refused(long));
    let mut empty = work(Start::Initial, 0, 1);
    empty.task.spec.clear();
    // What every machine refuses is a run of no step.
    let done = run(&CounterPrograms, &empty, &mut go).unwrap();
    assert_eq!((done.last.counts.worked(), done.last.counts.idle), (0, 1));
}

#[test]
fn what_comes_to_nothing_is_counted_until_the_run_is_given_up() {
    let counts = Counts {
        valid: 3,
        ..Counts::default()
    };
    let from = |state: [u8; 32]| {
        let start = Start::State(StateFile::encode(&counts, state.to_vec()));
        run(&CounterPrograms, &work(start, 3, 10), &mut go).unwrap()
    };
    let taken = |reports: Vec<StepReport>| -> Vec<Taken> {
        reports.iter().map(|report| report.taken).collect()
    };
    let over = from(OVER);
    assert_eq!(over.last.counts.worked(), 3);
    assert_eq!(taken(over.reports), [Taken::Idle; 7]);
    // Four in a row are too many.
    let stuck = from(STUCK);
    assert_eq!((stuck.last.counts.invalid, stuck.last.counts.idle), (4, 3));
    let [invalid, idle] = [Taken::Invalid, Taken::Idle];
    let expected = [invalid, invalid, invalid, invalid, idle, idle, idle];
    assert_eq!(taken(stuck.reports), expected);
    assert_eq!(StateFile::decode(&stuck.state).unwrap().1, STUCK);
}

#[test]
fn a_stopped_run_says_so() {
    let mut seen = 0;
    let mut stop = |_: &StepReport| {
        seen += 1;
        match seen {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let result = run(&CounterPrograms, &work(Start::Initial, 0, 10), &mut stop);
    assert_eq!(result, Err(WorkFailure::Stopped));
    assert_eq!(seen, 3);
}
