//! The byte format of a training state, version 1. All numbers little-endian:
//!
//! ```text
//! 0   8  "ASSAYTS" and a zero byte
//! 8   2  format version, 1
//! 10  2  adapted projections, one bit each (q k v o gate up down from bit 0)
//! 12  4  r
//! 16  4  lora_alpha
//! 20  4  number of layers L
//! 24  8  steps done
//! 32  4  beta1 to the power of the steps done, as f32 bits
//! 36  4  beta2 to that power
//! 40  8  per projection of one layer (same for all): out u32, in u32, for each set bit
//! ..     for each layer, for each projection: A [r, in], B [out, r], as f32 bits
//! ..     the first moments in the same order, then the second moments
//! ```
//!
//! The header determines the length, which is checked before anything is allocated; every value
//! must be finite. Names follow from the header, so there is one encoding of a state.

use assay_kernel::{BiasPowers, all_finite};

use crate::adapter::{Adapter, Param};
use crate::error::StateError;
use crate::lora::{Factor, LoraConfig, ParamInfo};
use crate::state::TrainState;

const MAGIC: &[u8; 8] = b"ASSAYTS\0";
const VERSION: u16 = 1;
const MAX_LAYERS: u32 = 1024;
const MAX_WIDTH: u32 = 1 << 20;

impl TrainState {
    /// The state as bytes; see the format in `state_bytes.rs`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let config = self.adapter.config();
        let params = &self.adapter.params;
        let per_layer = 2 * config.target_modules().count();
        let mut out = Vec::with_capacity(40 + 4 * per_layer + 12 * self.adapter.values());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&u16::from(config.target_bits()).to_le_bytes());
        out.extend_from_slice(&(config.r() as u32).to_le_bytes());
        out.extend_from_slice(&config.lora_alpha().to_le_bytes());
        out.extend_from_slice(&((params.len() / per_layer) as u32).to_le_bytes());
        out.extend_from_slice(&self.step.to_le_bytes());
        out.extend_from_slice(&self.powers.beta1.to_le_bytes());
        out.extend_from_slice(&self.powers.beta2.to_le_bytes());
        for pair in params[..per_layer.min(params.len())].chunks_exact(2) {
            out.extend_from_slice(&(pair[1].info.rows as u32).to_le_bytes());
            out.extend_from_slice(&(pair[0].info.cols as u32).to_le_bytes());
        }
        let matrices = params.iter().map(|p| &p.values);
        for values in matrices.chain(&self.first).chain(&self.second) {
            out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        }
        out
    }

    /// Reads [`TrainState::to_bytes`]. Whether the state fits a model is checked by the trainer.
    ///
    /// # Errors
    /// When the bytes are no state, of another version, of the wrong length, or malformed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let mut rest = bytes;
        if take::<8>(&mut rest) != Some(*MAGIC) {
            return Err(StateError::NotAState);
        }
        let header = Header::read(&mut rest).ok_or(StateError::Length {
            expected: 40,
            found: bytes.len() as u64,
        })?;
        if header.version != VERSION {
            return Err(StateError::Version(header.version));
        }
        let bits = u8::try_from(header.targets).ok().filter(|bits| *bits < 128);
        let bits = bits.ok_or(StateError::Malformed("unknown projections"))?;
        let config = LoraConfig::from_bits(header.r, header.lora_alpha, bits)
            .map_err(|_| StateError::Malformed("r, lora_alpha or projections out of range"))?;
        if !(1..=MAX_LAYERS).contains(&header.layers) {
            return Err(StateError::Malformed("number of layers out of range"));
        }
        let unit = 0.0..=1.0;
        if !unit.contains(&header.powers.beta1) || !unit.contains(&header.powers.beta2) {
            return Err(StateError::Malformed("running powers out of range"));
        }
        let mut shapes = Vec::new();
        for target in config.target_modules() {
            let pair = (take::<4>(&mut rest), take::<4>(&mut rest));
            let (Some(out), Some(input)) = pair else {
                return Err(StateError::Malformed("the shapes end early"));
            };
            let (out, input) = (u32::from_le_bytes(out), u32::from_le_bytes(input));
            if !(1..=MAX_WIDTH).contains(&out) || !(1..=MAX_WIDTH).contains(&input) {
                return Err(StateError::Malformed("a width out of range"));
            }
            shapes.push((target, out as usize, input as usize));
        }
        let r = u64::from(header.r);
        let one_layer: u64 = shapes
            .iter()
            .map(|(_, o, i)| r * (*o as u64 + *i as u64))
            .sum();
        let expected = 12 * u64::from(header.layers) * one_layer;
        if expected != rest.len() as u64 {
            let before = (bytes.len() - rest.len()) as u64;
            return Err(StateError::Length {
                expected: before + expected,
                found: bytes.len() as u64,
            });
        }
        let infos: Vec<ParamInfo> = (0..header.layers as usize)
            .flat_map(|layer| {
                shapes
                    .iter()
                    .flat_map(move |s| infos(layer, *s, r as usize))
            })
            .collect();
        let mut read = || -> Result<Vec<Vec<f32>>, StateError> {
            infos
                .iter()
                .map(|info| values(&mut rest, info.values()))
                .collect()
        };
        let (matrices, first, second) = (read()?, read()?, read()?);
        if second.iter().flatten().any(|v| v.is_sign_negative()) {
            return Err(StateError::Malformed("a second moment is negative"));
        }
        let params = infos.into_iter().zip(matrices);
        let params = params
            .map(|(info, values)| Param { info, values })
            .collect();
        Ok(Self {
            adapter: Adapter { config, params },
            first,
            second,
            step: header.step,
            powers: header.powers,
        })
    }
}

struct Header {
    version: u16,
    targets: u16,
    r: u32,
    lora_alpha: u32,
    layers: u32,
    step: u64,
    powers: BiasPowers,
}

impl Header {
    fn read(rest: &mut &[u8]) -> Option<Self> {
        Some(Self {
            version: u16::from_le_bytes(take(rest)?),
            targets: u16::from_le_bytes(take(rest)?),
            r: u32::from_le_bytes(take(rest)?),
            lora_alpha: u32::from_le_bytes(take(rest)?),
            layers: u32::from_le_bytes(take(rest)?),
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

fn infos(
    layer: usize,
    (target, out, input): (crate::lora::Target, usize, usize),
    r: usize,
) -> [ParamInfo; 2] {
    let info = |rows, cols, factor| ParamInfo {
        name: ParamInfo::name_of(layer, target, factor),
        rows,
        cols,
        factor,
    };
    [info(r, input, Factor::A), info(out, r, Factor::B)]
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
