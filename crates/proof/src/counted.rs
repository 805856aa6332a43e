//! A program whose steps are counted, and that is stopped when they come to nothing.
//!
//! The counts are part of every leaf, so they travel with every stored state: see [`StateFile`].

use assay_ledger::{Counts, Reached, StateFile, StepIndex, StopRule};

use crate::program::{Program, ProgramError, StepReport};

/// A program, what its steps came to so far, and when it is stopped.
///
/// Once a step is idle every later one is, whatever the program would say: so no state makes later
/// steps cheaper without being seen in the counts.
pub struct Counted<'a> {
    program: &'a mut dyn Program,
    rule: StopRule,
    counts: Counts,
}

impl<'a> Counted<'a> {
    /// Counts from the program's first state.
    ///
    /// # Errors
    /// As [`Program::restart`].
    pub fn restart(program: &'a mut dyn Program, rule: StopRule) -> Result<Self, ProgramError> {
        program.restart()?;
        let counts = Counts::default();
        Ok(Counted {
            program,
            rule,
            counts,
        })
    }

    /// Goes on from a stored state, which follows so many steps.
    ///
    /// # Errors
    /// As [`Program::restore`]; and where so many steps cannot have come to the stored counts.
    pub fn restore(
        program: &'a mut dyn Program,
        rule: StopRule,
        (bytes, steps): (&[u8], StepIndex),
    ) -> Result<Self, ProgramError> {
        let decoded = StateFile::decode(bytes);
        let (counts, state) = decoded.map_err(|e| ProgramError::Refused(e.to_string()))?;
        if !counts.fit(steps, &rule) {
            let text = format!("the stored state counts other steps than the {steps} before it");
            return Err(ProgramError::Refused(text));
        }
        program.restore(state)?;
        Ok(Counted {
            program,
            rule,
            counts,
        })
    }

    /// Takes one step, or none where the run is over.
    ///
    /// # Errors
    /// As [`Program::advance`].
    pub fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let report = match self.counts.is_over(&self.rule) {
            true => StepReport::idle(step),
            false => self.program.advance(step)?,
        };
        self.counts.add(report.taken);
        Ok(report)
    }

    /// What the leaf of the current state is made of.
    pub fn reached(&self) -> Reached {
        Reached {
            state: self.program.tiled(),
            counts: self.counts,
        }
    }

    /// The file of the current state.
    pub fn encode(&self) -> Vec<u8> {
        StateFile::encode(&self.counts, self.program.encode())
    }

    /// Why the latest step gave nothing: see [`Program::fault`].
    pub fn fault(&self) -> Option<String> {
        self.program.fault()
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::tiles::Writer;
    use assay_ledger::Taken;

    use super::*;

    const RULE: StopRule = StopRule {
        stop_after: 2,
        max_invalid: 3,
    };

    /// Takes the steps it is told to take; its state is how many it was asked for.
    struct Script(Vec<Taken>, u8);

    impl Program for Script {
        fn restart(&mut self) -> Result<(), ProgramError> {
            self.1 = 0;
            Ok(())
        }

        fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
            self.1 = bytes[0];
            Ok(())
        }

        fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
            self.1 += 1;
            let taken = self.0[step.0 as usize - 1];
            Ok(StepReport {
                taken,
                ..StepReport::idle(step)
            })
        }

        fn write(&self, to: &mut Writer<'_>) {
            to.put(&[self.1]);
        }
    }

    #[test]
    fn nothing_is_computed_after_a_step_that_ended_the_run() {
        use Taken::{Idle, Invalid, Valid};
        let ends = [
            (vec![Valid, Idle, Valid, Valid], 2),
            (vec![Invalid, Invalid, Valid, Valid], 2),
            (vec![Invalid, Valid, Invalid, Invalid, Valid], 4),
            (vec![Valid, Valid, Valid, Valid], 4),
        ];
        for (steps, asked) in ends {
            let mut script = Script(steps.clone(), 0);
            let mut counted = Counted::restart(&mut script, RULE).unwrap();
            for step in 1..=steps.len() as u64 {
                counted.advance(StepIndex(step)).unwrap();
            }
            assert_eq!(counted.reached().counts.all(), steps.len() as u64);
            assert_eq!(script.1, asked, "{steps:?}");
        }
    }

    #[test]
    fn a_run_goes_on_from_every_stored_state_as_if_it_had_not_been_broken() {
        use Taken::{Invalid, Valid};
        let steps = [Valid, Invalid, Valid, Invalid, Invalid, Valid, Valid];
        let mut script = Script(steps.to_vec(), 0);
        let mut whole = Counted::restart(&mut script, RULE).unwrap();
        let mut stored = vec![whole.encode()];
        let mut reached = vec![whole.reached()];
        for step in 1..=steps.len() as u64 {
            whole.advance(StepIndex(step)).unwrap();
            stored.push(whole.encode());
            reached.push(whole.reached());
        }
        for (from, bytes) in (0..).zip(&stored) {
            let mut script = Script(steps.to_vec(), 0);
            let at = (&bytes[..], StepIndex(from));
            let mut broken = Counted::restore(&mut script, RULE, at).unwrap();
            assert_eq!(broken.reached(), reached[from as usize]);
            for step in from + 1..=steps.len() as u64 {
                broken.advance(StepIndex(step)).unwrap();
                assert_eq!(broken.reached(), reached[step as usize]);
            }
        }
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let mut script = Script(Vec::new(), 0);
        let counts = Counts {
            valid: 3,
            ..Counts::default()
        };
        let bytes = StateFile::encode(&counts, vec![7]);
        for (bytes, steps) in [(&bytes[..], 2), (&bytes[..31], 3), (&[], 0)] {
            let restored = Counted::restore(&mut script, RULE, (bytes, StepIndex(steps)));
            assert!(matches!(restored.err(), Some(ProgramError::Refused(_))));
        }
        let beyond = Counts {
            invalid: 4,
            in_row: 1,
            ..Counts::default()
        };
        let bytes = StateFile::encode(&beyond, vec![7]);
        let restored = Counted::restore(&mut script, RULE, (&bytes, StepIndex(4)));
        assert!(restored.is_err());
    }
}
