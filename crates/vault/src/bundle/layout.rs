//! A bundle that is nowhere written down: what stands at each place of it.

use super::{BLOCK, BundleError, END, Entry, Names, padding};

/// Where the header and the content of each entry are in the bundle that they make.
#[derive(Debug, Default)]
pub struct Layout {
    entries: Vec<Entry>,
    names: Names,
    /// Where the header of each entry begins.
    starts: Vec<u64>,
    /// Where the end mark begins.
    end: u64,
}

/// What stands at a place of a bundle.
#[derive(Debug, PartialEq, Eq)]
pub enum Spot {
    /// The rest of a header, from this byte of it on.
    Header(Box<[u8; BLOCK]>, usize),
    /// So many zeros.
    Zeros(u64),
    /// The content of an entry.
    Content {
        /// Which entry.
        entry: usize,
        /// Which byte of its content.
        at: u64,
        /// How many follow, with that one.
        left: u64,
    },
}

impl Layout {
    /// Adds the next entry.
    ///
    /// # Errors
    /// [`BundleError`] when it may not be the next one.
    pub fn push(&mut self, entry: Entry) -> Result<(), BundleError> {
        self.names.admit(&entry)?;
        let content = entry.length;
        let end = (BLOCK + padding(content)) as u64;
        let end = content
            .checked_add(end)
            .and_then(|n| n.checked_add(self.end));
        let end = end.filter(|end| end.checked_add(END as u64).is_some());
        let end = end.ok_or(BundleError::TooLarge { limit: u64::MAX })?;
        self.starts.push(self.end);
        self.entries.push(entry);
        self.end = end;
        Ok(())
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of the bundle.
    pub fn length(&self) -> u64 {
        self.end + END as u64
    }

    /// What stands at byte `at`; no zeros are left after the end.
    ///
    /// # Errors
    /// [`BundleError`] when the header there cannot be written.
    pub fn spot(&self, at: u64) -> Result<Spot, BundleError> {
        let after = self.starts.partition_point(|start| *start <= at);
        let Some(entry) = after.checked_sub(1).filter(|_| at < self.end) else {
            return Ok(Spot::Zeros(self.length().saturating_sub(at)));
        };
        let (found, into) = (&self.entries[entry], at - self.starts[entry]);
        if into < BLOCK as u64 {
            return Ok(Spot::Header(Box::new(found.header()?), into as usize));
        }
        let at = into - BLOCK as u64;
        Ok(
            match found.length.checked_sub(at).filter(|left| *left > 0) {
                Some(left) => Spot::Content { entry, at, left },
                None => Spot::Zeros(found.length + padding(found.length) as u64 - at),
            },
        )
    }
}
