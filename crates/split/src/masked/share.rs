//! Additive shares modulo 2^64.

use assay_kernel::random::Stream;

/// The purpose under which shares are drawn from the masking key.
pub const SHARE_PURPOSE: u32 = 6;

/// Draws shares. Product `n` uses the stream `(key, SHARE_PURPOSE, n)`, and no `n` is used twice.
///
/// The key is 32 bytes of fresh randomness for each masker and never leaves the requester: whoever
/// has it removes the masks, and two maskers with one key would give the difference of two
/// activations away.
pub struct Masker {
    key: [u8; 32],
    next: u64,
}

impl Masker {
    /// A masker under a fresh key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, next: 0 }
    }

    /// The number of the next product; `None` when all are used.
    pub(crate) fn next(&self) -> Option<u64> {
        (self.next != u64::MAX).then_some(self.next)
    }

    /// Two shares of the integers, with the number of the product: the first is uniform, the second
    /// is what is missing, uniform too as long as one does not know the first.
    pub fn share(&mut self, integers: &[i32]) -> Option<(u64, [Vec<u64>; 2])> {
        let number = self.next()?;
        self.next = number + 1;
        let mut stream = Stream::new(&self.key, SHARE_PURPOSE, number);
        let first: Vec<u64> = integers.iter().map(|_| stream.next_u64()).collect();
        let missing = |(x, mask): (&i32, &u64)| (i64::from(*x) as u64).wrapping_sub(*mask);
        let second = integers.iter().zip(&first).map(missing).collect();
        Some((number, [first, second]))
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
