//! Why no text could be written.

use assay_data::TokenizerError;

use crate::error::{InvalidStep, LoadError, ShapeError};
use crate::trainer::GradientError;

/// Why no text could be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An empty or too long prompt.
    #[error(
        "the prompt has {0} tokens, and there is room for 1 to {1}; {advice}",
        advice = if *.0 == 0 { "write something" } else { "shorten it, or the conversation" }
    )]
    Prompt(usize, usize),
    /// A prompt with a token that the model has no embedding for.
    #[error(
        "the prompt holds the token {text:?} (id {id}), and the model's embedding ends at id {last}; leave it out of the prompt, or use a model that was trained with it"
    )]
    Token {
        /// How it is written.
        text: String,
        /// Its id.
        id: u32,
        /// The highest id that has an embedding.
        last: usize,
    },
    /// Settings that mean nothing.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The adapter does not fit, or the model could not be run.
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

impl From<ShapeError> for GenerateError {
    fn from(error: ShapeError) -> Self {
        Self::Run(error.into())
    }
}

/// Why settings of generation cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A temperature out of range.
    #[error(
        "temperature is {0}; use a finite number above 0, or leave sampling out for the most likely text"
    )]
    Temperature(f32),
    /// A share out of range.
    #[error("top_p is {0}; use a number above 0 and up to 1")]
    TopP(f32),
    /// A stop string that every text contains.
    #[error("a stop string is empty; leave it out")]
    EmptyStop,
}
