//! Both parties in one process: carries the bytes between them, in order, and counts them.

use assay_data::Batch;

use crate::error::StepError;
use crate::provider::Provider;
use crate::requester::{Outcome, Requester};

/// Everything that crossed during one exchange.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// What the provider was sent: its whole view of the requester.
    pub to_provider: Vec<Vec<u8>>,
    /// What the requester was sent.
    pub to_requester: Vec<Vec<u8>>,
    /// How often the direction changed: the waits on the network, in one-way trips.
    pub trips: usize,
}

/// Runs one exchange to its end.
///
/// # Errors
/// As [`Requester::begin`], [`Requester::receive`] and [`Provider::receive`]; both parties have
/// then abandoned the exchange.
pub fn exchange(
    requester: &mut Requester,
    provider: &mut Provider,
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, Transcript), StepError> {
    let result = run(requester, provider, batch, learning_rate);
    if result.is_err() {
        if let Some(bytes) = requester.abandon() {
            // The provider may have ended it itself.
            let _ = provider.receive(&bytes);
        }
        provider.abandon();
    }
    result
}

fn run(
    requester: &mut Requester,
    provider: &mut Provider,
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, Transcript), StepError> {
    let mut transcript = Transcript::default();
    let mut turn = requester.begin(batch, learning_rate)?;
    loop {
        if let Some(outcome) = turn.outcome {
            return Ok((outcome, transcript));
        }
        let mut answers = Vec::new();
        for bytes in turn.messages {
            answers.extend(provider.receive(&bytes)?);
            transcript.to_provider.push(bytes);
        }
        transcript.trips += 2;
        turn = Default::default();
        for bytes in answers {
            let next = requester.receive(&bytes)?;
            turn.messages.extend(next.messages);
            turn.outcome = turn.outcome.or(next.outcome);
            transcript.to_requester.push(bytes);
        }
        if turn.messages.is_empty() && turn.outcome.is_none() {
            return Err(crate::error::MessageError::NotAwaited.into());
        }
    }
}
