//! The requesting end of a session: one step.

use std::collections::BTreeSet;

use assay_crypto::PublicKey;
use assay_data::Batch;
use assay_machine::{Context, Input, Machine, Output};
use assay_model::InvalidStep;

use super::{BadClosing, Closing, Link, Patience, Requesting, Why};
use crate::error::{MessageError, StepError};
use crate::masked::{MaskedRequester, MaskedTurn, PROVIDER_BYTE};
use crate::requester::{Outcome, Requester, Turn};

/// What leads through a step.
pub trait Leading: Send {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn begin(&mut self, batch: &Batch, learning_rate: f32) -> Result<Moves, StepError>;

    /// Takes a message of provider `which`.
    ///
    /// # Errors
    /// Why it is refused, or the step cannot go on.
    fn take(&mut self, which: usize, bytes: &[u8]) -> Result<Moves, StepError>;

    /// Whether a provider may declare that the step has no number.
    fn is_told_of_faults(&self) -> bool;
}

/// What a leading party wants next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// Messages, each with its provider.
    pub messages: Vec<(usize, Vec<u8>)>,
    /// The result, once the step is finished.
    pub outcome: Option<Outcome>,
}

impl Leading for Requester {
    fn begin(&mut self, batch: &Batch, learning_rate: f32) -> Result<Moves, StepError> {
        Ok(Requester::begin(self, batch, learning_rate)?.into())
    }

    fn take(&mut self, _: usize, bytes: &[u8]) -> Result<Moves, StepError> {
        let turn = self.receive(bytes)?;
        // A provider of ours says why it goes no further; a bare "abandon" breaks the protocol.
        match turn.abandoned {
            true => Err(MessageError::Kind(2).into()),
            false => Ok(turn.into()),
        }
    }

    fn is_told_of_faults(&self) -> bool {
        true
    }
}

impl Leading for MaskedRequester {
    fn begin(&mut self, batch: &Batch, learning_rate: f32) -> Result<Moves, StepError> {
        Ok(MaskedRequester::begin(self, batch, learning_rate)?.into())
    }

    fn take(&mut self, which: usize, bytes: &[u8]) -> Result<Moves, StepError> {
        // An answer is taken by the provider that it names, so that must be its sender.
        let found = bytes.get(PROVIDER_BYTE).copied().unwrap_or_default();
        if usize::from(found) != which {
            let expected = which as u8;
            return Err(MessageError::Provider { found, expected }.into());
        }
        Ok(self.receive(bytes)?.into())
    }

    /// They multiply integers, which have no faults.
    fn is_told_of_faults(&self) -> bool {
        false
    }
}

impl From<Turn> for Moves {
    fn from(turn: Turn) -> Self {
        Self {
            messages: turn.messages.into_iter().map(|bytes| (0, bytes)).collect(),
            outcome: turn.outcome,
        }
    }
}

impl From<MaskedTurn> for Moves {
    fn from(turn: MaskedTurn) -> Self {
        Self {
            messages: (0..).zip(turn.shares.into_iter().flatten()).collect(),
            outcome: turn.outcome,
        }
    }
}

/// How a step ended. Only a finished one has changed the state.
#[derive(Debug)]
pub enum StepEnd {
    /// It is taken.
    Finished(Outcome),
    /// It gave a NaN or infinity, here or with the provider. The session is over.
    NotFinite,
    /// It cannot be taken here. The session is over.
    Invalid(StepError),
    /// The provider ended the session.
    Closed(PublicKey, Closing),
    /// The provider sent last words that are none.
    Malformed(PublicKey, BadClosing),
    /// The provider broke the protocol, and has been told so.
    Broken(PublicKey, MessageError),
    /// Nothing came from the provider for too long.
    Silent(PublicKey),
    /// The link to the provider is of no more use.
    Lost(PublicKey),
}

/// One step with one provider, or with two that multiply shares.
pub struct Stepping<'a> {
    party: &'a mut dyn Leading,
    providers: Vec<PublicKey>,
    batch: &'a Batch,
    learning_rate: f32,
    /// Providers that were sent something since their last message.
    owing: BTreeSet<usize>,
    patience: Patience,
    begun: bool,
    over: bool,
}

