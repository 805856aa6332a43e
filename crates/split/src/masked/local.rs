//! The three parties in one process.

use assay_data::Batch;

use super::provider::MaskedProvider;
use super::requester::MaskedRequester;
use crate::local::{self, Unfinished};
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
/// [`Unfinished`]; the requester has then abandoned the step.
pub fn step(
    requester: &mut MaskedRequester,
    [first, second]: &mut [MaskedProvider; 2],
    batch: &Batch,
    learning_rate: f32,
) -> Result<(Outcome, MaskedTranscript), Unfinished> {
    let result = local::step(requester, [first, second], (batch, learning_rate));
    if result.is_err() {
        requester.abandon();
    }
    let (outcome, [first, second]) = result?;
    let transcript = MaskedTranscript {
        shares: [first.to_provider, second.to_provider],
        products: [first.to_requester, second.to_requester],
    };
    Ok((outcome, transcript))
}
