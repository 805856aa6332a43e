//! The byte format of a training state, version 2. All numbers little-endian:
//!
//! ```text
//! 0   8  "ASSAYTS" and a zero byte
//! 8   8  format version, 2
//! 16  32 digest of the method, its settings, and the names and shapes of the tensors
//! 48  8  steps done
//! 56  4  beta1 to the power of the steps done, as f32 bits
//! 60  4  beta2 to that power
//! 64     the tensors in order, as f32 bits
//! ..     the first moments of the trained tensors in the same order, then the second moments
//! ```
//!
//! A state is read for a method on a model, which fix the tensors and with them the length; both
//! are checked before anything is allocated. Every value must be finite, and there is one encoding
//! of a state.

use assay_crypto::Digest;
use assay_crypto::tiles::{Tiles, Writer, collected};
use assay_kernel::{BiasPowers, all_finite};

use crate::adapter::{Adapter, Method, Param, ParamInfo, layout_digest};
use crate::config::ModelConfig;
use crate::error::StateError;
use crate::state::TrainState;

const MAGIC: &[u8; 8] = b"ASSAYTS\0";
const VERSION: u64 = 2;
const HEADER: usize = 64;

impl TrainState {
    /// Length of the state's bytes.
    pub fn length(&self) -> usize {
        let moments = self.first.iter().chain(&self.second);
        HEADER + 4 * (self.adapter.values() + moments.map(Vec::len).sum::<usize>())
    }

    /// Writes the state as bytes; see the format in `state_bytes.rs`.
    pub fn write(&self, to: &mut Writer<'_>) {
        let params = &self.adapter.params;
        to.put(MAGIC);
        to.put(&VERSION.to_le_bytes());
        to.put(self.adapter.layout_digest().as_bytes());
        to.put(&self.step.to_le_bytes());
        to.put(&self.powers.beta1.to_le_bytes());
        to.put(&self.powers.beta2.to_le_bytes());
        let tensors = params.iter().map(|p| &p.values);
        for values in tensors.chain(&self.first).chain(&self.second) {
            to.put_values(values);
        }
    }

    /// The state as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        collected(|to| self.write(to))
    }

    /// The digest of these bytes, tile by tile: what a trace commits to.
    pub fn digest(&self) -> Digest {
        Tiles::written(|to| self.write(to)).tiled().digest()
    }

    /// Reads [`TrainState::to_bytes`] of a state of this method on this model.
    ///
    /// # Errors
    /// When the bytes are no state, of another version, method, adapter or model, of the wrong
    /// length, or malformed.
    pub fn from_bytes(
        bytes: &[u8],
        method: &Method,
        model: &ModelConfig,
    ) -> Result<Self, StateError> {
        let mut rest = bytes;
        if take::<8>(&mut rest) != Some(*MAGIC) {
            return Err(StateError::NotAState);
        }
        let too_short = StateError::Length {
            expected: HEADER as u64,
            found: bytes.len() as u64,
        };
        let header = Header::read(&mut rest).ok_or(too_short)?;
        if header.version != VERSION {
            return Err(StateError::Version(header.version));
        }
        let infos = method.params(model);
        if header.layout != *layout_digest(method, &infos).as_bytes() {
            return Err(StateError::OtherLayout);
        }
        let unit = 0.0..=1.0;
        if !unit.contains(&header.powers.beta1) || !unit.contains(&header.powers.beta2) {
            return Err(StateError::Malformed("running powers out of range"));
        }
        let size = |info: &ParamInfo| {
            let values = info.values() as u64;
            if info.is_trained() {
                12 * values
            } else {
                4 * values
            }
        };
        let expected = HEADER as u64 + infos.iter().map(size).sum::<u64>();
        if expected != bytes.len() as u64 {
            return Err(StateError::Length {
                expected,
                found: bytes.len() as u64,
            });
        }
        let mut read = |moments: bool| -> Result<Vec<Vec<f32>>, StateError> {
            let all = infos
                .iter()
                .map(|info| match moments && !info.is_trained() {
                    true => 0,
                    false => info.values(),
                });
            all.map(|count| values(&mut rest, count)).collect()
        };
        let (tensors, first, second) = (read(false)?, read(true)?, read(true)?);
        if second.iter().flatten().any(|v| v.is_sign_negative()) {
            return Err(StateError::Malformed("a second moment is negative"));
        }
        let params = infos.into_iter().zip(tensors);
        let params = params
            .map(|(info, values)| Param { info, values })
            .collect();
        let method = method.clone();
        Ok(Self {
            adapter: Adapter { method, params },
            first,
            second,
            step: header.step,
            powers: header.powers,
        })
    }
}

struct Header {
    version: u64,
    layout: [u8; 32],
    step: u64,
    powers: BiasPowers,
}

impl Header {
    fn read(rest: &mut &[u8]) -> Option<Self> {
        Some(Self {
            version: u64::from_le_bytes(take(rest)?),
            layout: take(rest)?,
            step: u64::from_le_bytes(take(rest)?),
            powers: BiasPowers {
                beta1: f32::from_le_bytes(take(rest)?),
                beta2: f32::from_le_bytes(take(rest)?),
            },
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// The next `count` values; the length has been checked.
fn values(rest: &mut &[u8], count: usize) -> Result<Vec<f32>, StateError> {
    let Some((head, tail)) = rest.split_at_checked(4 * count) else {
        return Err(StateError::Malformed("the values end early"));
    };
    *rest = tail;
    let words = head.as_chunks::<4>().0.iter();
    let values: Vec<f32> = words.map(|word| f32::from_le_bytes(*word)).collect();
    if !all_finite(&values) {
        return Err(StateError::Malformed("a value is a NaN or infinity"));
    }
    Ok(values)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
