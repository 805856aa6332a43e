//! A model that remembers what it has read.

use std::sync::Arc;

use assay_kernel::Kernel;

use super::error::GenerateError;
use crate::adapter::{Adapter, Method};
use crate::base::Base;
use crate::error::{InvalidStep, MethodError};
use crate::evaluate::with_adapter;
use crate::executor::{Executor, Feed};
use crate::graph::{BatchShape, Purpose};

/// The most tokens that run at once: enough rows to make products efficient, few enough to keep
/// activations small next to the weights.
const CHUNK: usize = 128;

/// A base with or without an adapter, and the keys and values of one row of tokens.
///
/// Memory beyond the model's: `2 * context * layers * kv_heads * head_dim` values for the row,
/// activations of at most 128 positions, and with full fine-tuning a second set of weights.
pub struct Generator {
    pub(super) kernel: Kernel,
    base: Arc<Base>,
    method: Option<Method>,
    context: usize,
    /// Reads one token; holds the adapter and the cache.
    one: Executor,
    /// Reads several at once; borrows both.
    many: Option<Executor>,
    /// What has been read.
    row: Vec<u32>,
    logits: Vec<f32>,
}

impl Generator {
    /// A generator for rows of at most `context` tokens, prompt and answer together, or as many as
    /// the model computes if that is fewer. Frozen matrices are packed for the kernel here, once
    /// per base.
    ///
    /// # Errors
    /// When the adapter does not fit the base, or `context` is 0.
    pub fn new(
        kernel: &Kernel,
        base: Arc<Base>,
        adapter: Option<&Adapter>,
        context: usize,
    ) -> Result<Self, GenerateError> {
        let context = context.min(base.config().max_sequence());
        let (base, adapter) = match adapter {
            // Its tensors take the places of the base's and can then be packed like them.
            Some(full) if *full.method() == Method::Full => {
                let merged = full.merge(kernel, &base).map_err(|error| match error {
                    MethodError::OtherModel(reason) => InvalidStep::State(reason),
                    other => InvalidStep::State(other.to_string()),
                })?;
                (Arc::new(merged), None)
            }
            other => (base, other),
        };
        let shape = BatchShape { batch: 1, seq: 1 };
        let purpose = Purpose::Next { context };
        let mut one = with_adapter(kernel, base.clone(), adapter, shape, purpose)?;
        one.pack_params();
        Ok(Self {
            kernel: kernel.clone(),
            base,
            method: adapter.map(|adapter| adapter.method().clone()),
            context,
            one,
            many: None,
            row: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// The model; with full fine-tuning, the fine-tuned one.
    pub fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// The most tokens a row may have.
    pub fn context(&self) -> usize {
        self.context
    }

    /// What has been read.
    pub fn row(&self) -> &[u32] {
        &self.row
    }

    /// Forgets all but the first tokens of the row.
    pub fn rewind(&mut self, tokens: usize) {
        if tokens < self.row.len() {
            self.row.truncate(tokens);
            self.logits.clear();
        }
    }

    /// The logits of what follows the row; none where nothing has been read since the last
    /// [`Generator::rewind`].
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Makes `tokens` the row, reading only what follows the longest beginning it shares with the
    /// present one (as the next turn of a conversation does), and gives the logits of what comes
    /// next.
    ///
    /// # Errors
    /// As [`Generator::read`].
    pub fn reread(&mut self, tokens: &[u32]) -> Result<&[f32], GenerateError> {
        let same = self.row.iter().zip(tokens).take_while(|(a, b)| a == b);
        let same = same.count().min(tokens.len().saturating_sub(1));
        // A row that does not fit leaves the present one as it is.
        self.check(same, &tokens[same..])?;
        self.rewind(same);
        self.read(&tokens[same..])
    }

    /// Reads more tokens and gives the logits of what comes next.
    ///
    /// # Errors
    /// When there is no token, no room for them, one lies outside the vocabulary, or an operator
    /// gives a NaN or infinity. The row then ends before the tokens, or after the last 128 of them
    /// that could be read.
    pub fn read(&mut self, tokens: &[u32]) -> Result<&[f32], GenerateError> {
        self.check(self.row.len(), tokens)?;
        for part in tokens.chunks(CHUNK) {
            let feed = Feed {
                ids: part,
                labels: &[],
                noise: None,
                past: self.row.len(),
            };
            if part.len() == 1 {
                self.one.run(feed)?;
                keep(&mut self.logits, &self.one);
            } else {
                let mut many = self.reader(part.len())?;
                many.exchange_state(&mut self.one);
                let ran = many.run(feed);
                many.exchange_state(&mut self.one);
                if ran.is_ok() {
                    keep(&mut self.logits, &many);
                }
                self.many = Some(many);
                ran?;
            }
            self.row.extend_from_slice(part);
        }
        Ok(&self.logits)
    }

    fn check(&self, past: usize, tokens: &[u32]) -> Result<(), GenerateError> {
        let vocab = self.base.config().vocab_size;
        let all = past + tokens.len();
        if tokens.is_empty() || all > self.context {
            return Err(GenerateError::Prompt(all, self.context));
        }
        match tokens.iter().find(|token| **token as usize >= vocab) {
            Some(id) => Err(GenerateError::Token {
                text: self.written(*id),
                id: *id,
                last: vocab - 1,
            }),
            None => Ok(()),
        }
    }

    /// How a token is written, where the tokenizer knows it.
    fn written(&self, id: u32) -> String {
        let text = self.base.tokenizer().ok().map(|t| t.decode(&[id], false));
        text.and_then(Result::ok).unwrap_or_default()
    }

    /// The executor for so many tokens at once.
    fn reader(&mut self, seq: usize) -> Result<Executor, GenerateError> {
        if let Some(many) = self
            .many
            .take()
            .filter(|many| many.graph().shape.seq == seq)
        {
            return Ok(many);
        }
        let purpose = Purpose::Next {
            context: self.context,
        };
        let shape = BatchShape { batch: 1, seq };
        let (base, method) = (self.base.clone(), self.method.as_ref());
        let many = Executor::new(&self.kernel, base, method, shape, purpose)?;
        Ok(many)
    }
}

fn keep(logits: &mut Vec<f32>, from: &Executor) {
    logits.clear();
    logits.extend_from_slice(from.result(from.graph().results[0]));
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("context", &self.context)
            .field("row", &self.row.len())
            .finish_non_exhaustive()
    }
}
