//! A federation between two rounds, as bytes: whoever keeps them goes on from there.
//!
//! borsh of the version (1, a byte), the specification's bytes, the round, the model's state, and of each model
//! that updates may still be of, the newest first, its digest and the trainers whose update of it has come.

use std::collections::VecDeque;

use assay_estimator::State;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::error::SavedError;
use crate::merge::{Base, Rounds};
use crate::spec::RoundSpec;

const VERSION: u8 = 1;

#[derive(BorshSerialize, BorshDeserialize)]
struct Saved {
    version: u8,
    spec: Vec<u8>,
    round: u64,
    model: Vec<u8>,
    bases: Vec<Base>,
}

impl Rounds {
    /// Everything that the next round follows from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let saved = Saved {
            version: VERSION,
            spec: self.spec.to_bytes(),
            round: self.round,
            model: self.model.to_bytes(),
            bases: self.bases.iter().cloned().collect(),
        };
        // Writing to memory does not fail.
        borsh::to_vec(&saved).unwrap_or_default()
    }

    /// Reads [`Rounds::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are none, or their parts do not go together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Rounds, SavedError> {
        let saved = Saved::try_from_slice(bytes);
        let saved = saved.map_err(|error| SavedError::Bytes(error.to_string()))?;
        if saved.version != VERSION {
            return Err(SavedError::Version(saved.version));
        }
        let spec = RoundSpec::from_bytes(&saved.spec)?;
        let model = State::from_bytes(&saved.model, &spec.learning.model)?;
        let steps = saved.round.saturating_mul(spec.local_steps);
        let kept = saved
            .round
            .saturating_add(1)
            .min(u64::from(spec.age.most) + 1);
        let bases = VecDeque::from(saved.bases);
        if saved.round > spec.rounds
            || model.steps() != steps
            || bases.len() as u64 != kept
            || bases
                .front()
                .is_none_or(|base| base.digest != model.digest())
        {
            return Err(SavedError::Parts);
        }
        Ok(Rounds {
            spec,
            model,
            round: saved.round,
            bases,
        })
    }
}
