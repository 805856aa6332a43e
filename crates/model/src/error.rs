//! What can be wrong with a model, an adapter, a state or a step.

use assay_data::{Foreign, JsonFault, TokenizerError};
use assay_kernel::EnvironmentError;

use crate::gguf::error::GgufError;

/// Why a model or adapter cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file of the folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is missing.
    #[error(
        "{0} is missing; a model is a .gguf file, or a folder with config.json, model.safetensors (or its index and shards) and tokenizer.json"
    )]
    MissingFile(String),
    /// A path that is no model, with what it is instead.
    #[error("{path} is no model that can be read: {reason}")]
    NotAModel {
        /// The folder or file.
        path: String,
        /// What it is or lacks, and what to do.
        reason: String,
    },
    /// A path that is no adapter, with what it is instead.
    #[error("{path} is no adapter that can be read: {reason}")]
    NotAnAdapter {
        /// The folder or file.
        path: String,
        /// What it is or lacks, and what to do.
        reason: String,
    },
    /// A link to a file that is not there.
    #[error("{path} is a link to {target}, which does not exist; download the file again")]
    Dangling {
        /// The link.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A file that is another kind of file than its name says.
    #[error("{file} is {found}")]
    Foreign {
        /// The file.
        file: String,
        /// What it is.
        found: Foreign,
    },
    /// A file that is no JSON.
    #[error("{file}: {fault}")]
    Json {
        /// The file.
        file: String,
        /// Where and why.
        fault: Box<JsonFault>,
    },
    /// `config.json` is wrong or asks for something not computed.
    #[error("config.json: {0}")]
    Config(String),
    /// A safetensors file is malformed.
    #[error("{file} is no valid safetensors file: {reason}; download or save it again")]
    Safetensors {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The index of shards is wrong.
    #[error("model.safetensors.index.json: {0}")]
    Index(String),
    /// A tensor is not in the files.
    #[error("tensor {0} is missing; the weights do not belong to this config.json")]
    MissingTensor(String),
    /// A tensor of the decoder that the configuration does not describe.
    #[error(
        "tensor {0} is in the weights and not in the model that config.json describes; use the config.json that belongs to them (biases: attention_bias, mlp_bias; layers: num_hidden_layers)"
    )]
    ExtraTensor(String),
    /// An output projection that is said to be the embedding, and is not.
    #[error(
        "config.json has tie_word_embeddings = true, and the weights hold an lm_head.weight that differs from model.embed_tokens.weight; set it to false to use both, or remove lm_head.weight"
    )]
    TwoOutputs,
    /// A tensor of another shape.
    #[error(
        "tensor {name} has shape {found:?}, and config.json asks for {expected:?}; the weights do not belong to it"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape asked for.
        expected: Vec<usize>,
    },
    /// A tensor stored in another type.
    #[error("tensor {name} is stored as {dtype}; save the model as F32, F16 or BF16")]
    Dtype {
        /// The tensor.
        name: String,
        /// How it is stored.
        dtype: String,
    },
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
    /// A weight that is no number any more in a shorter form.
    #[error("row {row} of {name} holds a value too large for this precision; use float32")]
    NotHeld {
        /// The tensor.
        name: String,
        /// The row.
        row: usize,
    },
    /// Ids without embedding.
    #[error(
        "the tokenizer has ids up to {highest}, and the model's vocab_size is {vocab_size}; use the tokenizer.json that belongs to the model"
    )]
    Vocabulary {
        /// The highest id.
        highest: u32,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// A GGUF file cannot be read or converted.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The tokenizer is wrong.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model was made without a tokenizer.
    #[error("this model has no tokenizer; load one from a folder that has tokenizer.json")]
    NoTokenizer,
    /// An adapter whose tensors do not go with its settings and the model.
    #[error("adapter_model.safetensors: {0}")]
    Adapter(String),
    /// Adapter settings that cannot be used.
    #[error(transparent)]
    Method(#[from] MethodError),
}

impl LoadError {
    pub(crate) fn config(reason: impl Into<String>) -> Self {
        Self::Config(reason.into())
    }
}

/// Why adapter settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// A module no adapter can be put on.
    #[error(
        "target module {0:?} is unknown; use any of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
    )]
    UnknownTarget(String),
    /// A module that is no projection.
    #[error(
        "target_modules matches {0}, which no adapter can be put on here; write \"all-linear\" for every projection"
    )]
    OutsideTarget(String),
    /// A layer that the model does not have.
    #[error(
        "{setting}: layer {layer} is named, and the model has {layers} layers, 0 to {}",
        layers.saturating_sub(1)
    )]
    NoLayer {
        /// The setting that names it.
        setting: &'static str,
        /// The layer.
        layer: i64,
        /// Layers of the model.
        layers: usize,
    },
    /// A setting that cannot be used.
    #[error("{0}")]
    Setting(String),
    /// No module at all.
    #[error(
        "target_modules matches no projection; name at least one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"
    )]
    NoTargets,
    /// A rank out of range.
    #[error("r is {0}; use a whole number from 1 to 1024")]
    BadRank(u64),
    /// A scale out of range.
    #[error("lora_alpha is {0}; use a number above 0, of at most 65536")]
    BadAlpha(String),
    /// A dropout out of range.
    #[error("lora_dropout is {0}; use a number from 0 to below 1")]
    BadDropout(String),
    /// DoRA with dropout.
    #[error("use_dora is not computed together with lora_dropout; set one of them to its default")]
    DoraDropout,
    /// A feed-forward module that is no target.
    #[error("feedforward_modules names a projection that target_modules does not; add it there")]
    FeedForward,
    /// The adapter has other settings than the job.
    #[error("the adapter's method or settings differ from those of the job; write its own there")]
    OtherSettings,
    /// The adapter was made for another model.
    #[error("the adapter does not belong to this model: {0}")]
    OtherModel(String),
    /// A row whose length DoRA divides by.
    #[error(
        "use_dora divides by the length of row {row} of model.layers.{layer}.{}.weight, which is {length}; leave {target} out of target_modules, or train without use_dora",
        target.module()
    )]
    RowLength {
        /// The layer.
        layer: usize,
        /// The projection.
        target: crate::target::Target,
        /// The row.
        row: usize,
        /// What its length is.
        length: &'static str,
    },
    /// A value of a merged model that is no number.
    #[error(
        "merging gives a NaN or infinity in row {row} of {name}: the adapter's values are too large for this model"
    )]
    MergedNotFinite {
        /// The tensor.
        name: String,
        /// The first such row.
        row: usize,
    },
    /// An option of PEFT that is not computed.
    #[error("adapter_config.json: {0}")]
    Unsupported(String),
}

