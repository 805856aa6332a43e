//! A walk over Thrift's compact protocol, in which Parquet writes its footer and page headers.
//!
//! It builds nothing: it checks that what a file announces is there, before a reader makes room for
//! it.

/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 32;

/// The kinds of values, as the protocol numbers them.
const STOP: u8 = 0;
pub(super) const STRUCT: u8 = 12;

/// A place in encoded bytes.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes passed.
    pub(super) fn passed(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at)?;
        self.at += 1;
        Some(*byte)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        let left = (self.bytes.len() - self.at) as u64;
        self.at += usize::try_from(count).ok().filter(|_| count <= left)?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Passes the fields of a struct. `field` is told number and kind of each, and passes its value
    /// or says that it did not.
    pub(super) fn fields(
        &mut self,
        depth: usize,
        field: &mut dyn FnMut(&mut Self, i64, u8) -> Option<bool>,
    ) -> Option<()> {
        let mut number = 0i64;
        loop {
            let head = self.byte()?;
            if head & 0x0f == STOP {
                return Some(());
            }
            number = match head >> 4 {
                0 => self.integer()?,
                delta => number.checked_add(i64::from(delta))?,
            };
            if !field(self, number, head & 0x0f)? {
                self.value(head & 0x0f, depth + 1, false)?;
            }
        }
    }

    /// Passes a value; truth values take a byte within lists only.
    fn value(&mut self, kind: u8, depth: usize, listed: bool) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | 2 => self.skip(u64::from(listed)),
            3 => self.skip(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    count => u64::from(count),
                };
                self.values(count, &[head & 0x0f], depth)
            }
            11 => match self.unsigned()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.values(count, &[kinds >> 4, kinds & 0x0f], depth)
                }
            },
            STRUCT => self.fields(depth, &mut |_, _, _| Some(false)),
            _ => None,
        }
    }

    /// Passes so many values of each of these kinds, every one of which takes a byte or more.
    fn values(&mut self, count: u64, kinds: &[u8], depth: usize) -> Option<()> {
        if count > (self.bytes.len() - self.at) as u64 {
            return None;
        }
        for _ in 0..count {
            for kind in kinds {
                self.value(*kind, depth + 1, true)?;
            }
        }
        Some(())
    }

    /// Passes a whole struct; none when something it announces is not there.
    pub(super) fn whole(&mut self) -> Option<()> {
        self.value(STRUCT, 0, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_values_must_be_there() {
        // Field 1: a list of two numbers; field 2: text.
        let good = [0x19, 0x25, 0x02, 0x04, 0x18, 0x02, b'h', b'i', 0x00];
        let mut walk = Walk::new(&good);
        assert_eq!(walk.whole(), Some(()));
        assert_eq!(walk.passed(), good.len());
        for end in 0..good.len() {
            assert_eq!(Walk::new(&good[..end]).whole(), None, "{end}");
        }
        // A list that announces 2^31 structs, a text of 2^40 bytes, and structs in structs.
        assert_eq!(
            Walk::new(&[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0]).whole(),
            None
        );
        assert_eq!(
            Walk::new(&[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0, 0]).whole(),
            None
        );
        assert_eq!(Walk::new(&[0x1c; 1000]).whole(), None);
        let mut number = Walk::new(&[0x07]);
        assert_eq!(number.integer(), Some(-4));
    }
}
