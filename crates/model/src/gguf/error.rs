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
        "general.architecture is {0:?}; Llama, Mistral and Qwen2 (2 and 2.5) models are trained, which llama.cpp calls llama and qwen2: choose a model of one of these families"
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
    /// A part of a file that was split.
    #[error(
        "this is part {0} of {1}; join the parts with `llama-gguf-split --merge FIRST-PART WHOLE.gguf`, or use the model's safetensors folder"
    )]
    Part(u64, u64),
    /// An adapter, a projector or other numbers.
    #[error(
        "general.type is {0:?}: this file holds no language model of its own; use the model's GGUF file or safetensors folder"
    )]
    NoModel(String),
    /// Rotary factors that no setting gives.
    #[error(
        "tensor rope_freqs.weight stretches rotary positions in another way than Llama 3; use the model's safetensors folder, or a model that is not stretched"
    )]
    RopeFactors,
    /// A rotary factor that nothing can be divided by.
    #[error(
        "tensor rope_freqs.weight holds {value} in row 0, column {column}, and rotary frequencies are divided by it, so it must be a finite number above 0; the file is damaged"
    )]
    RopeFactor {
        /// Its column.
        column: usize,
        /// The value, written out.
        value: String,
    },
    /// A quantisation that is not read.
    #[error(
        "tensor {name} is stored as {kind}; {known} are read: take another file of the same model (such as Q4_K_M, Q6_K or Q8_0), or its safetensors folder",
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
    /// A tensor that the architecture does not have.
    #[error(
        "tensor {0} has no place in a plain model of this architecture (experts and norms of heads are not computed); use the safetensors folder of a Llama, Mistral or Qwen2 model"
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
