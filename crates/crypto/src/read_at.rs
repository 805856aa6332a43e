//! Bytes that lie somewhere, and are read from any place of it.

use std::any::Any;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a known number that need not be in memory: in a file, in sealed pieces, in a folder
/// that is read as an archive. What a read gives is what was there when the number was told, or the
/// read fails.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// When they cannot be read, are no longer what they were, or lie beyond the end.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Fails when what was read is no longer what is there.
    ///
    /// # Errors
    /// A sentence that says what changed.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// All of it, where it lies in memory anyway.
    fn in_memory(&self) -> Option<&[u8]> {
        None
    }

    /// Itself, for those who know how to hand it on to another process.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

impl ReadAt for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(slice(self, at, out.len())?);
        Ok(())
    }

    fn in_memory(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(at, out)
    }

    fn in_memory(&self) -> Option<&[u8]> {
        Some(self)
    }
}

fn slice(bytes: &[u8], at: u64, count: usize) -> io::Result<&[u8]> {
    let from = usize::try_from(at).ok();
    let place = from.and_then(|from| Some(from..from.checked_add(count)?));
    let found = place.and_then(|place| bytes.get(place));
    found.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A part of other bytes.
#[derive(Clone)]
pub struct Part {
    of: Arc<dyn ReadAt>,
    range: Range<u64>,
}

impl Part {
    /// The bytes of `of` in `range`, which is cut off where those end.
    pub fn new(of: Arc<dyn ReadAt>, range: Range<u64>) -> Self {
        let end = range.end.min(of.length());
        let range = range.start.min(end)..end;
        Self { of, range }
    }
}

impl ReadAt for Part {
    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.of.read_at(self.range.start + at, out)
    }

    fn check(&self) -> io::Result<()> {
        self.of.check()
    }

    fn in_memory(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.length()).ok()?;
        slice(self.of.in_memory()?, self.range.start, length).ok()
    }
}

/// Reads bytes from the beginning to the end.
pub struct Reader {
    of: Arc<dyn ReadAt>,
    at: u64,
    failed: bool,
}

impl Reader {
    /// At the beginning of `of`.
    pub fn new(of: Arc<dyn ReadAt>) -> Self {
        Self {
            of,
            at: 0,
            failed: false,
        }
    }

    /// What it reads.
    pub fn get_ref(&self) -> &dyn ReadAt {
        &*self.of
    }

    /// Whether a read failed. Whatever else is wrong is wrong with the bytes themselves, on every
    /// machine alike.
    pub fn failed(&self) -> bool {
        self.failed
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.of.length().saturating_sub(self.at);
        let count = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        if count == 0 {
            return Ok(0);
        }
        let read = self.of.read_at(self.at, &mut out[..count]);
        self.failed |= read.is_err();
        read?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.of.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "before the beginning");
        self.at = at.ok_or_else(outside)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{SLICE_BYTES, content_digest, content_digest_of};

    #[test]
    fn a_part_reads_its_own_bytes_and_none_beside_them() {
        let all: Arc<dyn ReadAt> = Arc::new((0..100u8).collect::<Vec<u8>>());
        let part = Part::new(all.clone(), 10..20);
        let mut out = [0; 4];
        part.read_at(6, &mut out).unwrap();
        assert_eq!(out, [16, 17, 18, 19]);
        assert_eq!(
            part.in_memory(),
            Some(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19][..])
        );
        for at in [7, 10, u64::MAX] {
            let error = part.read_at(at, &mut out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{at}");
        }
        assert_eq!(Part::new(all.clone(), 95..u64::MAX).length(), 5);
        assert_eq!(Part::new(all, 200..300).length(), 0);
    }

    #[test]
    fn a_reader_gives_everything_from_where_it_stands() {
        let all: Arc<dyn ReadAt> = Arc::new((0..100u8).collect::<Vec<u8>>());
        let mut reader = Reader::new(all);
        let mut out = Vec::new();
        reader.seek(SeekFrom::End(-3)).unwrap();
        reader.read_to_end(&mut out).unwrap();
        assert_eq!(out, [97, 98, 99]);
        assert!(reader.seek(SeekFrom::Current(-101)).is_err());
        reader.seek(SeekFrom::Start(1_000)).unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn the_digest_of_bytes_is_the_same_wherever_they_lie() {
        for length in [0, 1, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1] {
            let bytes = vec![7; length];
            assert_eq!(content_digest_of(&bytes).unwrap(), content_digest(&bytes));
        }
    }
}
