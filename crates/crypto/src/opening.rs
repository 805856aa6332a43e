//! Ranges of a hashed byte string, shown alone.
//!
//! [`Digest::of`] is BLAKE3, a tree over chunks of 1,024 bytes (Aumasson, Neves, O'Connor and
//! Wilcox-O'Hearn, *BLAKE3*, 2020, section 2.1). A range of what was hashed is shown with the chunks it
//! touches and, for every subtree beside them, its chaining value: twelve or so for a piece of 4 MiB. What
//! is hashed begins with the length of the bytes, so the first chunk also shows how many there are.
//!
//! A chunk's place is hashed with it, and leaves and parents are told apart. So bytes that are shown for
//! a range are what stands there, whichever length the verifier believes in: a wrong one gives
//! another tree, in which nothing that is shown fits. Only what the first chunk says about the length
//! is proven of it.

use std::io;
use std::ops::Range;

use blake3::hazmat::{self, ChainingValue, ContextKey, HasherExt, Mode};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::Digest;

/// Bytes of the length that stands before what is hashed.
const PREFIX: u64 = 8;
/// Bytes of a chunk.
const CHUNK: u64 = blake3::CHUNK_LEN as u64;
/// The most bytes of chunks in an opening: enough for a range of 31 KiB, wherever it begins.
const MAX_SHOWN: usize = 32 * 1024;
/// The most chaining values in an opening: two for each level of a tree over 2^50 bytes.
const MAX_BESIDE: usize = 80;
/// The longest byte string of which ranges are shown, in bytes.
pub const MAX_OPENED: u64 = 1 << 50;

/// A range of a byte string under its [`Digest::of`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
pub struct RangeOpening {
    /// The chunks that the range touches, one after the other.
    #[serde(with = "in_hex")]
    chunks: Vec<u8>,
    /// The chaining values of the subtrees beside them, from left to right.
    beside: Vec<Digest>,
}

impl BorshDeserialize for RangeOpening {
    /// Refuses more than 32 KiB of chunks and 80 chaining values before reading them.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<RangeOpening> {
        let mut bounded = |most: usize| {
            let length = u32::deserialize_reader(reader)? as usize;
            match length <= most {
                true => Ok(length),
                false => Err(invalid(length, most)),
            }
        };
        let length = bounded(MAX_SHOWN)?;
        let mut chunks = vec![0; length];
        reader.read_exact(&mut chunks)?;
        let count = u32::deserialize_reader(reader)? as usize;
        if count > MAX_BESIDE {
            return Err(invalid(count, MAX_BESIDE));
        }
        let beside = (0..count).map(|_| Digest::deserialize_reader(reader));
        let beside = beside.collect::<Result<_, _>>()?;
        Ok(RangeOpening { chunks, beside })
    }
}

