//! Where a NaN or an infinity lies.

/// Row and column of the first NaN or infinity in a matrix of rows of `cols` values.
pub(crate) fn first_fault_of(values: &[f32], cols: usize) -> Option<(usize, usize)> {
    let index = values.iter().position(|value| !value.is_finite())?;
    Some((index / cols.max(1), index % cols.max(1)))
}
