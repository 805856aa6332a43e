//! What is asked of a generated text.

use super::error::SettingsError;
use super::sampling::Sampling;

/// How a text is chosen and where it ends, in the words of Hugging Face's `GenerationConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateSettings {
    /// The most tokens that are written.
    pub max_new_tokens: usize,
    /// Texts that end the text; they are left out of it.
    pub stop_strings: Vec<String>,
    /// How tokens are drawn; without it, the most likely one is taken.
    pub sampling: Option<Sampling>,
}

impl GenerateSettings {
    /// The most likely text, up to so many tokens.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self {
            max_new_tokens,
            stop_strings: Vec::new(),
            sampling: None,
        }
    }

    /// Checks what [`Sampling::new`] has not.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        match self.stop_strings.iter().any(String::is_empty) {
            true => Err(SettingsError::EmptyStop),
            false => Ok(()),
        }
    }
}
