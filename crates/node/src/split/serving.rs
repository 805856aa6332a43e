//! A session as the provider runs it.

use std::time::Duration;

use assay_model::InvalidStep;
use assay_split::masked::MaskedProvider;
use assay_split::{Provider, StepError};

use super::closing::{Closing, Why};
use super::terms::Terms;
use crate::told;
use crate::transport::{Channel, ChannelError};

/// Time for the last word to arrive.
const FAREWELL: Duration = Duration::from_secs(2);

/// A party, and how much it has computed.
pub(super) struct Machine {
    party: Party,
    messages: u64,
    most: u64,
}

/// What computes.
pub(super) enum Party {
    Plain(Box<Provider>),
    Masked(Box<MaskedProvider>),
}

impl Machine {
    /// A party that takes at most `most` messages.
    pub(super) fn new(party: Party, most: u64) -> Self {
        Self {
            party,
            messages: 0,
            most,
        }
    }

    /// Takes a message; returns the answers, or why the session ends.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Closing> {
        if self.messages == self.most {
            let text = "every step that was agreed on is taken";
            return Err(Closing::new(Why::Refused, text));
        }
        self.messages += 1;
        let answers = match &mut self.party {
            Party::Plain(provider) => provider.receive(bytes),
            Party::Masked(provider) => {
                let answer = provider.receive(bytes).map_err(StepError::from);
                answer.map(|answer| vec![answer])
            }
        };
        answers.map_err(|error| {
            let why = match &error {
                StepError::Invalid(InvalidStep::NotFinite { .. }) => Why::NotFinite,
                StepError::Invalid(_) => Why::Failed,
                _ => Why::Refused,
            };
            Closing::new(why, told(&error))
        })
    }
}

/// Runs a session to its end; returns how many messages were taken, and how it ended.
pub(super) async fn serve(
    mut channel: Channel,
    machine: Machine,
    terms: &Terms,
    idle: Duration,
) -> (u64, String) {
    let limit = (terms.longest_message as usize).max(Closing::MAX);
    let mut machine = Some(machine);
    let mut messages = 0;
    let closing = loop {
        let bytes = match channel.receiver.receive(limit, idle).await {
            Ok(bytes) => bytes,
            Err(error @ ChannelError::Lost { .. }) => return (messages, told(&error)),
            Err(error @ ChannelError::Silent { .. }) => {
                break Closing::new(Why::Silence, told(&error));
            }
            Err(error) => break Closing::new(Why::Refused, told(&error)),
        };
        if Closing::is(&bytes) {
            let said = Closing::decode(&bytes).map(|closing| closing.text);
            let said = said.unwrap_or_else(|error| error.to_string());
            return (messages, format!("the requester ended it: {said}"));
        }
        let Some(mut at_work) = machine.take() else {
            break Closing::new(Why::Failed, "computing failed");
        };
        let work = move || {
            let answers = at_work.receive(&bytes);
            (at_work, answers)
        };
        let Ok((back, answers)) = tokio::task::spawn_blocking(work).await else {
            break Closing::new(Why::Failed, "computing failed");
        };
        machine = Some(back);
        messages += 1;
        let answers = match answers {
            Ok(answers) => answers,
            Err(closing) => break closing,
        };
        for answer in answers {
            if let Err(error) = channel.sender.send(&answer, limit, idle).await {
                return (messages, told(&error));
            }
        }
    };
    let last = closing.encode();
    if channel.sender.send(&last, limit, FAREWELL).await.is_ok() {
        channel.sender.finish(FAREWELL).await;
    }
    (messages, closing.text)
}
