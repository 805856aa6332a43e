//! From a prompt to a text.

use assay_data::Message;

use super::error::GenerateError;
use super::generator::Generator;
use super::sampling::greedy;
use super::settings::GenerateSettings;
use super::text::TextWriter;

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At an end-of-text token.
    EndOfText,
    /// At a stop string, or because the caller wanted no more.
    Stopped,
    /// At the number of tokens asked for.
    MaxNewTokens,
    /// At the end of the context.
    Context,
}

/// A text and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// Tokens in the prompt.
    pub prompt_tokens: usize,
    /// Tokens that were chosen, less the end-of-text token.
    pub new_tokens: usize,
    /// Why it ended.
    pub ended: Ended,
}

impl Generator {
    /// Continues a row of tokens and shows each new one to `on_token`, which says whether to go
    /// on. An end-of-text token is not shown.
    ///
    /// # Errors
    /// When the settings mean nothing, the prompt is empty or leaves no room, the model cannot be
    /// run on it, or `on_token` fails.
    pub fn tokens(
        &mut self,
        prompt: &[u32],
        settings: &GenerateSettings,
        mut on_token: impl FnMut(u32) -> Result<bool, GenerateError>,
    ) -> Result<Ended, GenerateError> {
        settings.check()?;
        if prompt.is_empty() || prompt.len() >= self.context() {
            let room = self.context().saturating_sub(1);
            return Err(GenerateError::Prompt(prompt.len(), room));
        }
        if settings.max_new_tokens == 0 {
            return Ok(Ended::MaxNewTokens);
        }
        self.reread(prompt)?;
        let mut left = settings.max_new_tokens;
        loop {
            let position = self.row().len();
            let logits = self.logits();
            let token = match &settings.sampling {
                None => greedy(logits),
                Some(sampling) => sampling.draw(&self.kernel, logits, position as u64),
            };
            if self.base().config().eos_token_ids.contains(&token) {
                return Ok(Ended::EndOfText);
            }
            if !on_token(token)? {
                return Ok(Ended::Stopped);
            }
            left -= 1;
            if left == 0 {
                return Ok(Ended::MaxNewTokens);
            }
            if position + 1 == self.context() {
                return Ok(Ended::Context);
            }
            self.read(&[token])?;
        }
    }

    /// Continues a text. Pieces go to `on_text` as they become certain: always whole characters,
    /// never what may turn out to be part of a stop string.
    ///
    /// # Errors
    /// As [`Generator::tokens`], or when the tokenizer fails.
    pub fn complete(
        &mut self,
        prompt: &str,
        settings: &GenerateSettings,
        on_text: impl FnMut(&str),
    ) -> Result<Generated, GenerateError> {
        let prompt = self.base().tokenizer()?.encode(prompt, true)?.ids;
        self.write(&prompt, settings, false, on_text)
    }

    /// Answers a conversation in the model's own chat format, as [`Generator::complete`] does a
    /// text. The answer is trimmed, and stop strings count only after its first character. Earlier
    /// turns that are still in the row are not read again.
    ///
    /// # Errors
    /// As [`Generator::complete`], or when the chat template fails.
    pub fn answer(
        &mut self,
        messages: &[Message],
        settings: &GenerateSettings,
        on_text: impl FnMut(&str),
    ) -> Result<Generated, GenerateError> {
        let prompt = self.base().tokenizer()?.encode_chat(messages)?;
        self.write(&prompt, settings, true, on_text)
    }

    fn write(
        &mut self,
        prompt: &[u32],
        settings: &GenerateSettings,
        trimmed: bool,
        on_text: impl FnMut(&str),
    ) -> Result<Generated, GenerateError> {
        let base = self.base().clone();
        let stops = &settings.stop_strings;
        let mut writer = TextWriter::new(base.tokenizer()?, stops, trimmed, on_text);
        let mut new_tokens = 0;
        let mut ended = self.tokens(prompt, settings, |token| {
            new_tokens += 1;
            Ok(writer.push(token)?)
        })?;
        let (text, stopped) = writer.finish()?;
        if stopped {
            ended = Ended::Stopped;
        }
        Ok(Generated {
            text,
            prompt_tokens: prompt.len(),
            new_tokens,
            ended,
        })
    }
}
