//! Inputs that stand for several things: parts behind their lengths, in one byte string.

/// Cuts parts off the front of an input. It never fails: what is missing is empty or zero.
#[derive(Debug)]
pub struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Nothing cut off yet.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let cut = self.cut(N);
        out[..cut.len()].copy_from_slice(cut);
        out
    }

    /// The next part: two bytes of length (little-endian), then as many bytes.
    pub fn part(&mut self) -> &'a [u8] {
        let length = u16::from_le_bytes(self.array());
        self.cut(usize::from(length))
    }

    /// Everything left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn cut(&mut self, length: usize) -> &'a [u8] {
        let (cut, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        cut
    }
}

/// Bytes that [`Parts::part`] reads as `content`.
///
/// # Panics
/// If the content has more than 65,535 bytes.
pub fn part(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a seed is small");
    [&length.to_le_bytes(), content].concat()
}
