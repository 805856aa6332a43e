//! Define, load, adapt and differentiate models.
//!
//! A [`Base`] is a frozen Llama-family decoder from a Hugging Face folder or a GGUF file; an [`Adapter`] is a
//! LoRA adapter on some of its projections. A training step is a [`Graph`]: a fixed, enumerated
//! list of kernel operators that follows from the shapes alone. A [`Trainer`] runs it on a
//! [`TrainState`], and the state's digest is what a trace commits to. All of it gives the same
//! bits on every machine.
//!
//! ```
//! use std::sync::Arc;
//! use assay_kernel::Kernel;
//! use assay_model::{Adapter, AdamWConfig, Base, BatchShape, LoraConfig, Trainer, TrainState};
//! # use assay_model::ModelConfig;
//! # let config = ModelConfig::from_json(br#"{"model_type": "llama", "vocab_size": 16,
//! #   "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
//! #   "num_attention_heads": 2}"#)?;
//! # let base = Base::random(config, &[0; 32])?;
//! let kernel = Kernel::detect()?;
//! let base = Arc::new(base); // Base::from_folder(path)?
//! let lora = LoraConfig::new(4, 8, 0.0, &["q_proj", "v_proj"])?;
//! let mut state = TrainState::new(Adapter::init(base.config(), &lora, &[7; 32]));
//! let shape = BatchShape { batch: 1, seq: 3 };
//! let mut trainer = Trainer::new(&kernel, base, &lora, AdamWConfig::default(), shape)?;
//! let mut batch = assay_data::Batch::padding(1, 3, 0);
//! batch.labels[0] = 5;
//! let output = trainer.step(&mut state, &batch, 1e-3)?;
//! assert_eq!((output.tokens, state.step()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;
mod base;
mod config;
mod digest;
mod elementary;
mod error;
mod evaluate;
mod executor;
mod files;
mod generate;
pub mod gguf;
mod graph;
mod lora;
mod peft;
mod rope;
mod run_node;
mod schedule;
mod spec;
mod state;
mod state_bytes;
mod trainer;
mod weights;

pub use adapter::{Adapter, LORA_INIT_PURPOSE, Param};
pub use base::Base;
pub use config::{Llama3Scaling, MAX_POSITIONS, ModelConfig};
pub use digest::{TILE, node_digest, tensor_digest, tile_digest};
pub use error::{InvalidStep, LoadError, LoraError, ShapeError, StateError};
pub use evaluate::{Evaluator, Score, evaluate, logits};
pub use executor::Observer;
pub use files::{ModelFiles, read_model_folder};
pub use generate::{GenerateError, answer, generate};
pub use graph::{AdamWConfig, BatchShape, Graph, Input, Node, Op, Plan, Purpose, Tensor, TensorId};
pub use lora::{Factor, LoraConfig, ParamInfo, Target};
pub use peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
pub use rope::RopeTables;
pub use run_node::{Argument, Values, run_node};
pub use schedule::{Decay, Schedule};
pub use spec::{ModelSpec, WeightId, WeightInfo};
pub use state::TrainState;
pub use trainer::{GradientError, StepOutput, Trainer, gradients};
pub use weights::check_safetensors;
