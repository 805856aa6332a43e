//! The providing end of a session.

use assay_crypto::PublicKey;
use assay_machine::{Context, Input, Machine, Output};
use assay_model::InvalidStep;

use super::{Closing, Link, Patience, Providing, Why};
use crate::error::StepError;
use crate::masked::MaskedProvider;
use crate::provider::Provider;

/// What answers messages one by one.
pub trait Answering: Send {
    /// Takes a message; returns the answers.
    ///
    /// # Errors
    /// Why it is refused, or cannot be computed.
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError>;
}

impl Answering for Provider {
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        self.receive(bytes)
    }
}

impl Answering for MaskedProvider {
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        Ok(vec![self.receive(bytes)?])
    }
}

impl<A: Answering + ?Sized> Answering for &mut A {
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        (**self).answer(bytes)
    }
}

impl<A: Answering + ?Sized> Answering for Box<A> {
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        (**self).answer(bytes)
    }
}

/// How a session ended for its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Messages that were taken.
    pub messages: u64,
    /// The last words of either side; `None` when the link was lost.
    pub last: Option<Last>,
}

/// Last words, and whose they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// The requester's, as far as they can be read.
    Theirs(String),
    /// The provider's.
    Ours(Closing),
}

/// A provider in a session with one requester.
pub struct Serving<A> {
    party: A,
    requester: PublicKey,
    messages: u64,
    most: u64,
    patience: Patience,
    patience_text: String,
    over: bool,
}

impl<A: Answering> Serving<A> {
    /// Serves `requester` with at most `most` messages; after a silence of `idle_ms` it is over.
    pub fn new(party: A, requester: PublicKey, most: u64, idle_ms: u64) -> Self {
        Self {
            party,
            requester,
            messages: 0,
            most,
            patience: Patience::new(idle_ms),
            patience_text: format!("node {requester} was silent for {idle_ms} ms"),
            over: false,
        }
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<Output<Providing>>) {
        if Closing::is(bytes) {
            let said = Closing::decode(bytes).map(|closing| closing.text);
            let said = said.unwrap_or_else(|error| error.to_string());
            return self.end(Some(Last::Theirs(said)), out);
        }
        if self.messages == self.most {
            let text = "every step that was agreed on is taken";
            return self.close(Closing::new(Why::Refused, text), out);
        }
        self.messages += 1;
        match self.party.answer(bytes) {
            Ok(answers) => out.extend(answers.into_iter().map(|bytes| Output::Send {
                to: self.requester,
                bytes,
            })),
            Err(error) => {
                let why = match &error {
                    StepError::Invalid(InvalidStep::NotFinite { .. }) => Why::NotFinite,
                    StepError::Invalid(_) => Why::Failed,
                    _ => Why::Refused,
                };
                self.close(Closing::new(why, error), out);
            }
        }
    }

    fn close(&mut self, closing: Closing, out: &mut Vec<Output<Providing>>) {
        out.push(Output::Send {
            to: self.requester,
            bytes: closing.encode(),
        });
        self.end(Some(Last::Ours(closing)), out);
    }

    fn end(&mut self, last: Option<Last>, out: &mut Vec<Output<Providing>>) {
        self.over = true;
        let messages = self.messages;
        out.push(Output::End(Served { messages, last }));
    }
}

impl<A: Answering> Machine for Serving<A> {
    type Protocol = Providing;

    fn step(
        &mut self,
        at: &Context<'_, Providing>,
        input: Input<Providing>,
    ) -> Vec<Output<Providing>> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        match (input, at.view) {
            // It draws nothing and remembers nothing: a session that is gone is begun anew.
            (Input::Seed(_) | Input::Journal(_) | Input::Answer((), ()), _) => return out,
            (Input::Message { from, bytes }, _) if from == self.requester => {
                self.take(&bytes, &mut out);
            }
            (Input::Message { .. }, _) => return out,
            (Input::News, Link::Up) => {}
            (Input::News, Link::Lost(_)) => self.end(None, &mut out),
            (Input::News, Link::TooLong(_, text)) => {
                self.close(Closing::new(Why::Refused, text), &mut out);
            }
            (Input::Wake, _) if self.patience.is_over(at.now) => {
                let closing = Closing::new(Why::Silence, &self.patience_text);
                self.close(closing, &mut out);
            }
            (Input::Wake, _) => {}
        }
        if !self.over {
            out.push(self.patience.wait(at.now));
        }
        out
    }
}