/// Why no graph can be made for a model and a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An empty batch.
    #[error("a batch of {0} x {1} is empty; use at least 1 x 1")]
    Empty(usize, usize),
    /// A context longer than the model's.
    #[error("sequence_length {seq} is more than this model computes ({max}); lower it")]
    TooLong {
        /// Tokens a row.
        seq: usize,
        /// The most it may be.
        max: usize,
    },
    /// Rows on which a sliding window would hide something.
    #[error(
        "sequence_length {seq} is more than the model's sliding_window of {window}, beyond which it does not look back, and only full attention is computed; set sequence_length to at most {window}"
    )]
    Window {
        /// Tokens a row.
        seq: usize,
        /// Tokens that a position sees.
        window: usize,
    },
    /// A cache is for one row.
    #[error("a cache of {2} positions takes one row of up to as many tokens, not {0} x {1}")]
    Cache(usize, usize, usize),
    /// More than can be computed at once.
    #[error(
        "a batch of {0} x {1} needs tensors of more than 2147483647 values; lower batch_size or sequence_length"
    )]
    TooLarge(usize, usize),
    /// A projection too wide for an exact sum of integers.
    #[error("precision w8a8 sums up to 131071 products, and this model has {0}; use int8")]
    TooDeep(usize),
}

/// Why a step is invalid. The state is left as it was before the step.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStep {
    /// The batch has another shape than the graph.
    #[error("the batch is {0} x {1}, and this trainer was made for {2} x {3}")]
    BatchShape(usize, usize, usize, usize),
    /// A token outside the vocabulary.
    #[error(
        "token {0} of the batch lies outside the vocabulary of {1}; tokenise the data with the model's own tokenizer"
    )]
    Token(i64, usize),
    /// Nothing counts.
    #[error(
        "no position of the batch counts towards the loss; check completion_only and truncation"
    )]
    NothingCounted,
    /// A learning rate that is no positive number.
    #[error("the learning rate is {0}; use a finite number of at least 0")]
    LearningRate(f32),
    /// The state belongs to another model or adapter.
    #[error("the training state does not belong to this model and adapter: {0}")]
    State(String),
    /// An operator gave a NaN or infinity.
    #[error("operator {node} ({operator}) gave a NaN or infinity{}", place(*.at))]
    NotFinite {
        /// Its index in the graph.
        node: usize,
        /// Its name, layer and projection.
        operator: String,
        /// Row and column of the first such value in what it gave; a device does not tell.
        at: Option<(usize, usize)>,
    },
    /// Every gradient is zero: the optimizer would go on from its moments alone, whatever the batch is.
    #[error("the gradient is zero everywhere, so there is nothing to learn from this batch")]
    NoGradient,
    /// A library changed the floating-point state.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The device that steps run on failed.
    #[error("the device failed: {0}")]
    Device(String),
}

fn place(at: Option<(usize, usize)>) -> String {
    at.map(|(row, column)| format!(" in row {row}, column {column} of its result"))
        .unwrap_or_default()
}

impl InvalidStep {
    /// Whether the reason lies in this machine: the step itself may be valid.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::Device(_))
    }
}

/// Why bytes are no training state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not a state at all.
    #[error("these bytes are no training state")]
    NotAState,
    /// Another version of the format.
    #[error("training state format {0} is unknown; this program reads format 2")]
    Version(u64),
    /// The bytes end early or late.
    #[error("a training state of {expected} bytes was announced, and {found} are there")]
    Length {
        /// What the header asks for.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A state of another adapter or model.
    #[error("the training state belongs to another method, adapter or model")]
    OtherLayout,
    /// A field outside its range.
    #[error("the training state is malformed: {0}")]
    Malformed(&'static str),
}
