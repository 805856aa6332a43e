//! Models: files, steps, adapters, and peers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

mod activations;
mod adapters;
mod bits;
mod folder;
mod footprint;
mod foreign;
mod generate;
mod gguf;
mod gguf_families;
mod gguf_hostile;
mod gradients;
mod graph;
mod judged;
mod load;
mod methods;
mod peft;
mod pytorch;
mod w8a8;
