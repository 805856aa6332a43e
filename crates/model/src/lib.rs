//! Define, load, adapt and differentiate models.
//!
//! A [`Base`] is a frozen Llama-family decoder from a Hugging Face folder or, through [`gguf`], a
//! GGUF file; an [`Adapter`] is a LoRA, DoRA, (IA)3, BitFit or PrivateLoRA adapter of its
//! projections, or with full fine-tuning all of its tensors ([`Method`]). A training step is a
//! [`Graph`] ([`build_graph`]): a fixed, enumerated list of kernel operators that follows from the
//! shapes alone. A [`Trainer`] runs it on a
//! [`TrainState`], and the state's digest is what a trace commits to. All of it gives the same
//! bits on every machine.
//!
//! ```
//! use std::sync::Arc;
//! use assay_kernel::Kernel;
//! use assay_model::{
//!     Adapter, AdamWConfig, Base, BatchShape, LoraConfig, Method, Trainer, TrainState,
//! };
//! # use assay_model::ModelConfig;
//! # let config = ModelConfig::from_json(br#"{"model_type": "llama", "vocab_size": 16,
//! #   "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
//! #   "num_attention_heads": 2}"#)?;
//! # let base = Base::random(config, &[0; 32])?;
//! let kernel = Kernel::detect()?;
//! let base = Arc::new(base); // Base::from_folder(path)?
//! let method = Method::from(LoraConfig::new(4, 8, 0.0, &["q_proj", "v_proj"])?);
//! let seed = [7; 32];
//! let mut state = TrainState::new(Adapter::init(&kernel, &base, &method, &seed));
//! let shape = BatchShape { batch: 1, seq: 3 };
//! let optimizer = AdamWConfig::default();
//! let mut trainer = Trainer::new(&kernel, base, &method, optimizer, shape, &seed)?;
//! let mut batch = assay_data::Batch::padding(1, 3, 0);
//! batch.labels[0] = 5;
//! let output = trainer.step(&mut state, &batch, 1e-3)?;
//! assert_eq!((output.tokens, state.step()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;
mod base;
mod config;
#[cfg(feature = "cuda")]
mod device;
mod elementary;
mod error;
mod evaluate;
mod executor;
mod fault;
mod files;
mod footprint;
mod generate;
pub mod gguf;
mod graph;
mod kept;
mod load;
mod rope;
mod schedule;
mod shape;
mod spec;
mod state;
mod state_bytes;
pub mod storage;
mod target;
mod trainer;
mod weights;

pub use assay_graph::{
    AdamWConfig, Argument, BatchShape, DROPOUT_PURPOSE, Graph, Input, Node, Noise, Op, Plan,
    Tensor, TensorId, Values, WeightId, run_node,
};

pub use adapter::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, BitFitConfig, Group, Ia3Config, Init,
    LORA_INIT_PURPOSE, LoraConfig, Method, Modules, Names, Param, ParamInfo, PrivateLoraConfig,
    Selection, adapter_notes, carried_files, check_settings, merge_note, merged_files, name_base,
};
pub use base::Base;
pub use config::{Llama3Scaling, MAX_POSITIONS, ModelConfig};
pub use error::{InvalidStep, LoadError, MethodError, ShapeError, StateError};
pub use evaluate::{Evaluator, Score, evaluate, logits};
pub use executor::Observer;
pub use files::{ModelFiles, ModelSource, read_file, read_model_folder, take_adapter_tokenizer};
pub use footprint::{Footprint, state_values, weight_bytes};
pub use generate::{
    Ended, GenerateError, GenerateSettings, Generated, Generator, SAMPLE_PURPOSE, Sampling,
    SettingsError, answer, generate, greedy,
};
pub use graph::{ActivationStorage, Purpose, TrainSettings, build_graph, build_graph_in};
pub use rope::RopeTables;
pub use schedule::{Decay, Schedule};
pub use shape::ModelShape;
pub use spec::{ModelSpec, WeightInfo};
pub use state::TrainState;
pub use storage::Precision;
pub use target::{Target, Targets};
pub use trainer::{GradientError, StepOutput, Trainer, check_batch, gradients};
pub use weights::check_safetensors;
