//! Reading a bundle entry by entry, in constant memory.

use std::io::{self, Read};

use super::{BLOCK, BundleError, Entry, Names, padding};

/// Reads the entries of a bundle in order; as a [`Read`], the content of the entry at hand.
///
/// Headers are read one by one and not through `tar::Archive`, which lets extensions rename or
/// resize the next entry and ignores what follows a file or the end mark.
pub struct BundleReader<R> {
    source: R,
    names: Names,
    /// The entry at hand and how much of its content is still to come.
    at: Option<(Entry, u64)>,
    ended: bool,
}

impl<R: Read> BundleReader<R> {
    /// Will read `source`, which holds a bundle and nothing after it.
    pub fn new(source: R) -> Self {
        Self {
            source,
            names: Names::default(),
            at: None,
            ended: false,
        }
    }

    /// The next entry, or `None` after the last; what was not read of the one before is passed.
    ///
    /// # Errors
    /// [`BundleError`] for anything that a writer would not have written, down to the byte.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, BundleError> {
        if self.ended {
            return Ok(None);
        }
        self.pass()?;
        let mut block = [0; BLOCK];
        self.source.read_exact(&mut block)?;
        if block == [0; BLOCK] {
            zeros(&mut self.source, BLOCK)?;
            self.ended = true;
            return match self.source.read(&mut [0])? {
                0 => Ok(None),
                _ => Err(damaged("bytes follow its end mark")),
            };
        }
        let entry = Entry::read(&block)?;
        self.names.admit(&entry)?;
        self.at = Some((entry.clone(), entry.length));
        Ok(Some(entry))
    }

    /// Reads to the end of the entry at hand.
    fn pass(&mut self) -> Result<(), BundleError> {
        io::copy(&mut &mut *self, &mut io::sink())?;
        let Some((entry, left)) = self.at.take() else {
            return Ok(());
        };
        if left > 0 {
            return Err(BundleError::Length {
                found: entry.length - left,
                expected: entry.length,
                name: entry.name,
            });
        }
        zeros(&mut self.source, padding(entry.length))
    }
}

impl<R: Read> Read for BundleReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((_, left)) = &mut self.at else {
            return Ok(0);
        };
        let most = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.source.read(&mut buffer[..most])?;
        *left -= read as u64;
        Ok(read)
    }
}

/// Reads `count` zeros, at most a block.
pub(super) fn zeros(source: &mut impl Read, count: usize) -> Result<(), BundleError> {
    let mut padding = [0; BLOCK];
    source.read_exact(&mut padding[..count])?;
    if padding != [0; BLOCK] {
        return Err(damaged("its padding is not empty"));
    }
    Ok(())
}

pub(super) fn damaged(why: &'static str) -> BundleError {
    BundleError::Archive(io::Error::new(io::ErrorKind::InvalidData, why))
}