fn invalid(length: usize, most: usize) -> io::Error {
    let text = format!("an opening has at most {most} parts here, not {length}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl RangeOpening {
    /// Shows `range` of `bytes` under `Digest::of(domain, &[bytes])`; none where it ends beyond them, or is
    /// longer than an opening may be. An empty range shows the chunk in which it lies.
    pub fn new(domain: &'static str, bytes: &[u8], range: Range<u64>) -> Option<RangeOpening> {
        let length = bytes.len() as u64;
        let shown = chunks(length, &range)?;
        if shown.end - shown.start > MAX_SHOWN as u64 {
            return None;
        }
        let hashed = [&length.to_le_bytes()[..], bytes].concat();
        let mut opening = RangeOpening {
            chunks: hashed[shown.start as usize..shown.end as usize].to_vec(),
            beside: Vec::new(),
        };
        let tree = Tree::new(domain, shown);
        tree.beside(&hashed, 0, &mut opening.beside);
        Some(opening)
    }

    /// The bytes of `range`, if this shows them under the digest of a string of `length` bytes.
    pub fn verify(
        &self,
        (domain, digest): (&'static str, &Digest),
        length: u64,
        range: Range<u64>,
    ) -> Option<&[u8]> {
        let shown = chunks(length, &range)?;
        if self.chunks.len() as u64 != shown.end - shown.start {
            return None;
        }
        let first = shown.start;
        let whole = 0..length + PREFIX;
        let tree = Tree::new(domain, shown);
        let mut rest = Rest {
            chunks: &self.chunks,
            beside: self.beside.iter(),
        };
        let root = match whole.end <= CHUNK {
            true => Digest::of_bytes(domain, std::mem::take(&mut rest.chunks)),
            false => {
                let [left, right] = tree.children(whole)?;
                let left = tree.value(left, &mut rest)?;
                let right = tree.value(right, &mut rest)?;
                Digest(*hazmat::merge_subtrees_root(&left, &right, tree.mode()).as_bytes())
            }
        };
        let used = rest.chunks.is_empty() && rest.beside.next().is_none();
        if !used || root != *digest {
            return None;
        }
        let within = |at: u64| usize::try_from((at + PREFIX).checked_sub(first)?).ok();
        self.chunks.get(within(range.start)?..within(range.end)?)
    }

    /// How many bytes the string has of which this shows the beginning, by what is hashed before them:
    /// none, where this does not show the first chunk of a string of `length` bytes.
    pub fn verify_length(
        &self,
        (domain, digest): (&'static str, &Digest),
        length: u64,
    ) -> Option<u64> {
        self.verify((domain, digest), length, 0..0)?;
        let prefix = self.chunks.first_chunk()?;
        Some(u64::from_le_bytes(*prefix))
    }
}

/// What of an opening has not been used yet.
struct Rest<'a> {
    chunks: &'a [u8],
    beside: std::slice::Iter<'a, Digest>,
}

/// The tree over a byte string, of which some chunks are shown.
struct Tree {
    key: ContextKey,
    shown: Range<u64>,
}

impl Tree {
    fn new(domain: &'static str, shown: Range<u64>) -> Tree {
        let key = hazmat::hash_derive_key_context(domain);
        Tree { key, shown }
    }

    fn mode(&self) -> Mode<'_> {
        Mode::DeriveKeyMaterial(&self.key)
    }

    /// The two halves of a subtree of more than one chunk.
    fn children(&self, of: Range<u64>) -> Option<[Range<u64>; 2]> {
        let length = of.end.checked_sub(of.start).filter(|all| *all > CHUNK)?;
        let middle = of.start + hazmat::left_subtree_len(length);
        Some([of.start..middle, middle..of.end])
    }

    fn is_shown(&self, of: &Range<u64>) -> bool {
        of.start < self.shown.end && self.shown.start < of.end
    }

    /// The chaining value of bytes that stand at `from`.
    fn hash(&self, from: u64, bytes: &[u8]) -> ChainingValue {
        let mut hasher = blake3::Hasher::new_from_context_key(&self.key);
        hasher.set_input_offset(from);
        hasher.update(bytes);
        hasher.finalize_non_root()
    }

    /// Collects the chaining values of the subtrees beside what is shown, of the subtree of `bytes` that
    /// begins at `from`.
    fn beside(&self, bytes: &[u8], from: u64, out: &mut Vec<Digest>) {
        let of = from..from + bytes.len() as u64;
        if !self.is_shown(&of) {
            out.push(Digest(self.hash(from, bytes)));
        } else if let Some([left, right]) = self.children(of) {
            let (first, second) = bytes.split_at((left.end - left.start) as usize);
            self.beside(first, left.start, out);
            self.beside(second, right.start, out);
        }
    }

    /// The chaining value of a subtree that is not the whole.
    fn value(&self, of: Range<u64>, rest: &mut Rest<'_>) -> Option<ChainingValue> {
        if !self.is_shown(&of) {
            return rest.beside.next().map(|value| value.0);
        }
        match self.children(of.clone()) {
            Some([left, right]) => {
                let left = self.value(left, rest)?;
                let right = self.value(right, rest)?;
                Some(hazmat::merge_subtrees_non_root(&left, &right, self.mode()))
            }
            None => {
                let length = usize::try_from(of.end - of.start).ok()?;
                let (chunk, others) = rest.chunks.split_at_checked(length)?;
                rest.chunks = others;
                Some(self.hash(of.start, chunk))
            }
        }
    }
}

/// The chunks that a range of so many bytes touches, as a range of what is hashed.
fn chunks(length: u64, range: &Range<u64>) -> Option<Range<u64>> {
    let inside = range.start <= range.end && range.end <= length && length <= MAX_OPENED;
    if !inside {
        return None;
    }
    let whole = length + PREFIX;
    // Of an empty range at the very end, the last chunk.
    let first = (range.start + PREFIX).min(whole - 1) / CHUNK;
    let last = (range.end + PREFIX).max(range.start + PREFIX + 1) - 1;
    let last = last.min(whole - 1) / CHUNK;
    Some(first * CHUNK..((last + 1) * CHUNK).min(whole))
}

/// Bytes as hexadecimal text, in formats that people read.
mod in_hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
