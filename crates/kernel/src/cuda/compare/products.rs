//! Matrix products and attention.

use super::Run;
use crate::cuda::{DeviceError, ProductShape, Tile};
use crate::matrix::{MatMut, MatRef, Store};
use crate::shape::AttentionShape;

pub(super) fn product(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let mut same = true;
    for (index, tile) in Tile::ALL.into_iter().enumerate() {
        for transposed in 0..4 {
            let (mut m, mut n) = (run.size(200), run.size(300));
            match (tile, transposed % 2) {
                (Tile::Thin, 0) => m = run.size(32),
                (Tile::Thin, _) => n = run.size(32),
                _ => {}
            }
            let k = [run.size(40), run.size(700), 256, 320][(index + transposed) % 4];
            let (ta, tb) = (transposed & 1 > 0, transposed & 2 > 0);
            // Widths that are multiples of four take the path of whole vectors.
            let any = matches!(tile, Tile::Small | Tile::Thin);
            let (m, n, k) = match run.stream.below(2) {
                0 if any => (m, n, k),
                0 => (m.next_multiple_of(4), n.next_multiple_of(4), k),
                _ => (
                    m.next_multiple_of(4),
                    n.next_multiple_of(4),
                    k.next_multiple_of(4),
                ),
            };
            let ((a, a_there), (b, b_there)) = (run.values(m * k)?, run.values(k * n)?);
            let (mut c, c_there) = run.values(m * n)?;
            let shape = ProductShape { m, n, k, ta, tb };
            let left = match ta {
                true => MatRef::row_major(&a, k, m).t(),
                false => MatRef::row_major(&a, m, k),
            };
            let right = match tb {
                true => MatRef::row_major(&b, n, k).t(),
                false => MatRef::row_major(&b, k, n),
            };
            // Enough for any division.
            let (device, kernel) = (run.device, run.kernel);
            let scratch = device.reserve(64 + m * k + k * n + k.div_ceil(256) * m * n)?;
            for store in [Store::Accumulate, Store::Overwrite] {
                let operands = [&a_there, &b_there];
                device.product_with(tile, operands, &c_there, shape, store, &scratch)?;
                kernel.gemm(left, right, &mut MatMut::row_major(&mut c, m, n), store);
                same &= run.same(&c, &c_there)?;
            }
        }
    }
    Ok(same)
}

pub(super) fn attention(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (kv_heads, group) = (run.size(2), run.size(3));
    let shape = AttentionShape {
        batch: run.size(2),
        seq: run.size(600),
        heads: kv_heads * group,
        kv_heads,
        head_dim: run.size(80),
    };
    let (queries, keys, all) = (shape.query_len(), shape.key_len(), shape.probs_len());
    let ((q, q_there), (k, k_there)) = (run.values(queries)?, run.values(keys)?);
    let (v, v_there) = run.values(keys)?;
    let ((mut out, out_there), (mut probs, probs_there)) =
        (run.results(queries)?, run.results(all)?);
    let scale = 0.125;
    run.kernel
        .attention(&q, &k, &v, shape, scale, &mut out, &mut probs);
    let device = run.device;
    device.attention(
        &q_there,
        &k_there,
        &v_there,
        shape,
        scale,
        &out_there,
        &probs_there,
    )?;
    let forward = run.same(&out, &out_there)? && run.same(&probs, &probs_there)?;
    let (dout, dout_there) = run.values(queries)?;
    let (mut dq, dq_there) = run.results(queries)?;
    let ((mut dk, dk_there), (mut dv, dv_there)) = (run.results(keys)?, run.results(keys)?);
    let kernel = run.kernel;
    kernel.attention_backward(
        &dout, &q, &k, &v, &probs, shape, scale, &mut dq, &mut dk, &mut dv,
    );
    let scratch = device.reserve(all)?;
    device.attention_backward(
        &dout_there,
        &q_there,
        &k_there,
        &v_there,
        &probs_there,
        shape,
        scale,
        &scratch,
        &dq_there,
        &dk_there,
        &dv_there,
    )?;
    let backward = run.same(&dq, &dq_there)? && run.same(&dk, &dk_there)?;
    Ok(forward && backward && run.same(&dv, &dv_there)?)
}
