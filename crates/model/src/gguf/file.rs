//! A GGUF file whose container has been checked.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};

use gguf_rs_lib::error::GGUFError;
use gguf_rs_lib::reader::{GGUFFileReader, GGUFReaderConfig};

use super::error::{GgufError, shown};
use super::metadata::Keys;
use super::quant::Quant;

/// Most bytes of metadata that are read; vocabularies of 256,000 tokens take about 20 MB.
const MAX_METADATA: usize = 64 << 20;
/// Most memory that metadata may take once they are read.
const MAX_METADATA_DECODED: usize = 256 << 20;
/// Where the version lies.
const VERSION: std::ops::Range<usize> = 4..8;

/// A GGUF file in memory: metadata, and tensors that have been found inside the file.
#[derive(Debug)]
pub struct GgufFile<'a> {
    pub(super) keys: Keys,
    tensors: BTreeMap<String, GgufTensor<'a>>,
}

/// A tensor of a GGUF file.
#[derive(Clone, Debug)]
pub struct GgufTensor<'a> {
    quant: Quant,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> GgufFile<'a> {
    /// Reads the container. Nothing is dequantised yet.
    ///
    /// # Errors
    /// When the bytes are no GGUF file of version 2 or 3, a length, offset or count does not fit
    /// the file, tensors overlap or share a name, or one is stored in a type that is not read.
    pub fn open(bytes: &'a [u8]) -> Result<Self, GgufError> {
        if !bytes.starts_with(b"GGUF") {
            return Err(GgufError::NotGguf);
        }
        let version = bytes
            .get(VERSION)
            .and_then(|field| Some(u32::from_le_bytes(*field.first_chunk()?)));
        match version {
            None => return Err(GgufError::Damaged("it ends within the header".into())),
            Some(2 | 3) => {}
            Some(other) => return Err(GgufError::Version(other)),
        }
        let settings = GGUFReaderConfig {
            max_metadata_size: MAX_METADATA,
            max_decoded_metadata_size: MAX_METADATA_DECODED,
            ..GGUFReaderConfig::default()
        };
        let reader =
            GGUFFileReader::with_config(Version3(Cursor::new(bytes)), settings).map_err(damaged)?;
        let start = reader.tensor_data_offset();
        let mut tensors = BTreeMap::new();
        for info in reader.tensor_infos() {
            let kind = info.tensor_type();
            let quant = Quant::of(kind).ok_or_else(|| GgufError::Kind {
                name: shown(info.name()),
                kind: kind.name().into(),
            })?;
            let place = start.checked_add(info.data_offset());
            let found = place.and_then(|at| tensor(bytes, at, info.shape().dims(), quant));
            let tensor = found.ok_or_else(|| {
                GgufError::Damaged(format!("tensor {} lies outside it", shown(info.name())))
            })?;
            tensors.insert(info.name().to_owned(), tensor);
        }
        let keys = Keys(reader.metadata().clone());
        Ok(Self { keys, tensors })
    }

    /// Every tensor with its name, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &GgufTensor<'a>)> {
        self.tensors.iter().map(|(name, t)| (name.as_str(), t))
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor<'a>> {
        self.tensors.get(name)
    }
}

impl<'a> GgufTensor<'a> {
    /// How it is stored.
    pub fn quant(&self) -> Quant {
        self.quant
    }

    /// Its shape, rows first; GGUF writes it the other way round.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, row-major, as `docs/gguf.md` defines them. They may not be finite.
    pub fn values(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.shape.iter().product()];
        self.quant.dequantise(self.bytes, &mut out);
        out
    }

    /// Rows of a matrix; a vector is one row.
    pub(super) fn rows(&self) -> usize {
        match self.shape.as_slice() {
            [rows, _] => *rows,
            _ => 1,
        }
    }

    /// Writes one row into `out`, which has its length.
    pub(super) fn row(&self, row: usize, out: &mut [f32]) {
        let bytes = self.bytes.len() / self.rows().max(1);
        let row = self.bytes.get(row * bytes..(row + 1) * bytes);
        self.quant.dequantise(row.unwrap_or_default(), out);
    }
}

/// A tensor at an offset of the file, if all of it lies inside.
fn tensor<'a>(bytes: &'a [u8], at: u64, dims: &[u64], quant: Quant) -> Option<GgufTensor<'a>> {
    let dims: Option<Vec<usize>> = dims.iter().map(|d| usize::try_from(*d).ok()).collect();
    let mut shape = dims?;
    let width = *shape.first()?;
    if !width.is_multiple_of(quant.block_values()) {
        return None;
    }
    shape.reverse();
    let values = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    let length = (values / quant.block_values()).checked_mul(quant.block_bytes())?;
    let from = usize::try_from(at).ok()?;
    let bytes = bytes.get(from..from.checked_add(length)?)?;
    Some(GgufTensor {
        quant,
        shape,
        bytes,
    })
}

fn damaged(error: GGUFError) -> GgufError {
    if let GGUFError::Format(reason) = &error
        && let Some(kind) = reason.strip_prefix("Unknown GGUF tensor type: ")
    {
        return GgufError::Kind {
            name: "(one of them)".into(),
            kind: format!("type {kind}"),
        };
    }
    let reason = match error {
        GGUFError::InvalidTensorData(reason)
        | GGUFError::InvalidMetadata(reason)
        | GGUFError::Format(reason) => reason,
        GGUFError::Io(_) | GGUFError::UnexpectedEof => "it ends early".into(),
        other => other.to_string(),
    };
    GgufError::Damaged(reason.chars().take(200).collect())
}

/// Shows the library version 3 where the file says 2: little-endian files of both versions have
/// the same layout, and the library reads only the newer number.
struct Version3<'a>(Cursor<&'a [u8]>);

impl Read for Version3<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let at = self.0.position();
        let count = self.0.read(out)?;
        for (byte, position) in out[..count].iter_mut().zip(at..VERSION.end as u64) {
            if position >= VERSION.start as u64 {
                *byte = if position == VERSION.start as u64 {
                    3
                } else {
                    0
                };
            }
        }
        Ok(count)
    }
}

impl Seek for Version3<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}
