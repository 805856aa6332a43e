//! Tensors from safetensors files, widened to f32.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::error::LoadError;

/// The longest header that is read.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// A safetensors file whose header has been checked.
pub(crate) struct TensorFile<'a> {
    name: &'a str,
    tensors: SafeTensors<'a>,
}

/// Checks that bytes are a safetensors file: a bounded header, every tensor inside the data, of
/// the length its shape and type ask for, without gaps. Returns the number of tensors.
///
/// # Errors
/// [`LoadError::Safetensors`] with what is wrong, naming the tensor where there is one.
pub fn check_safetensors(bytes: &[u8]) -> Result<usize, LoadError> {
    Ok(TensorFile::open("the file", bytes)?.tensors.len())
}

impl<'a> TensorFile<'a> {
    pub(crate) fn open(name: &'a str, bytes: &'a [u8]) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Safetensors {
            file: name.to_owned(),
            reason: reason.chars().take(200).collect(),
        };
        check_header(bytes).map_err(wrong)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("{e:?}")))?;
        Ok(Self { name, tensors })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.names().into_iter()
    }

    /// Whether the tensor called `name` has no values.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        let tensor = self.tensors.tensor(name);
        tensor.is_ok_and(|view| view.data().is_empty())
    }

    /// The tensor called `name`, if this file has it, as f32 in row-major order.
    pub(crate) fn get(
        &self,
        name: &str,
        expected: &[usize],
    ) -> Result<Option<Vec<f32>>, LoadError> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Ok(None);
        };
        if view.shape() != expected {
            return Err(LoadError::Shape {
                name: name.to_owned(),
                found: view.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        let values = widen(name, &view)?;
        let bad = values.iter().position(|v| !v.is_finite());
        match bad {
            None => Ok(Some(values)),
            Some(index) => {
                let width = expected.last().copied().unwrap_or(1).max(1);
                let (row, column) = match expected.len() {
                    0 | 1 => (0, index),
                    _ => (index / width, index % width),
                };
                Err(LoadError::NotFinite {
                    name: format!("{name} of {}", self.name),
                    row,
                    column,
                })
            }
        }
    }
}

/// What the safetensors crate leaves unchecked before it adds numbers from the header: that no
/// offset lies outside the file.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!(
            "it has {} bytes, too few for a header",
            bytes.len()
        ));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header claims {length} bytes"));
    }
    if length > rest.len() as u64 {
        return Err(cut_off(bytes.len() as u64, length + 8));
    }
    let (header, data) = rest.split_at(length as usize);
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(|e| format!("its header is not JSON: {e}"))?;
    let ends = |entry: &Value| entry["data_offsets"][1].as_u64();
    let end = header.values().filter_map(ends).max().unwrap_or(0);
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let offsets = entry["data_offsets"].as_array().map(Vec::as_slice);
        let inside = match offsets {
            Some([from, to]) => match (from.as_u64(), to.as_u64()) {
                (Some(from), Some(to)) => from <= to && to <= data.len() as u64,
                _ => false,
            },
            _ => false,
        };
        let orderly = offsets.is_some_and(|o| o.len() == 2 && o[0].as_u64() <= o[1].as_u64());
        if !inside && orderly && (data.len() as u64 + 1..1 << 48).contains(&end) {
            let whole = end.saturating_add(8 + length);
            return Err(cut_off(bytes.len() as u64, whole));
        }
        if !inside {
            let claimed = &entry["data_offsets"];
            return Err(format!(
                "tensor {name} claims data at {claimed}, and the file holds {} bytes of data",
                data.len()
            ));
        }
    }
    Ok(())
}

/// What is said of a file that ends before its data do.
fn cut_off(found: u64, whole: u64) -> String {
    format!("it is cut off: it has {found} bytes, and its header describes {whole}")
}

/// f16 and bf16 widen to f32 exactly.
fn widen(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, LoadError> {
    let data = view.data();
    let two = |convert: fn([u8; 2]) -> f32| {
        let (pairs, _) = data.as_chunks::<2>();
        pairs.iter().map(|pair| convert(*pair)).collect()
    };
    match view.dtype() {
        Dtype::F32 => {
            let (words, _) = data.as_chunks::<4>();
            Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
        }
        Dtype::F16 => Ok(two(|pair| f16::from_le_bytes(pair).to_f32())),
        Dtype::BF16 => Ok(two(|pair| bf16::from_le_bytes(pair).to_f32())),
        other => Err(LoadError::Dtype {
            name: name.to_owned(),
            dtype: format!("{other:?}"),
        }),
    }
}
