//! The model's own tokenizer.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{TemplateError, TokenizerError};
use crate::record::{Message, Setting};
use crate::template::{ChatTemplate, FALLBACK, read_config};

/// The largest `tokenizer.json` that is read, in bytes.
pub const MAX_TOKENIZER_BYTES: usize = 64 << 20;

/// A tokenised text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token, the bytes of the text it stands for; empty for tokens added around it.
    pub spans: Vec<Range<usize>>,
}

/// `tokenizer.json`, the special tokens of `tokenizer_config.json`, and the chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    template: ChatTemplate,
    has_template: bool,
    id_limit: u32,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer from the contents of `tokenizer.json`, `tokenizer_config.json` and
    /// `chat_template.jinja` (which overrides the template in the configuration). Without a
    /// template, [`FALLBACK`] is used. Truncation and padding settings are dropped.
    ///
    /// # Errors
    /// When a file is oversized or malformed.
    pub fn from_files(
        tokenizer: &[u8],
        config: Option<&[u8]>,
        template: Option<&[u8]>,
    ) -> Result<Self, TokenizerError> {
        if tokenizer.len() > MAX_TOKENIZER_BYTES {
            return Err(TokenizerError::TooLarge(tokenizer.len()));
        }
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(tokenizer))
            .map_err(TokenizerError::Load)?;
        guarded(|| inner.with_truncation(None).map(|_| ())).map_err(TokenizerError::Load)?;
        inner.with_padding(None);
        let (tokens, configured) = read_config(config)?;
        let own = match template {
            Some(bytes) => Some(
                String::from_utf8(bytes.to_vec())
                    .map_err(|_| TemplateError::Syntax("it is not UTF-8".into()))?,
            ),
            None => configured,
        };
        let id = |token: &str| inner.token_to_id(token);
        let (bos, eos, pad) = (id(&tokens.bos), id(&tokens.eos), id(&tokens.pad));
        let highest = inner.get_vocab(true).into_values().max();
        let id_limit = match highest.map(|id| id.checked_add(1)) {
            None => return Err(TokenizerError::Load("its vocabulary is empty".into())),
            Some(None) => return Err(TokenizerError::Load("an id is too large".into())),
            Some(Some(limit)) => limit,
        };
        Ok(Self {
            template: ChatTemplate::new(own.as_deref().unwrap_or(FALLBACK), tokens)?,
            has_template: own.is_some(),
            inner,
            id_limit,
            bos,
            eos,
            pad,
        })
    }

    /// One more than the highest id: a model's vocabulary must be at least this large.
    pub fn id_limit(&self) -> u32 {
        self.id_limit
    }

    /// The beginning-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The padding token, else the end-of-text token, else 0. Padded positions carry no label and
    /// causal attention hides them, so the choice changes no result.
    pub fn pad(&self) -> u32 {
        self.pad.or(self.eos).unwrap_or(0)
    }

    /// The chat template in use.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// Whether the model brought its own chat template.
    pub fn has_template(&self) -> bool {
        self.has_template
    }

    /// Tokenises a text; `add_special` lets the tokenizer put its own tokens around it.
    ///
    /// # Errors
    /// When the tokenizer fails, for instance on a character it has no token for.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Encoding, TokenizerError> {
        let encoded =
            guarded(|| self.inner.encode(text, add_special)).map_err(TokenizerError::Encode)?;
        let spans = encoded.get_offsets().iter().map(|(from, to)| *from..*to);
        Ok(Encoding {
            ids: encoded.get_ids().to_vec(),
            spans: spans.collect(),
        })
    }

    /// The text of some tokens; special tokens are left out when `skip_special` is set.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        guarded(|| self.inner.decode(ids, skip_special)).map_err(TokenizerError::Decode)
    }

    /// The tokens a model answers to: the conversation with the mark of the next answer.
    ///
    /// # Errors
    /// When the template or the tokenizer fails.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>, TokenizerError> {
        let text = self.template.render(messages, &Setting::default(), true)?;
        Ok(self.encode(&text, false)?.ids)
    }
}

/// Runs a call into the tokenizers library. `tokenizer.json` comes from outside and the library
/// panics on some malformed ones, which must not take the process down.
fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string().chars().take(300).collect()),
        Err(_) => Err("it is inconsistent".into()),
    }
}
