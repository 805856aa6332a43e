//! The byte format of a state, version 1. All numbers little-endian:
//!
//! ```text
//! 0   8  "ASSAYES" and a zero byte
//! 8   8  format version, 1
//! 16  32 digest of the model
//! 48  8  steps taken
//! 56     the parameters, as f32 bits
//! ..     their velocities, as many
//! ```
//!
//! A state is read for a model, which fixes the length; it is checked before anything is allocated. Every
//! value must be finite, and there is one encoding of a state.

use std::sync::Arc;

use super::state::{State, check_values};
use crate::error::{StateError, TrainError};
use crate::network::Layout;
use crate::spec::ModelSpec;

const MAGIC: &[u8; 8] = b"ASSAYES\0";
const VERSION: u64 = 1;
const HEADER: usize = 56;

impl State {
    /// The state as bytes; see the format in `state_bytes.rs`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 8 * self.parameters.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(self.layout.digest.as_bytes());
        out.extend_from_slice(&self.steps.to_le_bytes());
        let values = self.parameters.iter().chain(&self.velocity);
        out.extend(values.flat_map(|value| value.to_le_bytes()));
        out
    }

    /// Reads [`State::to_bytes`] of a state of this model.
    ///
    /// # Errors
    /// When the model makes no sense, or the bytes are no state of it.
    pub fn from_bytes(bytes: &[u8], model: &ModelSpec) -> Result<Self, TrainError> {
        let layout = Layout::new(model)?;
        Ok(read(bytes, layout)?)
    }
}

fn read(bytes: &[u8], layout: Layout) -> Result<State, StateError> {
    if !bytes.starts_with(MAGIC) {
        return Err(StateError::NotAState);
    }
    let expected = HEADER + 8 * layout.len();
    let length = StateError::Length {
        expected: expected as u64,
        found: bytes.len() as u64,
    };
    let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(length);
    };
    let (words, _) = header.as_chunks::<8>();
    let word = |i: usize| u64::from_le_bytes(words[i]);
    if word(1) != VERSION {
        return Err(StateError::Version(word(1)));
    }
    if header[16..48] != *layout.digest.as_bytes() {
        return Err(StateError::OtherModel);
    }
    if bytes.len() != expected {
        return Err(length);
    }
    let (words, _) = body.as_chunks::<4>();
    let mut values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    check_values(&values, 2 * layout.len())?;
    let velocity = values.split_off(layout.len());
    Ok(State {
        steps: word(6),
        parameters: values,
        velocity,
        layout: Arc::new(layout),
    })
}
