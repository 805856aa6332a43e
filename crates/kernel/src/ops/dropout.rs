//! Dropout.

use super::expect_len;
use crate::dispatch::dispatch;
use crate::kernel::Kernel;
use crate::random::Words;
use crate::reference::elementwise;

/// Work units of an element: a quarter of a ChaCha20 block's sixteenth, and one product.
const COST: usize = 6;

impl Kernel {
    /// `out_i = x_i * (1 / (1 - p))` where word i of the random stream `(key, purpose, index)` is
    /// at least `p * 2^32`, and +0 elsewhere. The gradient is the same operator on the gradient.
    ///
    /// # Panics
    /// If the lengths differ or `p` does not lie in `0.0..1.0`.
    pub fn dropout(
        &self,
        x: &[f32],
        key: &[u8; 32],
        purpose: u32,
        index: u64,
        p: f32,
        out: &mut [f32],
    ) {
        expect_len("out", out.len(), x.len());
        assert!(
            (0.0..1.0).contains(&p),
            "a dropout probability of {p} does not lie in 0.0..1.0"
        );
        // Exact: p has 24 significant bits and the cast rounds down.
        let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
        let factor = 1.0 / (1.0 - p);
        self.for_rows(x.len(), COST, [1], [out], |r, [out]| {
            let mut stream = Words::starting_at(key, purpose, index, r.start);
            let mut words = [0; Words::MOST];
            let x = x[r].chunks(Words::MOST);
            for (x, out) in x.zip(out.chunks_mut(Words::MOST)) {
                let words = &mut words[..x.len()];
                stream.fill(words);
                let words = &*words;
                dispatch!(
                    self.path,
                    elementwise::keep(
                        x: &[f32],
                        words: &[u32],
                        threshold: u32,
                        factor: f32,
                        out: &mut [f32],
                    )
                );
            }
        });
    }
}
