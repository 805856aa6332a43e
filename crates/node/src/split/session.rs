//! A session of either kind, opened whenever one is needed.

use assay_crypto::PublicKey;
use assay_data::Batch;
use assay_job::Course;
use assay_model::{Purpose, StepOutput, Targets, TrainState};
use assay_split::{masked::provider_traffic, step_traffic};

use super::closing::Why;
use super::error::SplitError;
use super::masked::{Masked, MaskedSession};
use super::plain::{Plain, PlainSession};
use super::run::{Counted, Peers};
use super::wire::{Link, Wire};

/// A job's plan for either mode, and who computes.
pub(super) enum Plan {
    Plain(Plain, PublicKey),
    Masked(Masked, [PublicKey; 2]),
}

impl Plan {
    pub(super) fn new(course: &Course, peers: &Peers) -> Result<Self, SplitError> {
        let base = course.base().digest();
        Ok(match peers {
            Peers::Plain(peer) => Self::Plain(Plain::new(course, base)?, *peer),
            Peers::Masked(_) if course.method().target_modules().uniform().is_none() => {
                return Err(SplitError::Job(
                    "a masked run adapts the same projections in every layer; leave \
                     layers_to_transform and names of single layers out of [adapter]"
                        .to_owned(),
                ));
            }
            Peers::Masked(pair) => Self::Masked(Masked::new(course, base)?, *pair),
        })
    }

    /// Opens a session with the providers for at most `steps` steps.
    pub(super) fn open(
        &self,
        course: &Course,
        link: &Link,
        steps: u64,
    ) -> Result<Session, SplitError> {
        Ok(match self {
            Self::Plain(plain, peer) => {
                Session::Plain(Box::new(plain.open(course, link, *peer, steps)?))
            }
            Self::Masked(masked, pair) => {
                Session::Masked(Box::new(masked.open(course, link, *pair, steps)?))
            }
        })
    }
}

/// What the formula of `docs/private-lora.md` gives for one step and one provider.
pub(super) fn formula(course: &Course, peers: &Peers) -> Counted {
    let (config, shape) = (course.base().config(), course.shape());
    let purpose = Purpose::Train(course.settings());
    let (to, from) = match (peers, course.method()) {
        (Peers::Plain(_), assay_model::Method::PrivateLora(settings)) => {
            let traffic = step_traffic(config, settings, shape, purpose);
            (traffic.to_provider, traffic.to_requester)
        }
        (_, method) => {
            // A plan is made of no other.
            let trained = method.target_modules().uniform();
            provider_traffic(config, trained.unwrap_or(Targets::NONE), shape, purpose)
        }
    };
    Counted {
        sent: to.bytes() as u64,
        received: from.bytes() as u64,
    }
}

/// A session under way.
pub(super) enum Session {
    Plain(Box<PlainSession>),
    Masked(Box<MaskedSession>),
}

impl Session {
    /// Takes a step; `None` when it gives a NaN or infinity.
    pub(super) fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        rate: f32,
    ) -> Result<Option<StepOutput>, SplitError> {
        match self {
            Self::Plain(session) => session.step(state, batch, rate),
            Self::Masked(session) => session.step(state, batch, rate),
        }
    }

    /// Whether the next step needs another session.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Plain(session) => session.over,
            Self::Masked(session) => session.over,
        }
    }

    /// Bytes of messages to and from each provider since this was asked last.
    pub(super) fn take_counted(&mut self) -> Vec<Counted> {
        self.wires().iter_mut().map(Wire::take_counted).collect()
    }

    /// Says that all is done.
    pub(super) fn close(mut self) {
        for wire in self.wires() {
            wire.close(Why::Done, "all steps are taken");
        }
    }

    fn wires(&mut self) -> &mut [Wire] {
        match self {
            Self::Plain(session) => std::slice::from_mut(&mut session.wire),
            Self::Masked(session) => &mut session.wires,
        }
    }
}
