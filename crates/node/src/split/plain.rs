//! A plain split of a job, as its requester makes it.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_job::Course;
use assay_model::{Method, Purpose};
use assay_split::{Holdings, Requester, Side, Split};

use super::error::SplitError;
use super::terms::{Mode, Terms};

/// What a job is to its requester, made once for all sessions.
pub(super) struct Plain {
    split: Arc<Split>,
    holdings: Holdings,
    terms: Terms,
}

impl Plain {
    /// Plans the split of a job.
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

    /// The terms of a session of at most `steps` steps.
    pub(super) fn terms(&self, steps: u64) -> Terms {
        Terms {
            steps,
            ..self.terms.clone()
        }
    }

    /// The requester of a session from `course`'s state.
    pub(super) fn party(&self, course: &Course) -> Result<Requester, SplitError> {
        let state = course.state().clone();
        let (split, holdings) = (self.split.clone(), self.holdings.clone());
        Ok(Requester::new(course.kernel(), split, holdings, state)?)
    }
}
