//! The specification as code: every operator in its plainest form.
//!
//! These bodies are the scalar path and what the vector paths are tested against. They are
//! written for reading, in the order `docs/kernel-spec.md` states, generic only over how a fused
//! multiply-add is computed.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod bf16;
pub(crate) mod elementary;
pub(crate) mod elementwise;
pub(crate) mod embedding;
pub(crate) mod function;
pub(crate) mod image;
pub(crate) mod loss;
pub(crate) mod norm;
pub(crate) mod optimizer;
pub(crate) mod product;
pub(crate) mod quantized;
pub(crate) mod reduce;
pub(crate) mod rope;
