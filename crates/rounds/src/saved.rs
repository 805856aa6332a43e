//! A federation between two rounds, as bytes: whoever keeps them goes on from there.
//!
//! All that is kept here has a digest of the rest in its first 32 bytes, then the version (1, a byte), then borsh. A
//! federation is its specification's bytes, the round, the model's state, and of each model that updates
//! may still be of, the newest first, its digest and the trainers whose update of it has come.

use std::collections::VecDeque;

use assay_crypto::Digest;
use assay_estimator::{State, TrainError};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::error::SavedError;
use crate::merge::{Base, Rounds};
use crate::spec::RoundSpec;

const VERSION: u8 = 1;

const DOMAIN: &str = "assay/rounds/state/v1";

#[derive(BorshSerialize, BorshDeserialize)]
struct Saved {
    spec: Vec<u8>,
    round: u64,
    model: Vec<u8>,
    bases: Vec<Base>,
}

impl Rounds {
    /// Everything that the next round follows from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let saved = Saved {
            spec: self.spec.to_bytes(),
            round: self.round,
            model: self.model.to_bytes(),
            bases: self.bases.iter().cloned().collect(),
        };
        sealed(DOMAIN, &saved)
    }

    /// Reads [`Rounds::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are none, or were altered.
    pub fn from_bytes(bytes: &[u8]) -> Result<Rounds, SavedError> {
        let saved: Saved = opened(DOMAIN, bytes)?;
        let spec = RoundSpec::from_bytes(&saved.spec)?;
        let model = State::from_bytes(&saved.model, &spec.learning.model)?;
        let steps = saved.round.saturating_mul(spec.local_steps);
        let kept = saved
            .round
            .saturating_add(1)
            .min(u64::from(spec.age.most) + 1);
        let bases = VecDeque::from(saved.bases);
        let newest = bases.front().map(|base| base.digest);
        if saved.round > spec.rounds
            || model.steps() != steps
            || bases.len() as u64 != kept
            || newest != Some(model.digest())
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

impl Rounds {
    /// A federation that is about to begin this round, counted from 0, with the model that these bytes of a state
    /// say: all that is written down of one whose trainers remember nothing. The state is at rest, and was made in
    /// a round before; rounds that merged nothing may lie between.
    ///
    /// # Errors
    /// When the specification makes no sense; when updates of earlier models count, whose trainers no model
    /// tells; when there is no such round; when the bytes are no model of an earlier round.
    pub fn resume(spec: RoundSpec, round: u64, model: &[u8]) -> Result<Rounds, SavedError> {
        spec.check()?;
        if spec.age.most > 0 {
            return Err(SavedError::Remembers);
        }
        if round >= spec.rounds {
            let rounds = spec.rounds;
            return Err(SavedError::NoRound { round, rounds });
        }
        let read = State::from_bytes(model, &spec.learning.model)?;
        let steps = round.saturating_mul(spec.local_steps);
        let counted = read.steps();
        let rest = read.at_rest(read.parameters().to_vec(), counted);
        let rest = rest.map_err(TrainError::from)?;
        if counted > steps || !counted.is_multiple_of(spec.local_steps) || rest.to_bytes() != model
        {
            return Err(SavedError::NotAtRest { round });
        }
        let model = read.at_rest(rest.parameters().to_vec(), steps);
        let model = model.map_err(TrainError::from)?;
        Ok(Rounds {
            bases: VecDeque::from([Base::of(&model)]),
            spec,
            model,
            round,
        })
    }
}

/// What is kept, with its version and its digest before it.
pub(crate) fn sealed(domain: &'static str, value: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes.push(VERSION);
    // Writing finite numbers to memory does not fail.
    bytes.extend(borsh::to_vec(value).unwrap_or_default());
    let digest = Digest::of_bytes(domain, &bytes[32..]);
    bytes[..32].copy_from_slice(digest.as_bytes());
    bytes
}

/// Reads [`sealed`].
pub(crate) fn opened<T: BorshDeserialize>(
    domain: &'static str,
    bytes: &[u8],
) -> Result<T, SavedError> {
    let (digest, rest) = bytes
        .split_first_chunk::<32>()
        .ok_or_else(|| SavedError::Bytes("there are too few".to_owned()))?;
    if Digest::of_bytes(domain, rest).as_bytes() != digest {
        return Err(SavedError::Altered);
    }
    let (version, rest) = rest
        .split_first()
        .ok_or_else(|| SavedError::Bytes("there are too few".to_owned()))?;
    if *version != VERSION {
        return Err(SavedError::Version(*version));
    }
    T::try_from_slice(rest).map_err(|error| SavedError::Bytes(error.to_string()))
}
