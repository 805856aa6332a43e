//! Matrices of 8-bit integers in the order in which integer tiles read them: four values along k,
//! a *quad*, lie side by side, as dot product instructions take them.

use super::even_cuts;
use crate::scratch::Buffer;

/// Columns of a panel of B, on every path.
pub(crate) use super::PANEL;

/// Values along k that lie together.
pub(crate) const QUAD: usize = 4;

/// A right-hand matrix: for each 32 columns their quads, one step of four along k after the other;
/// what lies beyond the matrix is zero. One layout for every path.
#[derive(Clone, Debug)]
pub(crate) struct Quads {
    data: Buffer,
    sums: Vec<i32>,
    depth: usize,
    cols: usize,
}

/// The panels to read.
#[derive(Clone, Copy)]
pub(crate) struct QuadsRef<'a> {
    data: &'a [i8],
    /// For each column, up to whole panels, the sum of its values (modulo 2^32).
    pub(crate) sums: &'a [i32],
    /// Rows of the matrix: the depth of the product.
    pub(crate) depth: usize,
}

impl<'a> QuadsRef<'a> {
    /// The quads of 32 columns.
    pub(crate) fn panel(self, n: usize) -> &'a [i8] {
        let size = panel_size(self.depth);
        &self.data[n * size..][..size]
    }
}

fn panel_size(depth: usize) -> usize {
    depth.div_ceil(QUAD) * PANEL * QUAD
}

impl Quads {
    /// Packs a row-major matrix of `rows` x `cols`, or its transpose.
    pub(crate) fn new(values: &[i8], rows: usize, cols: usize, transposed: bool) -> Self {
        let (depth, width) = if transposed {
            (cols, rows)
        } else {
            (rows, cols)
        };
        let size = panel_size(depth);
        let panels = width.div_ceil(PANEL);
        let mut data = Buffer::zeroed((panels * size).div_ceil(4));
        let mut sums = vec![0i32; panels * PANEL];
        let out = data.take_bytes(panels * size);
        for (n, panel) in out.chunks_exact_mut(size.max(1)).enumerate() {
            let first = n * PANEL;
            let count = PANEL.min(width - first);
            if transposed {
                // A column of the product is a row of the matrix: quads as they lie.
                for j in 0..count {
                    let row = &values[(first + j) * cols..][..cols];
                    for (step, quad) in row.chunks(QUAD).enumerate() {
                        let to = (step * PANEL + j) * QUAD;
                        panel[to..to + quad.len()].copy_from_slice(quad);
                    }
                }
            } else {
                for k in 0..depth {
                    let row = &values[k * cols + first..][..count];
                    let step = &mut panel[k / QUAD * PANEL * QUAD..][..PANEL * QUAD];
                    for (quad, value) in step.chunks_exact_mut(QUAD).zip(row) {
                        quad[k % QUAD] = *value;
                    }
                }
            }
            let sums = &mut sums[first..first + PANEL];
            for step in panel.chunks_exact(PANEL * QUAD) {
                for (sum, quad) in sums.iter_mut().zip(step.chunks_exact(QUAD)) {
                    let four: i32 = quad.iter().map(|v| i32::from(*v)).sum();
                    *sum = sum.wrapping_add(four);
                }
            }
        }
        Self {
            data,
            sums,
            depth,
            cols: width,
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn view(&self) -> QuadsRef<'_> {
        QuadsRef {
            data: self.data.as_bytes(),
            sums: &self.sums,
            depth: self.depth,
        }
    }
}

/// How a tile reads a quad of A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "a processor's tiles use some of them")]
pub(crate) enum LeftForm {
    /// The four values.
    Signed,
    /// The four values plus 128, as unsigned bytes.
    Offset,
    /// Values 0, 2, 1, 3 as 16-bit integers.
    Wide,
}

impl LeftForm {
    /// Bytes of a quad.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Signed | Self::Offset => QUAD,
            Self::Wide => 2 * QUAD,
        }
    }

    fn write(self, quad: [i8; QUAD], to: &mut [i8]) {
        match self {
            Self::Signed => to.copy_from_slice(&quad),
            Self::Offset => to.copy_from_slice(&quad.map(|v| v ^ i8::MIN)),
            Self::Wide => {
                for (to, at) in to.chunks_exact_mut(2).zip([0, 2, 1, 3]) {
                    let [low, high] = i16::from(quad[at]).to_le_bytes();
                    to.copy_from_slice(&[low as i8, high as i8]);
                }
            }
        }
    }
}

/// Packs `rows` rows of `depth` values in panels of at most `height` rows, as [`even_cuts`] cuts
/// them: for each step of four along k one quad a row.
pub(crate) fn pack_left(
    a: &[i8],
    depth: usize,
    rows: usize,
    height: usize,
    form: LeftForm,
    out: &mut [i8],
) {
    let (steps, bytes) = (depth.div_ceil(QUAD), form.bytes());
    for (first, count) in even_cuts(rows, height) {
        let panel = &mut out[first * steps * bytes..][..count * steps * bytes];
        for i in 0..count {
            let (whole, rest) = a[(first + i) * depth..][..depth].as_chunks::<QUAD>();
            let mut to = i * bytes;
            for quad in whole {
                form.write(*quad, &mut panel[to..to + bytes]);
                to += count * bytes;
            }
            if !rest.is_empty() {
                let mut quad = [0; QUAD];
                quad[..rest.len()].copy_from_slice(rest);
                form.write(quad, &mut panel[to..to + bytes]);
            }
        }
    }
}

#[cfg(test)]
#[path = "quads_tests.rs"]
mod tests;
