//! A masked split of a job, as its requester makes it: two providers that do not know each other.

use assay_crypto::Digest;
use assay_job::Course;
use assay_model::Purpose;
use assay_split::masked::{MaskedRequester, Masker};

use super::error::SplitError;
use super::terms::{Mode, Terms, longest_masked};

/// What a job is to its requester, made once for all sessions.
pub(super) struct Masked {
    terms: Terms,
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
        requester(course, Masker::new([0; 32]))?;
        Ok(Self { terms })
    }

    /// The terms of a session of at most `steps` steps with one of the providers.
    pub(super) fn terms(&self, provider: u8, steps: u64) -> Terms {
        Terms {
            steps,
            mode: Mode::Masked { provider },
            ..self.terms.clone()
        }
    }

    /// The requester of a session from `course`'s state, under a fresh key.
    pub(super) fn party(&self, course: &Course) -> Result<MaskedRequester, SplitError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(SplitError::Random)?;
        requester(course, Masker::new(key))
    }
}

fn requester(course: &Course, masker: Masker) -> Result<MaskedRequester, SplitError> {
    let purpose = Purpose::Train(course.settings());
    let (kernel, base, state) = (course.kernel(), course.base(), course.state().clone());
    let made = MaskedRequester::new(kernel, base, state, course.shape(), purpose, masker);
    Ok(made?)
}
