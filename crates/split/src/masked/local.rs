//! The three parties in one process.

use assay_data::Batch;

use super::provider::MaskedProvider;
use super::requester::MaskedRequester;
use crate::error::{MessageError, StepError};
use crate::requester::Outcome;

/// Everything that crossed during a step, for each provider: its whole view, and its answers.
#[derive(Clone, Debug, Default)]
pub struct MaskedTranscript {
    /// What each provider was sent.
    pub shares: [Vec<Vec<u8>>; 2],
    /// What each sent.
    pub products: [Vec<Vec<u8>>; 2],
}

/// Runs one step to its end.
///
/// # Errors
/// As [`MaskedRequester::begin`], [`MaskedRequester::receive`] and [`MaskedProvider::receive`]; the
/// requester has then abandoned the step.
pub fn step(
    requester: &mut MaskedRequester,
    providers: &mut [MaskedProvider; 2],
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, MaskedTranscript), StepError> {
    let result = run(requester, providers, batch, learning_rate);
    if result.is_err() {
        requester.abandon();
    }
    result
}

fn run(
    requester: &mut MaskedRequester,
    providers: &mut [MaskedProvider; 2],
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, MaskedTranscript), StepError> {
    let mut transcript = MaskedTranscript::default();
    let mut turn = requester.begin(batch, learning_rate)?;
    loop {
        if let Some(outcome) = turn.outcome {
            return Ok((outcome, transcript));
        }
        let Some(shares) = turn.shares.take() else {
            return Err(MessageError::NotAwaited.into());
        };
        for (i, (provider, share)) in providers.iter_mut().zip(shares).enumerate() {
            let product = provider.receive(&share)?;
            turn = requester.receive(&product)?;
            transcript.shares[i].push(share);
            transcript.products[i].push(product);
        }
    }
}
