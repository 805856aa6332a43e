//! The vector paths of the operators that are products: register tiles over packed panels.
//!
//! Everything here is free to choose tiles, buffers and loop orders, because an output's chain
//! never leaves one register lane: `tile` walks k upwards for a few outputs at a time.

pub(crate) mod attention;
pub(crate) mod cached;
mod engine;
pub(crate) mod gram;
pub(crate) mod integer;
mod peak;
pub(crate) mod product;
mod tile;
mod vector;

pub(crate) use engine::Engine;
