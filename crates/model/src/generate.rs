//! Writing text with a model.

use std::sync::Arc;

use assay_data::{Batch, Message, TokenizerError};
use assay_kernel::Kernel;

use crate::adapter::Adapter;
use crate::base::Base;
use crate::error::{InvalidStep, LoadError};
use crate::evaluate::with_adapter;
use crate::executor::{Executor, Feed};
use crate::graph::{BatchShape, Purpose};
use crate::trainer::{GradientError, check_batch};

/// Row lengths are rounded up to a multiple of this, so that a graph serves several tokens.
const BUCKET: usize = 32;

/// Why no text could be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An empty or too long prompt, or the adapter does not fit.
    #[error("the prompt has {0} tokens, and this model reads from 1 to {1}")]
    Prompt(usize, usize),
    /// The model could not be run.
    #[error(transparent)]
    Run(#[from] GradientError),
    /// The model has no tokenizer.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The prompt or the answer could not be converted.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl From<InvalidStep> for GenerateError {
    fn from(error: InvalidStep) -> Self {
        Self::Run(error.into())
    }
}

/// Continues a prompt greedily: always the most likely token, the lower id on a tie. Ends after
/// `max_new_tokens`, at an end-of-text token (left out), or at the end of the context.
///
/// The whole row is computed again for each token; this is for samples, not for serving.
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
    let config = base.config();
    let context = config.max_sequence();
    if prompt.is_empty() || prompt.len() >= context {
        return Err(GenerateError::Prompt(
            prompt.len(),
            context.saturating_sub(1),
        ));
    }
    let mut row = prompt.to_vec();
    let mut executor: Option<Executor> = None;
    let end = context.min(prompt.len().saturating_add(max_new_tokens));
    while row.len() < end {
        let shape = BatchShape {
            batch: 1,
            seq: row.len().next_multiple_of(BUCKET).min(context),
        };
        let fits = executor.as_ref().is_some_and(|e| e.graph().shape == shape);
        if !fits {
            let fresh = with_adapter(kernel, base.clone(), adapter, shape, Purpose::Logits)?;
            executor = Some(fresh);
        }
        let Some(executor) = &mut executor else { break };
        // What follows the row cannot change it: attention is causal.
        let mut batch = Batch::padding(1, shape.seq, 0);
        batch.ids[..row.len()].copy_from_slice(&row);
        check_batch(&batch, shape, config.vocab_size)?;
        executor.run(Feed::of(&batch))?;
        let logits = executor.result(executor.graph().results[0]);
        let next = argmax(&logits[(row.len() - 1) * config.vocab_size..][..config.vocab_size]);
        if config.eos_token_ids.contains(&next) {
            break;
        }
        row.push(next);
    }
    Ok(row.split_off(prompt.len()))
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
    let tokenizer = base.tokenizer()?;
    let mut row = tokenizer.encode_chat(messages)?;
    let mut text = String::new();
    let (mut left, start) = (max_new_tokens, row.len());
    while left > 0 {
        // A few tokens at a time, to notice the stop early.
        let round = left.min(8);
        let room = base.config().max_sequence().saturating_sub(1);
        if row.len() > room && row.len() > start {
            break;
        }
        let more = generate(kernel, base, adapter, &row, round)?;
        row.extend_from_slice(&more);
        text = tokenizer.decode(&row[start..], true)?;
        let stopped = stop.and_then(|stop| {
            let lead = text.len() - text.trim_start().len();
            text[lead..].find(stop).map(|at| lead + at)
        });
        if let Some(at) = stopped {
            text.truncate(at);
            break;
        }
        if more.len() < round {
            break;
        }
        left -= round;
    }
    Ok(text.trim().to_owned())
}

fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = i;
        }
    }
    best as u32
}
