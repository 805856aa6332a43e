//! Tensors from safetensors files, widened to f32 where the files lie: of a file only its header and
//! a part of a tensor are in memory.

use std::collections::{BTreeMap, HashMap};

use assay_crypto::ReadAt;
use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use serde::Deserialize;
use serde_json::Value;

use crate::error::LoadError;

/// The longest header that is read.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes before the header: its length.
const LENGTH_BYTES: u64 = 8;
/// Bytes of a tensor that are read at once: whole values of every type.
const CHUNK: usize = 1 << 20;

/// A safetensors file whose header has been checked.
pub(crate) struct TensorFile<'a> {
    name: &'a str,
    bytes: &'a dyn ReadAt,
    tensors: Metadata,
    /// Where the data begin.
    data: u64,
}

/// Checks that bytes are a safetensors file: a bounded header, every tensor inside the data, of
/// the length its shape and type ask for, without gaps. Returns the number of tensors.
///
/// # Errors
/// [`LoadError::Safetensors`] with what is wrong, naming the tensor where there is one.
pub fn check_safetensors(bytes: &[u8]) -> Result<usize, LoadError> {
    let file = TensorFile::open("the file", &bytes)?;
    Ok(file.names().count())
}

/// What a header says.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    about: Option<HashMap<String, String>>,
    #[serde(flatten)]
    tensors: HashMap<String, TensorInfo>,
}

impl Header {
    /// Checks that the tensors fill `data` bytes, each of the length that it must have.
    fn fill(self, data: u64) -> Result<Metadata, SafeTensorError> {
        let mut tensors: Vec<_> = self.tensors.into_iter().collect();
        tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
        let metadata = Metadata::new(self.about, tensors)?;
        match metadata.data_len() as u64 == data {
            true => Ok(metadata),
            false => Err(SafeTensorError::MetadataIncompleteBuffer),
        }
    }
}

