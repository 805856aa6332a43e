//! A model as a list of layers, and what it holds while it computes.
//!
//! The layers are those of PyTorch's `Sequential` for the same model, in its order, and parameters have
//! its names and shapes. Between convolutions images lie pixel by pixel, so that a pixel's channels are
//! one row of a product; they come and go as PyTorch has them, channel by channel.

mod layer;
mod layout;
mod loss;
mod tape;

pub(crate) use layout::{Layout, views};
pub use layout::{ParamInfo, View};
pub(crate) use loss::{Loss, Targets, mean};
pub(crate) use tape::Tape;
