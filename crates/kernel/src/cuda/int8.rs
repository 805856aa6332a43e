//! Products of 8-bit integers.

use super::device::Device;
use super::error::DeviceError;
use super::launch::{Threads, arguments, expect_len, int};
use super::memory::DeviceSlice;
use crate::matrix::Store;

/// Rows are padded to a multiple of so many bytes.
const PAD: usize = 64;
/// Four stages of two tiles of 128 rows.
const SHARED: u32 = (4 * 2 * 128 * PAD) as u32;
/// Terms whose products always fit in 32 bits.
const DEEPEST: usize = 131_071;

pub(super) fn functions() -> impl Iterator<Item = (&'static str, u32)> {
    [("product_i8", SHARED)].into_iter()
}

/// 8-bit rows on a device, each padded with zeros, that products run along.
#[derive(Clone, Debug)]
pub struct Int8Matrix {
    values: DeviceSlice,
    rows: usize,
    cols: usize,
}

impl Int8Matrix {
    fn padded(&self) -> usize {
        self.cols.next_multiple_of(PAD)
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns, without padding.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

impl Device {
    /// Memory for a matrix.
    ///
    /// # Errors
    /// When the device has too little memory.
    pub fn reserve_i8(&self, rows: usize, cols: usize) -> Result<Int8Matrix, DeviceError> {
        let words = rows * cols.next_multiple_of(PAD) / 4;
        let values = self.reserve(words)?;
        Ok(Int8Matrix { values, rows, cols })
    }

    /// A matrix of these values, row-major, or of its transpose.
    ///
    /// # Errors
    /// When the device has too little memory.
    ///
    /// # Panics
    /// If the length disagrees.
    pub fn upload_i8(
        &self,
        values: &[i8],
        rows: usize,
        cols: usize,
        transposed: bool,
    ) -> Result<Int8Matrix, DeviceError> {
        expect_len("values", values.len(), rows * cols);
        let (height, width) = if transposed {
            (cols, rows)
        } else {
            (rows, cols)
        };
        let matrix = self.reserve_i8(height, width)?;
        let padded = matrix.padded();
        let mut words = vec![0_u32; height * padded / 4];
        for i in 0..height {
            for j in 0..width {
                let at = if transposed {
                    j * cols + i
                } else {
                    i * cols + j
                };
                let place = i * padded + j;
                words[place / 4] |= u32::from(values[at] as u8) << (place % 4 * 8);
            }
        }
        self.write(&matrix.values, &words)?;
        Ok(matrix)
    }

    /// Quantises rows as the kernel specification's `quantize_rows`, after a factor for each column
    /// if there are factors; `scales` takes one value a row.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn quantize_rows(
        &self,
        x: &DeviceSlice,
        factors: Option<&DeviceSlice>,
        q: &Int8Matrix,
        scales: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let Int8Matrix { rows, cols, .. } = *q;
        expect_len("x", x.len(), rows * cols);
        expect_len("scales", scales.len(), rows);
        if let Some(factors) = factors {
            expect_len("factors", factors.len(), cols);
        }
        let (n, padded) = (int(cols), int(q.padded()));
        self.launch(
            "quantize_rows",
            Threads::warps(rows),
            arguments![x, factors, &q.values, scales, int(rows), n, padded],
        )
    }

    /// `c [m, n]` = the integer products of a's rows and b's, times a's scales and, if given, b's,
    /// as the kernel specification's `product_i8`.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree or rows are longer than 131,071.
    pub fn product_i8(
        &self,
        (a, scale_a): (&Int8Matrix, &DeviceSlice),
        (b, scale_b): (&Int8Matrix, Option<&DeviceSlice>),
        c: &DeviceSlice,
        store: Store,
    ) -> Result<(), DeviceError> {
        let (m, n) = (a.rows, b.rows);
        expect_len("b", b.cols, a.cols);
        expect_len("c", c.len(), m * n);
        expect_len("scale_a", scale_a.len(), m);
        if let Some(scale_b) = scale_b {
            expect_len("scale_b", scale_b.len(), n);
        }
        assert!(a.cols <= DEEPEST, "rows of {} terms are too long", a.cols);
        let threads = Threads {
            grid: [n.div_ceil(128) as u32, m.div_ceil(128) as u32, 1],
            block: [256, 1],
            shared: SHARED,
        };
        let (padded, accumulate) = (int(a.padded()), store == Store::Accumulate);
        self.launch(
            "product_i8",
            threads,
            arguments![
                &a.values,
                scale_a,
                &b.values,
                scale_b,
                c,
                int(m),
                int(n),
                padded,
                accumulate
            ],
        )
    }
}