impl<'a> TensorFile<'a> {
    pub(crate) fn open(name: &'a str, bytes: &'a dyn ReadAt) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Safetensors {
            file: name.to_owned(),
            reason: reason.chars().take(200).collect(),
        };
        let whole = bytes.length();
        if whole < LENGTH_BYTES {
            let reason = format!("it has {whole} bytes, too few for a header");
            return Err(wrong(reason));
        }
        let mut length = [0; LENGTH_BYTES as usize];
        read(name, bytes, 0, &mut length)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(wrong(format!("its header claims {length} bytes")));
        }
        let data = LENGTH_BYTES + length;
        if data > whole {
            return Err(wrong(cut_off(whole, data)));
        }
        let mut header = vec![0; length as usize];
        read(name, bytes, LENGTH_BYTES, &mut header)?;
        check_header(&header, whole).map_err(wrong)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|e| wrong(format!("its header is not one of tensors: {e}")))?;
        let tensors = header.fill(whole - data);
        let tensors = tensors.map_err(|e| wrong(format!("{e:?}")))?;
        Ok(Self {
            name,
            bytes,
            tensors,
            data,
        })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.tensors.offset_keys().into_iter()
    }

    /// Whether the tensor called `name` has no values.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        let tensor = self.tensors.info(name);
        tensor.is_some_and(|tensor| tensor.data_offsets.0 == tensor.data_offsets.1)
    }

    /// The tensor called `name`, if this file has it, as f32 in row-major order.
    pub(crate) fn get(
        &self,
        name: &str,
        expected: &[usize],
    ) -> Result<Option<Vec<f32>>, LoadError> {
        let tensor = self.tensors.info(name);
        // Of another shape it is refused before any of it is read.
        let fits = tensor.is_some_and(|tensor| tensor.shape == expected);
        let count = if fits { expected.iter().product() } else { 0 };
        let mut values = Vec::with_capacity(count);
        let found = self.each(name, expected, |part| values.extend_from_slice(part))?;
        Ok(found.then_some(values))
    }

    /// Whether the tensor called `name` has these values; none if this file has it not.
    pub(crate) fn equals(
        &self,
        name: &str,
        expected: &[usize],
        values: &[f32],
    ) -> Result<Option<bool>, LoadError> {
        let (mut left, mut same) = (values, true);
        let found = self.each(name, expected, |part| {
            same &= left.split_off(..part.len()).is_some_and(|own| own == part);
        })?;
        Ok(found.then_some(same && left.is_empty()))
    }

    /// Gives `take` the values of the tensor called `name` part by part; false if this file has it
    /// not.
    fn each(
        &self,
        name: &str,
        expected: &[usize],
        mut take: impl FnMut(&[f32]),
    ) -> Result<bool, LoadError> {
        let Some(tensor) = self.tensors.info(name) else {
            return Ok(false);
        };
        if tensor.shape != expected {
            return Err(LoadError::Shape {
                name: name.to_owned(),
                found: tensor.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        let (from, to) = tensor.data_offsets;
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        let mut before = 0;
        widen(name, tensor.dtype, &bytes, &mut values)?;
        for at in (from..to).step_by(CHUNK) {
            bytes.resize((to - at).min(CHUNK), 0);
            read(self.name, self.bytes, self.data + at as u64, &mut bytes)?;
            widen(name, tensor.dtype, &bytes, &mut values)?;
            if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
                return Err(self.not_finite(name, expected, before + bad));
            }
            before += values.len();
            take(&values);
        }
        Ok(true)
    }

    fn not_finite(&self, name: &str, shape: &[usize], index: usize) -> LoadError {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let (row, column) = match shape.len() {
            0 | 1 => (0, index),
            _ => (index / width, index % width),
        };
        LoadError::NotFinite {
            name: format!("{name} of {}", self.name),
            row,
            column,
        }
    }
}

/// Reads bytes of the file called `name`, which has them.
fn read(name: &str, bytes: &dyn ReadAt, at: u64, out: &mut [u8]) -> Result<(), LoadError> {
    let read = bytes.read_at(at, out);
    read.map_err(|source| LoadError::Read {
        path: name.to_owned(),
        source,
    })
}

/// What the safetensors crate leaves unchecked before it adds numbers from the header: that no
/// offset lies outside the file, which has `whole` bytes.
fn check_header(header: &[u8], whole: u64) -> Result<(), String> {
    let length = header.len() as u64;
    let held = whole - LENGTH_BYTES - length;
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(|e| format!("its header is not JSON: {e}"))?;
    let ends = |entry: &Value| entry["data_offsets"][1].as_u64();
    let end = header.values().filter_map(ends).max().unwrap_or(0);
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let offsets = entry["data_offsets"].as_array().map(Vec::as_slice);
        let inside = match offsets {
            Some([from, to]) => match (from.as_u64(), to.as_u64()) {
                (Some(from), Some(to)) => from <= to && to <= held,
                _ => false,
            },
            _ => false,
        };
        let orderly = offsets.is_some_and(|o| o.len() == 2 && o[0].as_u64() <= o[1].as_u64());
        if !inside && orderly && (held + 1..1 << 48).contains(&end) {
            let described = end.saturating_add(LENGTH_BYTES + length);
            return Err(cut_off(whole, described));
        }
        if !inside {
            let claimed = &entry["data_offsets"];
            return Err(format!(
                "tensor {name} claims data at {claimed}, and the file holds {held} bytes of data"
            ));
        }
    }
    Ok(())
}

/// What is said of a file that ends before its data do.
fn cut_off(found: u64, whole: u64) -> String {
    format!("it is cut off: it has {found} bytes, and its header describes {whole}")
}

/// Turns bytes into values, f16 and bf16 exactly.
fn widen(name: &str, dtype: Dtype, data: &[u8], out: &mut Vec<f32>) -> Result<(), LoadError> {
    out.clear();
    let mut two = |convert: fn([u8; 2]) -> f32| {
        let (pairs, _) = data.as_chunks::<2>();
        out.extend(pairs.iter().map(|pair| convert(*pair)));
    };
    match dtype {
        Dtype::F32 => {
            let (words, _) = data.as_chunks::<4>();
            out.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
        }
        Dtype::F16 => two(|pair| f16::from_le_bytes(pair).to_f32()),
        Dtype::BF16 => two(|pair| bf16::from_le_bytes(pair).to_f32()),
        other => {
            return Err(LoadError::Dtype {
                name: name.to_owned(),
                dtype: format!("{other:?}"),
            });
        }
    }
    Ok(())
}
