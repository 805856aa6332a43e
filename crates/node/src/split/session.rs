//! A session of either kind, opened whenever one is needed.

use std::time::Duration;

use assay_crypto::PublicKey;
use assay_data::Batch;
use assay_job::Course;
use assay_model::{Purpose, StepOutput, Targets, TrainState};
use assay_proof::ProgramError;
use assay_split::masked::{MaskedRequester, provider_traffic};
use assay_split::session::{Closing, Leading, StepEnd, Stepping, Why};
use assay_split::{Outcome, Requester, StepError, step_traffic};
use tokio::runtime::Handle;

use super::error::SplitError;
use super::link::{Lines, Nobody};
use super::masked::Masked;
use super::plain::Plain;
use super::run::{Counted, Peers};
use super::terms::Terms;
use crate::drive;
use crate::transport::{ChannelError, Transport};

/// The way to the providers.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) transport: Transport,
    pub(super) handle: Handle,
    /// How long a provider may take for an answer.
    pub(super) patience: Duration,
}

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

    /// Opens a session with the providers for at most `steps` steps from `course`'s state.
    pub(super) fn open(
        &self,
        course: &Course,
        way: &Way,
        steps: u64,
    ) -> Result<Session, SplitError> {
        let (terms, providers) = match self {
            Self::Plain(plain, peer) => (vec![plain.terms(steps)], vec![*peer]),
            Self::Masked(masked, pair) => {
                ([0, 1].map(|w| masked.terms(w, steps)).into(), pair.into())
            }
        };
        let opened = providers.iter().zip(&terms).map(|(peer, terms)| {
            let (peer, opened) = (*peer, way.transport.open(*peer, terms));
            let opened = way.handle.block_on(opened);
            let (agreed, channel) = opened.map_err(|source| SplitError::Open { peer, source })?;
            match agreed == terms.digest() {
                true => Ok(channel),
                false => Err(SplitError::NotAgreed { peer }),
            }
        });
        let channels = opened.collect::<Result<Vec<_>, _>>()?;
        let longest = terms
            .iter()
            .map(|terms: &Terms| terms.longest_message)
            .max();
        let limit = (longest.unwrap_or(0) as usize).max(Closing::MAX);
        Ok(Session {
            party: match self {
                Self::Plain(plain, _) => Party::Plain(Box::new(plain.party(course)?)),
                Self::Masked(masked, _) => Party::Masked(Box::new(masked.party(course)?)),
            },
            lines: Lines::new(&way.handle, channels, limit, way.patience, false),
            providers,
            handle: way.handle.clone(),
            patience: way.patience,
            over: false,
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

enum Party {
    Plain(Box<Requester>),
    Masked(Box<MaskedRequester>),
}

impl Party {
    fn leading(&mut self) -> &mut dyn Leading {
        match self {
            Self::Plain(party) => &mut **party,
            Self::Masked(party) => &mut **party,
        }
    }

    fn state(&self) -> &TrainState {
        match self {
            Self::Plain(party) => party.state(),
            Self::Masked(party) => party.state(),
        }
    }
}

/// A session under way.
pub(super) struct Session {
    party: Party,
    providers: Vec<PublicKey>,
    lines: Lines,
    handle: Handle,
    patience: Duration,
    /// Whether the next step needs another one.
    over: bool,
}

impl Session {
    /// Takes a step; `None` when it gives a NaN or infinity.
    pub(super) fn step(
        &mut self,
        state: &mut TrainState,
        batch: &Batch,
        rate: f32,
    ) -> Result<Option<StepOutput>, SplitError> {
        self.over = true;
        let patience = self.patience.as_millis() as u64;
        let (party, feed) = (self.party.leading(), (batch, rate));
        let mut machine = Stepping::new(party, &self.providers, feed, patience);
        let watch = self.lines.watch();
        let lines = &mut self.lines;
        let driven = drive::run_with_mail(&mut machine, None, watch, lines, &Nobody, |()| {});
        match self.handle.block_on(driven)? {
            StepEnd::Finished(Outcome::Trained(output)) => {
                state.clone_from(self.party.state());
                self.over = false;
                Ok(Some(output))
            }
            StepEnd::NotFinite => Ok(None),
            other => Err(self.failed(other)),
        }
    }

    fn failed(&mut self, end: StepEnd) -> SplitError {
        match end {
            StepEnd::Closed(peer, closing) => SplitError::Closed { peer, closing },
            StepEnd::Malformed(peer, source) => SplitError::Malformed { peer, source },
            StepEnd::Broken(peer, source) => SplitError::Broken { peer, source },
            StepEnd::Silent(peer) | StepEnd::Lost(peer) => {
                let patience = self.patience;
                let lost = self.lines.take_error();
                lost.unwrap_or(ChannelError::Silent { peer, patience })
                    .into()
            }
            StepEnd::Invalid(StepError::Invalid(error)) if error.is_local() => {
                ProgramError::Local(error.to_string()).into()
            }
            StepEnd::Invalid(error) => ProgramError::Refused(error.to_string()).into(),
            StepEnd::NotFinite | StepEnd::Finished(_) => {
                ProgramError::Refused("the step gave no training result".to_owned()).into()
            }
        }
    }

    /// Whether the next step needs another session.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of messages to and from each provider since this was asked last.
    pub(super) fn take_counted(&mut self) -> Vec<Counted> {
        self.lines.take_counted()
    }

    /// Says that all is done.
    pub(super) fn close(mut self) {
        let closing = Closing::new(Why::Done, "all steps are taken");
        self.lines.close(&closing);
    }
}
