//! A provider that skips steps: the one liar outside the simulator, because `assay demo` shows how it
//! is caught. A node's configuration cannot name it (decision 0192).

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_crypto::tiles::Writer;
use assay_ledger::{StepIndex, Taken};

use crate::odds::Probability;
use crate::program::{Program, ProgramError, Programs, StepReport, Task};

/// A share of a run's segments, chosen by the cheater's own seed before any draw is known.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Share of the segments to fake, rounded up to whole segments.
    pub beta: Probability,
    /// The cheater's seed.
    pub seed: [u8; 32],
}

impl Share {
    /// The whole run.
    pub fn everything() -> Share {
        Share {
            beta: Probability::ALWAYS,
            seed: [0; 32],
        }
    }

    /// How many of so many segments are faked.
    pub fn count(&self, segments: u32) -> u32 {
        let faked = (u64::from(segments) * u64::from(self.beta.ppm())).div_ceil(1_000_000);
        faked as u32
    }

    /// The faked segments of a task: a uniform subset of that size.
    pub fn segments(&self, task: &Task) -> BTreeSet<u32> {
        self.among(segments(task))
    }

    /// The faked ones of so many segments: a uniform subset.
    pub fn among(&self, segments: u32) -> BTreeSet<u32> {
        let mut stream = Stream::new(Digest(self.seed), "assay/cheater/v1", 0);
        let mut left: Vec<u32> = (0..segments).collect();
        (0..self.count(segments))
            .map(|_| left.swap_remove(stream.below(left.len() as u64) as usize))
            .collect()
    }

    /// The last segments of a task, as many as the share holds: what a provider fakes that works
    /// honestly at first and then presents something else.
    pub fn last_segments(&self, task: &Task) -> BTreeSet<u32> {
        self.last_of(segments(task))
    }

    /// The last of so many segments, as many as the share holds.
    pub fn last_of(&self, segments: u32) -> BTreeSet<u32> {
        (segments - self.count(segments)..segments).collect()
    }
}

/// The segment that the step from `state[step - 1]` to `state[step]` belongs to.
pub fn segment_of(task: &Task, step: u64) -> u32 {
    (step.saturating_sub(1) / u64::from(task.segment_steps.max(1))) as u32
}

fn segments(task: &Task) -> u32 {
    task.steps.div_ceil(u64::from(task.segment_steps.max(1))) as u32
}

/// Programs that take no step in a share of the segments and pass the old state off as the new.
pub struct LazyPrograms<P> {
    /// The honest programs behind the pretence.
    pub honest: P,
    /// Which segments are skipped.
    pub share: Share,
}

impl<P: Programs> Programs for LazyPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Lazy {
            honest: self.honest.build(task)?,
            skipped: self.share.segments(task),
            task: task.clone(),
        }))
    }
}

struct Lazy {
    honest: Box<dyn Program>,
    skipped: BTreeSet<u32>,
    task: Task,
}

impl Program for Lazy {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.honest.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.honest.restore(bytes)
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if !self.skipped.contains(&segment_of(&self.task, step.0)) {
            return self.honest.advance(step);
        }
        Ok(StepReport {
            step,
            loss_micro: None,
            units: 0,
            taken: Taken::Valid,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.honest.write(to);
    }
}
