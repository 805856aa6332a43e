//! What can be wrong with a GGUF file.

use super::quant::Quant;

/// Why a GGUF file cannot be read or converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// Something else.
    #[error("this is no GGUF file: it does not begin with the letters GGUF")]
    NotGguf,
    /// A version that is not read.
    #[error(
        "this is GGUF version {0}; little-endian files of versions 2 and 3 are read, so convert the model again with a current llama.cpp"
    )]
    Version(u32),
    /// The container contradicts itself or ends early.
    #[error("the GGUF file is damaged: {0}; download it again")]
    Damaged(String),
    /// Another architecture.
    #[error(
        "general.architecture is {0:?}; only llama is converted (Llama, Mistral, TinyLlama, SmolLM): use the model's safetensors"
    )]
    Architecture(String),
    /// A metadata key is missing, of another type, or asks for something not computed.
    #[error("metadata key {key} {problem}")]
    Metadata {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A quantisation that is not read.
    #[error(
        "tensor {name} is stored as {kind}; {known} are read: take another file of the same model",
        known = Quant::names()
    )]
    Kind {
        /// The tensor.
        name: String,
        /// How it is stored.
        kind: String,
    },
    /// A tensor is not in the file.
    #[error("tensor {0} is missing; the file holds only a part of the model")]
    MissingTensor(String),
    /// A tensor of another shape.
    #[error("tensor {name} has shape {found:?}, and the metadata ask for {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file, rows first.
        found: Vec<usize>,
        /// The shape asked for.
        expected: Vec<usize>,
    },
    /// A tensor that a plain Llama does not have.
    #[error(
        "tensor {0} has no place in a plain Llama (stretched rotary frequencies, experts and biases are not converted); use the model's safetensors"
    )]
    UnknownTensor(String),
    /// A weight that is no number.
    #[error(
        "tensor {name} holds a NaN or infinity in row {row}, column {column}; the file is damaged"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// The row of the first such value.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// A weight outside the range of f16.
    #[error("tensor {name} holds {value}, which f16 cannot; store the model as f32 or bf16")]
    Range {
        /// The tensor.
        name: String,
        /// The value, written out.
        value: String,
    },
    /// A converted file cannot be written out.
    #[error("the converted settings cannot be written: {0}")]
    Json(String),
}

impl GgufError {
    pub(super) fn metadata(key: &str, problem: impl Into<String>) -> Self {
        Self::Metadata {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

/// A text from a file in a message: short, whatever it holds.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
