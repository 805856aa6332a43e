//! Operators on rows and columns, and sums.

use super::device::Device;
use super::error::DeviceError;
use super::launch::{Threads, arguments, expect_len, int};
use super::memory::DeviceSlice;
use crate::matrix::Store;

impl Device {
    /// [`Kernel::rmsnorm`](crate::Kernel::rmsnorm).
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree, as all operators here.
    pub fn rmsnorm(
        &self,
        x: &DeviceSlice,
        weight: &DeviceSlice,
        eps: f32,
        out: &DeviceSlice,
        inverse: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let (rows, n) = (inverse.len(), weight.len());
        expect_len("x", x.len(), rows * n);
        expect_len("out", out.len(), rows * n);
        self.launch(
            "rmsnorm",
            Threads::warps(rows),
            arguments![x, weight, eps, out, inverse, int(rows), int(n)],
        )
    }

    /// [`Kernel::rmsnorm_backward`](crate::Kernel::rmsnorm_backward).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn rmsnorm_backward(
        &self,
        dy: &DeviceSlice,
        x: &DeviceSlice,
        weight: &DeviceSlice,
        inverse: &DeviceSlice,
        dx: &DeviceSlice,
        dweight: Option<&DeviceSlice>,
    ) -> Result<(), DeviceError> {
        let (rows, n) = (inverse.len(), weight.len());
        for (name, slice) in [("dy", dy), ("x", x), ("dx", dx)] {
            expect_len(name, slice.len(), rows * n);
        }
        self.launch(
            "rmsnorm_backward",
            Threads::warps(rows),
            arguments![dy, x, weight, inverse, dx, int(rows), int(n)],
        )?;
        let Some(dweight) = dweight else {
            return Ok(());
        };
        expect_len("dweight", dweight.len(), n);
        self.launch(
            "norm_weight_gradient",
            columns(n),
            arguments![dy, x, inverse, dweight, int(rows), int(n)],
        )
    }

    /// [`Kernel::row_norms`](crate::Kernel::row_norms).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn row_norms(
        &self,
        x: &DeviceSlice,
        cols: usize,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        let rows = out.len();
        expect_len("x", x.len(), rows * cols);
        self.launch(
            "row_norms",
            Threads::warps(rows),
            arguments![x, out, int(rows), int(cols)],
        )
    }

    /// [`Kernel::cross_entropy`](crate::Kernel::cross_entropy) of labels that the caller has
    /// checked, with the scale `1 / n` for the n of `all_labels` that count. The gradient may have
    /// the place of the logits.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn cross_entropy(
        &self,
        logits: &DeviceSlice,
        labels: &DeviceSlice,
        all_labels: &DeviceSlice,
        losses: &DeviceSlice,
        gradient: Option<&DeviceSlice>,
    ) -> Result<(), DeviceError> {
        let rows = labels.len();
        expect_len("losses", losses.len(), rows);
        if rows == 0 {
            return Ok(());
        }
        let vocab = logits.len() / rows;
        expect_len("logits", logits.len(), rows * vocab);
        if let Some(gradient) = gradient {
            expect_len("gradient", gradient.len(), rows * vocab);
        }
        self.count(all_labels)?;
        let threads = Threads::new([rows as u32, 1, 1], [256, 1]);
        let count = &self.0.count;
        self.launch(
            "cross_entropy",
            threads,
            arguments![logits, labels, count, losses, gradient, int(vocab)],
        )
    }

    /// Counts the labels that take part.
    fn count(&self, labels: &DeviceSlice) -> Result<(), DeviceError> {
        let threads = Threads::new([1; 3], [1024, 1]);
        let arguments = arguments![labels, &self.0.count, int(labels.len())];
        self.launch("count_labels", threads, arguments)
    }

    /// `out = sum(x)`, or with labels the sum over the number of those that count.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn sum(
        &self,
        x: &DeviceSlice,
        labels: Option<&DeviceSlice>,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("out", out.len(), 1);
        if let Some(labels) = labels {
            self.count(labels)?;
        }
        let count = labels.map(|_| &self.0.count);
        let threads = Threads::new([1; 3], [1024, 1]);
        self.launch("sum", threads, arguments![x, count, out, x.len() as i64])
    }

    /// `out = dot(x, x)`, stored to +0 or to the old value added.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn sum_squares(
        &self,
        x: &DeviceSlice,
        out: &DeviceSlice,
        store: Store,
    ) -> Result<(), DeviceError> {
        expect_len("out", out.len(), 1);
        let threads = Threads::new([1; 3], [1024, 1]);
        let accumulate = store == Store::Accumulate;
        self.launch(
            "sum_squares",
            threads,
            arguments![x, out, x.len() as i64, accumulate],
        )
    }

    /// [`Kernel::column_sums`](crate::Kernel::column_sums).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn column_sums(
        &self,
        x: &DeviceSlice,
        out: &DeviceSlice,
        store: Store,
    ) -> Result<(), DeviceError> {
        let (rows, cols) = (rows_of(x, out), out.len());
        let accumulate = store == Store::Accumulate;
        self.launch(
            "column_sums",
            columns(cols),
            arguments![x, out, int(rows), int(cols), accumulate],
        )
    }

    /// [`Kernel::column_dots`](crate::Kernel::column_dots).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn column_dots(
        &self,
        a: &DeviceSlice,
        b: &DeviceSlice,
        out: &DeviceSlice,
        store: Store,
    ) -> Result<(), DeviceError> {
        let (rows, cols) = (rows_of(a, out), out.len());
        expect_len("b", b.len(), a.len());
        let accumulate = store == Store::Accumulate;
        self.launch(
            "column_dots",
            columns(cols),
            arguments![a, b, out, int(rows), int(cols), accumulate],
        )
    }
}

/// A block of threads for every 32 columns.
fn columns(cols: usize) -> Threads {
    Threads::new([cols.div_ceil(32) as u32, 1, 1], [32, 32])
}

/// The rows of a matrix with as many columns as `out`, at least one.
#[track_caller]
fn rows_of(x: &DeviceSlice, out: &DeviceSlice) -> usize {
    let rows = x.len().checked_div(out.len()).unwrap_or(0);
    assert!(rows > 0 || out.is_empty(), "a sum over the rows of no rows");
    expect_len("x", x.len(), rows * out.len());
    rows
}
