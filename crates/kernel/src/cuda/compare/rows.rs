//! Operators on rows and columns, and sums.

use super::Run;
use crate::cuda::DeviceError;
use crate::matrix::Store;
use crate::random::Stream;
use crate::shape::IGNORE;

pub(super) fn rmsnorm(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, n) = (run.size(300), run.size(200));
    let ((x, x_there), (w, w_there)) = (run.values(rows * n)?, run.values(n)?);
    let (mut y, y_there) = run.results(rows * n)?;
    let (mut inverse, inverse_there) = run.results(rows)?;
    run.kernel.rmsnorm(&x, &w, 1e-5, &mut y, &mut inverse);
    run.device
        .rmsnorm(&x_there, &w_there, 1e-5, &y_there, &inverse_there)?;
    let forward = run.same(&y, &y_there)? && run.same(&inverse, &inverse_there)?;
    let (dy, dy_there) = run.values(rows * n)?;
    let ((mut dx, dx_there), (mut dw, dw_there)) = (run.results(rows * n)?, run.results(n)?);
    run.kernel
        .rmsnorm_backward(&dy, &x, &w, &inverse, &mut dx, Some(&mut dw));
    let (there, dw_to) = (run.device, Some(&dw_there));
    there.rmsnorm_backward(
        &dy_there,
        &x_there,
        &w_there,
        &inverse_there,
        &dx_there,
        dw_to,
    )?;
    Ok(forward && run.same(&dx, &dx_there)? && run.same(&dw, &dw_there)?)
}

pub(super) fn row_norms(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, n) = (run.size(40), run.size(200));
    let (x, x_there) = run.values(rows * n)?;
    let (mut out, out_there) = run.results(rows)?;
    run.kernel.row_norms(&x, n, &mut out);
    run.device.row_norms(&x_there, n, &out_there)?;
    run.same(&out, &out_there)
}

pub(super) fn cross_entropy(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, vocab) = (run.size(30), run.size(5000));
    let (mut dx, logits_there) = run.values(rows * vocab)?;
    let (_, dx_there) = run.results(rows * vocab)?;
    let label = |stream: &mut Stream| match stream.below(4) {
        0 => IGNORE,
        _ => stream.below(vocab as u32) as i32,
    };
    let mut labels: Vec<i32> = (0..rows).map(|_| label(&mut run.stream)).collect();
    labels[0] = 0;
    let labels_there = run.device.upload(&labels)?;
    let scale = 1.0 / labels.iter().filter(|label| **label != IGNORE).count() as f32;
    let (mut loss, loss_there) = run.results(rows)?;
    run.kernel
        .cross_entropy_gradient(&mut dx, &labels, vocab, &mut loss, scale);
    let device = run.device;
    let with = |gradient| {
        device.cross_entropy(
            &logits_there,
            &labels_there,
            &labels_there,
            &loss_there,
            gradient,
        )
    };
    with(Some(&dx_there))?;
    let first = run.same(&loss, &loss_there)? && run.same(&dx, &dx_there)?;
    device.clear(&loss_there)?;
    with(None)?;
    let second = run.same(&loss, &loss_there)?;
    device.clear(&loss_there)?;
    with(Some(&logits_there))?;
    let third = run.same(&loss, &loss_there)? && run.same(&dx, &logits_there)?;
    let mean = device.reserve(1)?;
    device.sum(&loss_there, Some(&labels_there), &mean)?;
    let count = labels.iter().filter(|label| **label != IGNORE).count() as f32;
    Ok(first && second && third && run.same(&[run.kernel.sum(&loss) / count], &mean)?)
}

pub(super) fn column_sums(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, cols) = (run.size(9000), run.size(40));
    let ((a, a_there), (b, b_there)) = (run.values(rows * cols)?, run.values(rows * cols)?);
    let ((mut sums, sums_there), (mut dots, dots_there)) = (run.values(cols)?, run.values(cols)?);
    let mut same = true;
    for store in [Store::Accumulate, Store::Overwrite] {
        run.kernel.column_sums(&a, &mut sums, store);
        run.device.column_sums(&a_there, &sums_there, store)?;
        run.kernel.column_dots(&a, &b, &mut dots, store);
        run.device
            .column_dots(&a_there, &b_there, &dots_there, store)?;
        same &= run.same(&sums, &sums_there)? && run.same(&dots, &dots_there)?;
    }
    Ok(same)
}

pub(super) fn sum(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let n = run.size(20_000);
    let ((x, x_there), (old, out_there)) = (run.values(n)?, run.values(1)?);
    run.device
        .sum_squares(&x_there, &out_there, Store::Accumulate)?;
    let dot = run.kernel.dot(&x, &x);
    let added = run.same(&[old[0] + dot], &out_there)?;
    run.device
        .sum_squares(&x_there, &out_there, Store::Overwrite)?;
    let stored = run.same(&[0.0 + dot], &out_there)?;
    run.device.sum(&x_there, None, &out_there)?;
    Ok(added && stored && run.same(&[run.kernel.sum(&x)], &out_there)?)
}
