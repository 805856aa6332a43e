//! Writing text with a model.
//!
//! A [`Generator`] keeps the keys and values of the positions it has read, so that each further
//! token costs one row. It runs the same operators as a training step's forward pass (the graph of
//! [`Purpose::Next`](crate::Purpose::Next)), so its logits have the bits of those that
//! [`logits`](crate::logits) gives for the whole row, with every method, however the row is split
//! into calls. Nothing is merged: an adapter is applied as it was trained.
//!
//! Tokens are chosen greedily or drawn by a [`Sampling`]; either way they are the same on every
//! machine.

mod error;
mod generator;
mod sampling;
mod settings;
mod text;
mod write;

pub use error::{GenerateError, SettingsError};
pub use generator::Generator;
pub use sampling::{SAMPLE_PURPOSE, Sampling, greedy};
pub use settings::GenerateSettings;
pub use write::{Ended, Generated};

use std::sync::Arc;

use assay_data::Message;
use assay_kernel::Kernel;

use crate::adapter::Adapter;
use crate::base::Base;

/// Continues a prompt greedily: always the most likely token, the lower id on a tie. Ends after
/// `max_new_tokens`, at an end-of-text token (left out), or at the end of the context.
///
/// For several prompts keep a [`Generator`].
///
/// # Errors
/// When the prompt is empty or too long, or the model cannot be run on it.
pub fn generate(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: Option<&Adapter>,
    prompt: &[u32],
    max_new_tokens: usize,
) -> Result<Vec<u32>, GenerateError> {
    let context = prompt.len().saturating_add(max_new_tokens.max(1));
    let mut generator = Generator::new(kernel, base.clone(), adapter, context)?;
    let settings = GenerateSettings::greedy(max_new_tokens);
    let mut all = Vec::new();
    generator.tokens(prompt, &settings, |token| {
        all.push(token);
        Ok(true)
    })?;
    Ok(all)
}

/// Answers a conversation greedily, up to `max_new_tokens` or the first `stop` (such as a line
/// end, for models whose answers have no end-of-text token). The answer is trimmed.
///
/// # Errors
/// As [`generate`], or when the tokenizer or its template fails.
pub fn answer(
    kernel: &Kernel,
    base: &Arc<Base>,
    adapter: Option<&Adapter>,
    messages: &[Message],
    max_new_tokens: usize,
    stop: Option<&str>,
) -> Result<String, GenerateError> {
    let settings = GenerateSettings {
        stop_strings: stop.map(str::to_owned).into_iter().collect(),
        ..GenerateSettings::greedy(max_new_tokens)
    };
    let mut generator = Generator::new(kernel, base.clone(), adapter, usize::MAX)?;
    Ok(generator.answer(messages, &settings, |_| ())?.text)
}
