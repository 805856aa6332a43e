//! Every operator on the device against the processor, bit for bit.

use super::elements::{DeviceAdamW, Mask};
use super::{Device, DeviceError, DeviceSlice, ProductShape, Tile};
use crate::kernel::Kernel;
use crate::matrix::{MatMut, MatRef, Store};
use crate::random::Stream;
use crate::shape::{AdamW, AttentionShape, BiasPowers, IGNORE};

/// An operator's name and a run of it on both sides.
type Operator = (&'static str, fn(&mut Run<'_>) -> Result<bool, DeviceError>);

const OPERATORS: [Operator; 17] = [
    ("product", product),
    ("rmsnorm", rmsnorm),
    ("row_norms", row_norms),
    ("rope", rope),
    ("attention", attention),
    ("silu_mul", silu_mul),
    ("cross_entropy", cross_entropy),
    ("embedding", embedding),
    ("embedding_backward", embedding_backward),
    ("column_sums", column_sums),
    ("sum", sum),
    ("elementwise", elementwise),
    ("dropout", dropout),
    ("adamw", adamw),
    ("clip_factor", clip_factor),
    ("next_powers", next_powers),
    ("find_fault", find_fault),
];

/// The operators that [`compare`] runs.
pub fn compared_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.into_iter().map(|(name, _)| name)
}

/// Runs every operator on the device and on the processor, on inputs and shapes drawn from a seed,
/// and compares all bits. What a node does before it trains on a device.
///
/// # Errors
/// [`DeviceError::WrongBits`] names the first operator that differs.
pub fn compare(kernel: &Kernel, device: &Device, seed: u64) -> Result<(), DeviceError> {
    let _turn = device.turn();
    for (index, (name, run)) in OPERATORS.into_iter().enumerate() {
        let stream = Stream::new(&[0x5a; 32], index as u32, seed);
        let mut inputs = Run {
            kernel,
            device,
            stream,
        };
        if !run(&mut inputs)? {
            return Err(DeviceError::WrongBits(name));
        }
    }
    Ok(())
}

struct Run<'a> {
    kernel: &'a Kernel,
    device: &'a Device,
    stream: Stream,
}

impl Run<'_> {
    /// A size from 1 on.
    fn size(&mut self, most: u32) -> usize {
        1 + self.stream.below(most) as usize
    }

    /// Values of many magnitudes, some of them subnormal or zero, with a copy on the device.
    fn values(&mut self, count: usize) -> Result<(Vec<f32>, DeviceSlice), DeviceError> {
        let draw = |stream: &mut Stream| match stream.below(64) {
            0 => 0.0,
            1 => -0.0,
            2 => stream.uniform(-1.0, 1.0) * 1e-39,
            3 => stream.uniform(-30.0, 30.0),
            _ => stream.uniform(-1.0, 1.0),
        };
        let values: Vec<f32> = (0..count).map(|_| draw(&mut self.stream)).collect();
        let there = self.device.upload(&values)?;
        Ok((values, there))
    }

    /// Memory for results, filled with something else.
    fn results(&self, count: usize) -> Result<(Vec<f32>, DeviceSlice), DeviceError> {
        let values = vec![f32::NAN; count];
        let there = self.device.upload(&values)?;
        Ok((values, there))
    }

    /// Whether values on the device have the bits of `wanted`.
    fn same(&self, wanted: &[f32], found: &DeviceSlice) -> Result<bool, DeviceError> {
        let mut values = vec![0.0_f32; wanted.len()];
        self.device.read(found, &mut values)?;
        let mut pairs = wanted.iter().zip(&values);
        Ok(pairs.all(|(a, b)| a.to_bits() == b.to_bits()))
    }
}