impl<'a> Stepping<'a> {
    /// The step of `party` on `batch`, for each message of which a provider has `patience_ms`.
    pub fn new(
        party: &'a mut dyn Leading,
        providers: &[PublicKey],
        (batch, learning_rate): (&'a Batch, f32),
        patience_ms: u64,
    ) -> Self {
        Self {
            party,
            providers: providers.to_vec(),
            batch,
            learning_rate,
            owing: BTreeSet::new(),
            patience: Patience::new(patience_ms),
            begun: false,
            over: false,
        }
    }

    fn take(&mut self, which: usize, bytes: &[u8], out: &mut Vec<Output<Requesting>>) {
        let from = self.providers[which];
        if !Closing::is(bytes) {
            self.owing.remove(&which);
            let moves = self.party.take(which, bytes);
            return self.go_on(which, moves, out);
        }
        let told = self.party.is_told_of_faults();
        self.end(
            match Closing::decode(bytes) {
                Ok(closing) if told && closing.why == Why::NotFinite => StepEnd::NotFinite,
                Ok(closing) => StepEnd::Closed(from, closing),
                Err(error) => StepEnd::Malformed(from, error),
            },
            out,
        );
    }

    fn go_on(
        &mut self,
        which: usize,
        moves: Result<Moves, StepError>,
        out: &mut Vec<Output<Requesting>>,
    ) {
        let moves = match moves {
            Ok(moves) => moves,
            Err(error) => return self.failed(which, error, out),
        };
        for (to, bytes) in moves.messages {
            if let Some(account) = self.providers.get(to) {
                self.owing.insert(to);
                let to = *account;
                out.push(Output::Send { to, bytes });
            }
        }
        if let Some(outcome) = moves.outcome {
            self.end(StepEnd::Finished(outcome), out);
        }
    }

    /// What a failure means while a message of provider `which` was taken.
    fn failed(&mut self, which: usize, error: StepError, out: &mut Vec<Output<Requesting>>) {
        let to = self.providers[which];
        let mut tell = |why, text: String| {
            let bytes = Closing::new(why, text).encode();
            out.push(Output::Send { to, bytes });
        };
        let end = match error {
            StepError::Message(error) => {
                tell(Why::Refused, error.to_string());
                StepEnd::Broken(to, error)
            }
            StepError::Invalid(error @ InvalidStep::NotFinite { .. }) => {
                if self.party.is_told_of_faults() {
                    tell(Why::NotFinite, error.to_string());
                }
                StepEnd::NotFinite
            }
            error => StepEnd::Invalid(error),
        };
        self.end(end, out);
    }

    fn end(&mut self, end: StepEnd, out: &mut Vec<Output<Requesting>>) {
        self.over = true;
        out.push(Output::End(end));
    }
}

impl Machine for Stepping<'_> {
    type Protocol = Requesting;

    fn step(
        &mut self,
        at: &Context<'_, Requesting>,
        input: Input<Requesting>,
    ) -> Vec<Output<Requesting>> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        match (input, at.view) {
            // What it keeps is the state before the step, which whoever made it has.
            (Input::Seed(_) | Input::Journal(_) | Input::Answer((), ()), _) => return out,
            (Input::Message { from, bytes }, _) => {
                let which = self.providers.iter().position(|account| *account == from);
                let Some(which) = which else {
                    return out;
                };
                self.take(which, &bytes, &mut out);
            }
            (Input::News, Link::Lost(peer) | Link::TooLong(peer, _)) => {
                self.end(StepEnd::Lost(*peer), &mut out);
            }
            (Input::News, Link::Up) if self.begun => {}
            (Input::News, Link::Up) => {
                self.begun = true;
                let moves = self.party.begin(self.batch, self.learning_rate);
                self.go_on(0, moves, &mut out);
            }
            (Input::Wake, _) if self.patience.is_over(at.now) => {
                let late = self.owing.first().copied().unwrap_or_default();
                self.end(StepEnd::Silent(self.providers[late]), &mut out);
            }
            (Input::Wake, _) => {}
        }
        if !self.over {
            out.push(self.patience.wait(at.now));
        }
        out
    }
}
