//! A masked session: one requester, two providers that do not know each other.

use assay_crypto::{Digest, PublicKey};
use assay_data::Batch;
use assay_job::Course;
use assay_model::{InvalidStep, Purpose, StepOutput, TrainState};
use assay_proof::ProgramError;
use assay_split::masked::{MaskedRequester, Masker};
use assay_split::{MessageError, Outcome, StepError};

use super::closing::Why;
use super::error::SplitError;
use super::terms::{Mode, Terms, longest_masked};
use super::wire::{Link, Wire};

/// Where a masked message names its provider.
const PROVIDER_BYTE: usize = 6;

/// What a job is to its requester, made once for all sessions.
pub(super) struct Masked {
    pub(super) terms: Terms,
}

impl Masked {
    /// Plans the masked run of a job, and refuses methods that have none.
    pub(super) fn new(course: &Course, base: Digest) -> Result<Self, SplitError> {
        let shape = course.shape();
        let longest = longest_masked(course.base().config(), shape);
        let terms = Terms::new(
            base,
            course.precision().try_into()?,
            shape,
            &course.settings(),
            1,
            longest,
            Mode::Masked { provider: 0 },
        );
        // Made to see whether it can be; each session has one of its own, with its own key.
        requester(course, course.state().clone(), Masker::new([0; 32]))?;
        Ok(Self { terms })
    }

    /// Opens a session with each provider for at most `steps` steps.
    pub(super) fn open(
        &self,
        course: &Course,
        link: &Link,
        peers: [PublicKey; 2],
        steps: u64,
    ) -> Result<MaskedSession, SplitError> {
        let open = |which: u8| {
            let terms = Terms {
                steps,
                mode: Mode::Masked { provider: which },
                ..self.terms.clone()
            };
            Wire::open(link, peers[usize::from(which)], &terms)
        };
        let wires = [open(0)?, open(1)?];
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(SplitError::Random)?;
        let requester = requester(course, course.state().clone(), Masker::new(key))?;
        Ok(MaskedSession {
            requester,
            wires,
            over: false,
        })
    }
}

fn requester(
    course: &Course,
    state: TrainState,
    masker: Masker,
) -> Result<MaskedRequester, SplitError> {
    let purpose = Purpose::Train(course.settings());
    let (kernel, base) = (course.kernel(), course.base());
    Ok(MaskedRequester::new(
        kernel,
        base,
        state,
        course.shape(),
        purpose,
        masker,
    )?)
}

/// A session under way.
pub(super) struct MaskedSession {
    requester: MaskedRequester,
    pub(super) wires: [Wire; 2],
    /// Whether the next step needs another one.
    pub(super) over: bool,
}

impl MaskedSession {
    /// Takes a step; `None` when it gives a NaN or infinity.
    pub(super) fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        rate: f32,
    ) -> Result<Option<StepOutput>, SplitError> {
        match self.products(batch, rate) {
            Ok(Some(output)) => {
                state.clone_from(self.requester.state());
                Ok(Some(output))
            }
            other => {
                self.over = true;
                other
            }
        }
    }

    fn products(&mut self, batch: &Batch, rate: f32) -> Result<Option<StepOutput>, SplitError> {
        let mut turn = match self.requester.begin(batch, rate) {
            Ok(turn) => turn,
            Err(error) => return self.failed(0, error),
        };
        loop {
            if let Some(Outcome::Trained(output)) = turn.outcome {
                return Ok(Some(output));
            }
            for (wire, share) in self.wires.iter_mut().zip(turn.shares.into_iter().flatten()) {
                wire.send(share);
            }
            turn = Default::default();
            for which in 0..self.wires.len() {
                let bytes = self.wires[which].receive()?;
                // The machine takes an answer by the provider it names, so it must be the sender's.
                let named = bytes.get(PROVIDER_BYTE).copied().unwrap_or_default();
                if usize::from(named) != which {
                    let error = MessageError::Provider {
                        found: named,
                        expected: which as u8,
                    };
                    return self.failed(which, error.into());
                }
                turn = match self.requester.receive(&bytes) {
                    Ok(turn) => turn,
                    Err(error) => return self.failed(which, error),
                };
            }
        }
    }

    /// What a failure while an answer of provider `which` was taken means.
    fn failed(&mut self, which: usize, error: StepError) -> Result<Option<StepOutput>, SplitError> {
        match error {
            StepError::Message(error) => {
                self.wires[which].close(Why::Refused, &error.to_string());
                Err(self.wires[which].broken(error))
            }
            StepError::Invalid(InvalidStep::NotFinite { .. }) => Ok(None),
            StepError::Invalid(error) if error.is_local() => {
                Err(ProgramError::Local(error.to_string()).into())
            }
            error => Err(ProgramError::Refused(error.to_string()).into()),
        }
    }
}
