//! What is trained, and how: canonical specifications.

mod model;
mod training;

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

pub use model::ModelSpec;
pub use training::{Schedule, TrainSpec};

use crate::error::SpecError;
use crate::network::Layout;

/// The longest specification, in bytes.
pub const MAX_SPEC_BYTES: usize = 4096;

/// The most numbers that a step holds: 1 GiB.
const MAX_ACTIVATIONS: u64 = 1 << 28;

/// A model and how it is trained. In a file:
///
/// ```toml
/// [model]
/// kind = "mlp"
/// features = 64
/// hidden = [32]
/// classes = 10
/// [training]
/// batch_size = 32
/// learning_rate = 0.1
/// momentum = 0.9
/// ```
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specification {
    /// The model.
    pub model: ModelSpec,
    /// How it is trained.
    pub training: TrainSpec,
}

impl Specification {
    /// The canonical bytes, in borsh.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads [`Specification::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are too many or no specification, or it makes no sense.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SpecError> {
        let found = bytes.len();
        if found > MAX_SPEC_BYTES {
            let text = format!("there are {found}, and at most {MAX_SPEC_BYTES} are read");
            return Err(SpecError::Bytes(text));
        }
        let read = Self::try_from_slice(bytes);
        let specification = read.map_err(|error| SpecError::Bytes(error.to_string()))?;
        specification.check()?;
        Ok(specification)
    }

    /// Checks every size and setting.
    ///
    /// # Errors
    /// Names what is wrong, how it is counted, and what to do.
    pub fn check(&self) -> Result<(), SpecError> {
        self.model.check()?;
        self.training.check()?;
        let batch = self.training.batch_size;
        let row = Layout::new(&self.model)?.activations();
        match u64::from(batch).saturating_mul(row) {
            found if found > MAX_ACTIVATIONS => Err(SpecError::Activations {
                batch,
                found,
                most: MAX_ACTIVATIONS,
            }),
            _ => Ok(()),
        }
    }

    /// The digest of the canonical bytes.
    pub fn digest(&self) -> Digest {
        Digest::of("assay/estimator/specification/v1", &[&self.to_bytes()])
    }
}

impl ModelSpec {
    /// The digest that a state of this model carries.
    pub fn digest(&self) -> Digest {
        Digest::of("assay/estimator/model/v1", &[&encode(self)])
    }
}

/// Writing to memory does not fail.
fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).unwrap_or_default()
}
