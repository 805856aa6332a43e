//! Models in GGUF, the format of llama.cpp, as Hugging Face folders.
//!
//! [`convert`] takes the bytes of a `.gguf` file of the Llama or Qwen2 architecture and gives the files of
//! a model folder: weights dequantised, rows of the query and key projections put back in order,
//! tokenizer and chat template rebuilt from the metadata. It is a pure function, and the same
//! file gives the same bytes on every machine. `docs/gguf.md` defines every step.
//!
//! The container is read by the crate `gguf-rs-lib`; what its tensors mean is decided here.

mod config;
mod convert;
pub(crate) mod error;
mod file;
mod json;
mod metadata;
mod names;
mod quant;
mod rope;
mod tokenizer;

pub use convert::{Storage, convert};
pub use error::GgufError;
pub use file::{GgufFile, GgufTensor};
pub use quant::Quant;
