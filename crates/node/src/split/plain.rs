//! A plain session as the requester runs it.

use std::sync::Arc;

use assay_crypto::{Digest, PublicKey};
use assay_data::Batch;
use assay_job::Course;
use assay_model::{InvalidStep, Method, Purpose, StepOutput, TrainState};
use assay_proof::ProgramError;
use assay_split::{Holdings, MessageError, Outcome, Requester, Side, Split, StepError};

use super::closing::Why;
use super::error::SplitError;
use super::terms::{Mode, Terms};
use super::wire::{Link, Wire};

/// What a job is to its requester, made once for all sessions.
pub(super) struct Plain {
    split: Arc<Split>,
    holdings: Holdings,
    pub(super) terms: Terms,
}

impl Plain {
    /// Plans the split of a job; `terms.steps` is to be set for each session.
    pub(super) fn new(course: &Course, base: Digest) -> Result<Self, SplitError> {
        let Method::PrivateLora(settings) = course.method() else {
            return Err(SplitError::Job(
                "only PrivateLoRA can be split: write method = \"private_lora\" under [adapter]"
                    .to_owned(),
            ));
        };
        let (shape, seed) = (course.shape(), *course.seed());
        // A and B are what the seed gives: an adapter to go on from is never PrivateLoRA's own form.
        let adapter = course.state().adapter();
        let purpose = Purpose::Train(course.settings());
        let split = Split::new(course.base().config(), settings, shape, purpose)?;
        let terms = Terms::new(
            base,
            course.precision().try_into()?,
            shape,
            &course.settings(),
            1,
            split.longest_message(),
            Mode::Plain {
                r: settings.r() as u32,
                lora_alpha: settings.lora_alpha(),
                targets: settings.target_modules().bits(),
                seed,
                plan: split.digest(),
            },
        );
        Ok(Self {
            holdings: Holdings::of(&split, Side::Requester, course.base(), adapter)?,
            split: Arc::new(split),
            terms,
        })
    }

    /// Opens a session for at most `steps` steps from `course`'s state.
    pub(super) fn open(
        &self,
        course: &Course,
        link: &Link,
        peer: PublicKey,
        steps: u64,
    ) -> Result<PlainSession, SplitError> {
        let terms = Terms {
            steps,
            ..self.terms.clone()
        };
        let wire = Wire::open(link, peer, &terms)?;
        let state = course.state().clone();
        let (split, holdings) = (self.split.clone(), self.holdings.clone());
        let requester = Requester::new(course.kernel(), split, holdings, state)?;
        Ok(PlainSession {
            requester,
            wire,
            over: false,
        })
    }
}

/// A session under way.
pub(super) struct PlainSession {
    requester: Requester,
    pub(super) wire: Wire,
    /// Whether the next step needs another one.
    pub(super) over: bool,
}

impl PlainSession {
    /// Takes a step; `None` when it gives a NaN or infinity on either side.
    pub(super) fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        rate: f32,
    ) -> Result<Option<StepOutput>, SplitError> {
        let output = self.exchange(batch, rate);
        match output {
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

    fn exchange(&mut self, batch: &Batch, rate: f32) -> Result<Option<StepOutput>, SplitError> {
        let mut next = self.requester.begin(batch, rate);
        loop {
            let turn = match next {
                Ok(turn) => turn,
                Err(error) => return self.failed(error),
            };
            for message in turn.messages {
                self.wire.send(message);
            }
            if let Some(Outcome::Trained(output)) = turn.outcome {
                return Ok(Some(output));
            }
            let message = match self.wire.receive() {
                Ok(message) => message,
                Err(SplitError::Closed { closing, .. }) if closing.why == Why::NotFinite => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            next = self.requester.receive(&message);
            // A provider of ours says why it goes no further; a bare "abandon" breaks the protocol.
            if next.as_ref().is_ok_and(|turn| turn.abandoned) {
                return Err(self.wire.broken(MessageError::Kind(2)));
            }
        }
    }

    fn failed(&mut self, error: StepError) -> Result<Option<StepOutput>, SplitError> {
        match error {
            StepError::Message(error) => {
                self.wire.close(Why::Refused, &error.to_string());
                Err(self.wire.broken(error))
            }
            StepError::Invalid(error @ InvalidStep::NotFinite { .. }) => {
                self.wire.close(Why::NotFinite, &error.to_string());
                Ok(None)
            }
            StepError::Invalid(error) if error.is_local() => {
                Err(ProgramError::Local(error.to_string()).into())
            }
            error => Err(ProgramError::Refused(error.to_string()).into()),
        }
    }
}
