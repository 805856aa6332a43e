//! What is run where every machine refuses alike to run anything: a chain of steps that computes nothing.
//!
//! Inputs that are what their order names can still make no program: a model that is none, data that does
//! not fit, a run that takes more memory than the order says. The one who finds that out has opened the
//! inputs, and cannot show it to anybody who has not. So it commits to a run like any other, of no
//! step: its first leaf says that there is nothing to run, which auditors find too, and it is paid for having
//! begun (`docs/decisions/0332-inputs-that-every-machine-refuses.md`).

use assay_crypto::tiles::Writer;
use assay_ledger::{StateFile, StepIndex};

use crate::program::{Program, ProgramError, Programs, StepReport, Task};

/// The one state there is.
const STATE: &[u8] = b"every machine refuses to run this";

/// The program of a task that no machine can run.
struct Refused {
    why: String,
}

impl Program for Refused {
    fn restart(&mut self) -> Result<(), ProgramError> {
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        match is_refused(bytes) {
            true => Ok(()),
            false => Err(ProgramError::Refused(self.why.clone())),
        }
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        Ok(StepReport::idle(step))
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put(STATE);
    }

    fn fault(&self) -> Option<String> {
        Some(self.why.clone())
    }
}

/// Whether a program's own bytes of a state say that every machine refuses to run it.
pub fn is_refused(state: &[u8]) -> bool {
    state == STATE
}

/// The program of a task; where every machine refuses to build it or to make its first state, or that
/// is longer than a state may be, the one that computes nothing.
///
/// # Errors
/// [`ProgramError::TooLarge`] or [`ProgramError::Local`], where only this machine cannot run it.
pub fn build(programs: &dyn Programs, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
    let begun = programs.build(task).and_then(|mut program| {
        program.restart()?;
        let length = program.tiled().length;
        let most = StateFile::MAX_STATE;
        match length > most {
            true => Err(ProgramError::Refused(format!(
                "its first state has {length} bytes, and at most {most} are stored"
            ))),
            false => Ok(program),
        }
    });
    match begun {
        Err(ProgramError::Refused(why)) => Ok(Box::new(Refused { why })),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use assay_crypto::Digest;
    use assay_ledger::StopRule;

    use super::*;
    use crate::work::{Start, Work, run};

    /// Refuses every task, or makes a first state of so many bytes.
    struct Kind(Result<usize, ProgramError>);

    struct Long(usize);

    impl Programs for Kind {
        fn build(&self, _: &Task) -> Result<Box<dyn Program>, ProgramError> {
            Ok(Box::new(Long(self.0.clone()?)))
        }
    }

    impl Program for Long {
        fn restart(&mut self) -> Result<(), ProgramError> {
            Ok(())
        }

        fn restore(&mut self, _: &[u8]) -> Result<(), ProgramError> {
            Ok(())
        }

        fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
            Ok(StepReport::idle(step))
        }

        fn write(&self, to: &mut Writer<'_>) {
            to.put(&vec![0; self.0]);
        }
    }

    fn task() -> Task {
        Task {
            kind: "any".to_owned(),
            spec: Vec::new(),
            model: Vec::new(),
            memory: u64::MAX,
            inputs: Vec::new(),
            seed: Digest::ZERO,
            steps: 6,
            segment_steps: 2,
            stop: StopRule {
                stop_after: 2,
                max_invalid: 4,
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

    #[test]
    fn what_every_machine_refuses_is_a_run_of_no_steps() {
        let why = ProgramError::Refused("no such model".to_owned());
        let mut go_on = |_: &StepReport| ControlFlow::Continue(());
        for kind in [Kind(Err(why)), Kind(Ok(StateFile::MAX_STATE as usize + 1))] {
            let whole = run(&kind, &work(Start::Initial, 0, 6), &mut go_on).unwrap();
            assert_eq!(whole.leaves.len(), 7);
            assert_eq!((whole.last.counts.worked(), whole.last.counts.idle), (0, 6));
            assert!(is_refused(StateFile::decode(&whole.state).unwrap().1));
            // In parts it is the same, from what is stored in between.
            let first = run(&kind, &work(Start::Initial, 0, 2), &mut go_on).unwrap();
            let rest = run(&kind, &work(Start::State(first.state), 2, 6), &mut go_on).unwrap();
            assert_eq!(rest.leaves, whole.leaves[2..]);
            let other = run(&kind, &work(Start::State(vec![0; 64]), 0, 1), &mut go_on);
            assert!(other.is_err());
        }
    }

    #[test]
    fn what_only_this_machine_cannot_run_is_no_such_run() {
        for failure in [
            ProgramError::TooLarge("it takes 13.9 GiB".to_owned()),
            ProgramError::Local("its disk is full".to_owned()),
        ] {
            let built = build(&Kind(Err(failure.clone())), &task());
            assert_eq!(built.err(), Some(failure));
        }
        let mut program = build(&Kind(Ok(8)), &task()).unwrap();
        assert!(program.restore(b"anything").is_ok(), "a program was built");
    }
}