fn product(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

fn rmsnorm(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

fn row_norms(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, n) = (run.size(40), run.size(200));
    let (x, x_there) = run.values(rows * n)?;
    let (mut out, out_there) = run.results(rows)?;
    run.kernel.row_norms(&x, n, &mut out);
    run.device.row_norms(&x_there, n, &out_there)?;
    run.same(&out, &out_there)
}

fn rope(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (batch, seq, heads, half) = (run.size(3), run.size(20), run.size(4), run.size(32));
    let (mut x, x_there) = run.values(batch * seq * heads * 2 * half)?;
    let ((cos, cos_there), (sin, sin_there)) = (run.values(seq * half)?, run.values(seq * half)?);
    let mut same = true;
    for inverse in [false, true] {
        run.kernel
            .rope(&mut x, &cos, &sin, seq, heads, 2 * half, inverse);
        run.device
            .rope(&x_there, &cos_there, &sin_there, heads, half, inverse)?;
        same &= run.same(&x, &x_there)?;
    }
    Ok(same)
}

fn attention(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

fn silu_mul(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let n = run.size(3000);
    let ((g, g_there), (u, u_there)) = (run.values(n)?, run.values(n)?);
    let ((d, d_there), (mut out, out_there)) = (run.values(n)?, run.results(n)?);
    run.kernel.silu_mul(&g, &u, &mut out);
    run.device.silu_mul(&g_there, &u_there, &out_there)?;
    let forward = run.same(&out, &out_there)?;
    let ((mut dg, dg_there), (mut du, du_there)) = (run.results(n)?, run.results(n)?);
    run.kernel.silu_mul_backward(&d, &g, &u, &mut dg, &mut du);
    run.device
        .silu_mul_backward(&d_there, &g_there, &u_there, &dg_there, &du_there)?;
    Ok(forward && run.same(&dg, &dg_there)? && run.same(&du, &du_there)?)
}

fn cross_entropy(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, vocab) = (run.size(30), run.size(5000));
    let (logits, logits_there) = run.values(rows * vocab)?;
    let label = |stream: &mut Stream| match stream.below(4) {
        0 => IGNORE,
        _ => stream.below(vocab as u32) as i32,
    };
    let mut labels: Vec<i32> = (0..rows).map(|_| label(&mut run.stream)).collect();
    labels[0] = 0;
    let labels_there = run.device.upload(&labels)?;
    let scale = 1.0 / labels.iter().filter(|label| **label != IGNORE).count() as f32;
    let ((mut loss, loss_there), (mut dx, dx_there)) =
        (run.results(rows)?, run.results(rows * vocab)?);
    run.kernel
        .cross_entropy(&logits, &labels, vocab, &mut loss, Some(&mut dx), scale);
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
    let mean = device.reserve(1)?;
    device.sum(&loss_there, Some(&labels_there), &mean)?;
    let count = labels.iter().filter(|label| **label != IGNORE).count() as f32;
    Ok(first && second && run.same(&[run.kernel.sum(&loss) / count], &mean)?)
}

/// Ids below 12, so that many come more than once, with a table for them.
fn ids(run: &mut Run<'_>) -> Result<(Vec<u32>, DeviceSlice), DeviceError> {
    let count = run.size(100);
    let ids: Vec<u32> = (0..count).map(|_| run.stream.below(12)).collect();
    let there = run.device.upload(&ids)?;
    Ok((ids, there))
}

fn embedding(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (ids, ids_there) = ids(run)?;
    let width = run.size(70);
    let (table, table_there) = run.values(12 * width)?;
    let (mut out, out_there) = run.results(ids.len() * width)?;
    run.kernel.embedding(&table, &ids, width, &mut out);
    run.device
        .embedding(&table_there, &ids_there, width, &out_there)?;
    run.same(&out, &out_there)
}

fn embedding_backward(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (ids, ids_there) = ids(run)?;
    let width = run.size(400);
    let (gradient, gradient_there) = run.values(ids.len() * width)?;
    let (mut table, table_there) = run.results(12 * width)?;
    run.kernel
        .embedding_backward(&gradient, &ids, width, &mut table);
    run.device
        .embedding_backward(&gradient_there, &ids_there, width, &table_there)?;
    run.same(&table, &table_there)
}

fn column_sums(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

fn sum(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

fn elementwise(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (rows, n) = (run.size(40), run.size(90));
    let ((mut x, x_there), (y, y_there)) = (run.values(rows * n)?, run.values(rows * n)?);
    let ((row, row_there), (mut out, out_there)) = (run.values(n)?, run.results(rows * n)?);
    let (kernel, device) = (run.kernel, run.device);
    kernel.add_bias_rows(&mut x, &row);
    device.add_bias(&x_there, &row_there)?;
    kernel.add_assign(&mut x, &y);
    device.add_assign(&x_there, &y_there)?;
    kernel.scale(&mut x, 0.3);
    device.scale(&x_there, 0.3)?;
    let (factor, factor_there) = run.values(1)?;
    kernel.scale(&mut x, factor[0]);
    device.scale_by(&x_there, &factor_there)?;
    let mut same = run.same(&x, &x_there)?;
    kernel.scale_columns(&x, &row, &mut out);
    device.scale_columns(&x_there, &row_there, &out_there)?;
    same &= run.same(&out, &out_there)?;
    // No zero in a denominator: NaNs have no specified bits.
    let mut y = y;
    y.iter_mut().for_each(|y| *y = y.abs() + 0.5);
    device.write(&y_there, &y)?;
    kernel.divide(&x, &y, &mut out);
    device.divide(&x_there, &y_there, &out_there)?;
    Ok(same && run.same(&out, &out_there)?)
}

fn dropout(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let n = run.size(5000);
    let ((x, x_there), (mut out, out_there)) = (run.values(n)?, run.results(n)?);
    let key: [u8; 32] = std::array::from_fn(|_| run.stream.next_u32() as u8);
    let (step, slot, slots) = (run.stream.next_u64() >> 8, 3, 7);
    let mut noise: Vec<u32> = key
        .chunks_exact(4)
        .map(|word| {
            word.iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u32::from(*byte))
        })
        .collect();
    noise.extend([step as u32, (step >> 32) as u32]);
    let noise_there = run.device.upload(&noise)?;
    let index = step.wrapping_mul(slots).wrapping_add(slot);
    run.kernel.dropout(&x, &key, 4, index, 0.1, &mut out);
    let mask = Mask {
        purpose: 4,
        slot: slot as u32,
        slots: slots as u32,
    };
    run.device
        .dropout(&x_there, &noise_there, mask, 0.1, &out_there)?;
    run.same(&out, &out_there)
}

fn adamw(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let n = run.size(3000);
    let ((mut p, p_there), (g, g_there)) = (run.values(n)?, run.values(n)?);
    let ((mut m, m_there), (mut v, _)) = (run.values(n)?, run.values(n)?);
    v.iter_mut().for_each(|v| *v = v.abs());
    let v_there = run.device.upload(&v)?;
    let powers = BiasPowers {
        beta1: 0.9 * 0.9,
        beta2: 0.999 * 0.999,
    };
    let (bias1, bias2) = powers.corrections();
    let settings = AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
        bias1,
        bias2,
    };
    run.kernel.adamw(&mut p, &g, &mut m, &mut v, &settings);
    let powers = run.device.upload(&[powers.beta1, powers.beta2])?;
    let rate = run.device.upload(&[settings.lr])?;
    let there = DeviceAdamW {
        beta1: settings.beta1,
        beta2: settings.beta2,
        eps: settings.eps,
        weight_decay: settings.weight_decay,
        powers: &powers,
        rate: &rate,
    };
    run.device
        .adamw(&p_there, &g_there, &m_there, &v_there, &there)?;
    Ok(run.same(&p, &p_there)? && run.same(&m, &m_there)? && run.same(&v, &v_there)?)
}

fn clip_factor(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let mut same = true;
    for squares in [0.0, 0.5, 17.0, 1e20] {
        let (there, out) = (run.device.upload(&[squares])?, run.device.reserve(1)?);
        run.device.clip_factor(&there, 1.0, &out)?;
        same &= run.same(&[crate::clip_factor(squares, 1.0)], &out)?;
    }
    Ok(same)
}

fn next_powers(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let there = run.device.upload(&[0.81_f32, 0.998])?;
    run.device.next_powers(&there, 0.9, 0.999)?;
    let powers = BiasPowers {
        beta1: 0.81,
        beta2: 0.998,
    };
    let next = powers.next(0.9, 0.999);
    run.same(&[next.beta1, next.beta2], &there)
}

fn find_fault(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (mut x, x_there) = run.values(10_000)?;
    let flag = run.device.reserve(1)?;
    let mut found = [0_u32];
    run.device.find_fault(&x_there, &flag)?;
    run.device.read(&flag, &mut found)?;
    let clean = found == [0];
    let at = run.stream.below(10_000) as usize;
    x[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][at % 3];
    run.device.write(&x_there, &x)?;
    run.device.find_fault(&x_there, &flag)?;
    run.device.read(&flag, &mut found)?;
    Ok(clean && found == [1])
}
