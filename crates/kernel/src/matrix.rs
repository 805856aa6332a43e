//! Views of f32 matrices over plain slices.

/// What a product does with the values already in its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The first block of the chain is stored; the old value is not read.
    Overwrite,
    /// Every block of the chain is added to the old value, in order.
    Accumulate,
}

/// A read-only matrix with arbitrary strides; element `(i, j)` is
/// `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// The number of elements a strided matrix spans, or `None` when it overflows.
fn span(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let last = (rows - 1)
        .checked_mul(row_stride)?
        .checked_add((cols - 1).checked_mul(col_stride)?)?;
    last.checked_add(1)
}

impl<'a> MatRef<'a> {
    /// A view with explicit strides, in elements.
    ///
    /// # Panics
    /// If the last element lies outside `data`.
    pub fn new(
        data: &'a [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Self {
        let fits = span(rows, cols, row_stride, col_stride).is_some_and(|n| n <= data.len());
        assert!(
            fits,
            "matrix of {rows} x {cols} (strides {row_stride}, {col_stride}) needs more than {} values",
            data.len()
        );
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride,
        }
    }

    /// A dense row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols, 1)
    }

    /// The transpose: the same data, rows and columns exchanged.
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Distance between vertically adjacent elements.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Distance between horizontally adjacent elements.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }

    /// The underlying slice.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// `count` rows from `first` on.
    pub(crate) fn rows_from(self, first: usize, count: usize) -> Self {
        debug_assert!(first + count <= self.rows);
        let skip = if count == 0 {
            0
        } else {
            first * self.row_stride
        };
        Self {
            data: &self.data[skip.min(self.data.len())..],
            rows: count,
            ..self
        }
    }

    /// `count` columns from `first` on.
    pub(crate) fn columns_from(self, first: usize, count: usize) -> Self {
        self.t().rows_from(first, count).t()
    }

    /// The element at `(row, col)`.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.row_stride + col * self.col_stride]
    }
}

/// A writable row-major matrix whose rows are `row_stride` apart.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl<'a> MatMut<'a> {
    /// A view whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If rows overlap (`row_stride < cols`) or the last element lies outside `data`.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let fits = span(rows, cols, row_stride, 1).is_some_and(|n| n <= data.len());
        assert!(
            fits && (row_stride >= cols || rows <= 1),
            "matrix of {rows} x {cols} (row stride {row_stride}) does not fit {} values",
            data.len()
        );
        Self {
            data,
            rows,
            cols,
            row_stride,
        }
    }

    /// A dense row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Distance between vertically adjacent elements.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// The underlying slice.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.data
    }

    /// The row with this index.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let start = row * self.row_stride;
        &mut self.data[start..start + self.cols]
    }
}
