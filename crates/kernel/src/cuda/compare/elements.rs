//! Operators on single elements, and lookups.

use super::Run;
use crate::cuda::{DeviceAdamW, DeviceError, DeviceSlice, Mask};
use crate::shape::{AdamW, BiasPowers};

pub(super) fn rope(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

pub(super) fn silu_mul(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

/// Ids below 12, so that many come more than once, with a table for them.
fn ids(run: &mut Run<'_>) -> Result<(Vec<u32>, DeviceSlice), DeviceError> {
    let count = run.size(100);
    let ids: Vec<u32> = (0..count).map(|_| run.stream.below(12)).collect();
    let there = run.device.upload(&ids)?;
    Ok((ids, there))
}

pub(super) fn embedding(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let (ids, ids_there) = ids(run)?;
    let width = run.size(70);
    let (table, table_there) = run.values(12 * width)?;
    let (mut out, out_there) = run.results(ids.len() * width)?;
    run.kernel.embedding(&table, &ids, width, &mut out);
    run.device
        .embedding(&table_there, &ids_there, width, &out_there)?;
    run.same(&out, &out_there)
}

pub(super) fn embedding_backward(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

pub(super) fn elementwise(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

/// Every pattern of bits is as likely, so most values are tiny or huge.
pub(super) fn round_bf16(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let n = run.size(5000);
    let (mut x, there) = run.values(n)?;
    for x in x.iter_mut().step_by(2) {
        let drawn = f32::from_bits(run.stream.next_u32());
        *x = if drawn.is_nan() { 0.0 } else { drawn };
    }
    run.device.write(&there, &x)?;
    let (mut out, out_there) = run.results(n)?;
    run.kernel.round_bf16(&x, &mut out);
    run.device.round_bf16(&there, &out_there)?;
    run.same(&out, &out_there)
}

pub(super) fn dropout(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

pub(super) fn adamw(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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

pub(super) fn clip_factor(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let mut same = true;
    for squares in [0.0, 0.5, 17.0, 1e20] {
        let (there, out) = (run.device.upload(&[squares])?, run.device.reserve(1)?);
        run.device.clip_factor(&there, 1.0, &out)?;
        same &= run.same(&[crate::clip_factor(squares, 1.0)], &out)?;
    }
    Ok(same)
}

pub(super) fn next_powers(run: &mut Run<'_>) -> Result<bool, DeviceError> {
    let there = run.device.upload(&[0.81_f32, 0.998])?;
    run.device.next_powers(&there, 0.9, 0.999)?;
    let powers = BiasPowers {
        beta1: 0.81,
        beta2: 0.998,
    };
    let next = powers.next(0.9, 0.999);
    run.same(&[next.beta1, next.beta2], &there)
}

pub(super) fn find_fault(run: &mut Run<'_>) -> Result<bool, DeviceError> {
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
