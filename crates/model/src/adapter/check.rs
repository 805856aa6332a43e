//! Whether an adapter can be computed on a model, and whether it does anything there.

use assay_kernel::{Kernel, MatMut, MatRef, Store};

use super::{Adapter, Init, Method, Param};
use crate::base::Base;
use crate::error::MethodError;
use crate::target::Target;

impl Adapter {
    /// Checks that no row by whose length DoRA divides is zero. Other methods divide by nothing.
    ///
    /// # Errors
    /// [`MethodError::RowLength`] names layer, projection and row of the first such row.
    pub fn check_rows(&self, kernel: &Kernel, base: &Base) -> Result<(), MethodError> {
        let Method::Lora(lora) = &self.method else {
            return Ok(());
        };
        if !lora.use_dora() {
            return Ok(());
        }
        for params in self.params.chunks_exact(self.method.params_per_target()) {
            let Some((layer, target)) = Target::site_of(&params[0].info.name) else {
                continue;
            };
            let linear = base.spec().layers[layer].linear(target);
            let mut directed = base.weight(linear.weight).into_owned();
            let (a, b) = (&params[0], &params[1]);
            if b.values.iter().any(|value| *value != 0.0) {
                add_update(kernel, (a, b), lora.scale_at(layer, target), &mut directed);
            }
            let mut lengths = vec![0.0; linear.out];
            kernel.row_norms(&directed, linear.input, &mut lengths);
            check_lengths(&lengths, layer, target)?;
        }
        Ok(())
    }

    /// Whether base and adapter together are the base: every update is zero, every factor one.
    pub fn changes_nothing(&self, kernel: &Kernel, base: &Base) -> bool {
        let is_zero = |param: &Param| param.values.iter().all(|value| *value == 0.0);
        let per_target = self.method.params_per_target().max(1);
        let mut sites = self.params.chunks_exact(per_target);
        match &self.method {
            Method::Lora(lora) if lora.use_dora() => {
                // B is zero and the lengths are still those of the base's rows.
                let at_start = |param: &Param| match param.info.init {
                    Init::RowNorms(id) => {
                        let weight = base.weight(id);
                        let width = weight.len() / param.values.len().max(1);
                        let mut norms = vec![0.0; param.values.len()];
                        kernel.row_norms(&weight, width, &mut norms);
                        norms == param.values
                    }
                    _ => false,
                };
                sites.all(|site| is_zero(&site[1]) && at_start(&site[2]))
            }
            Method::Lora(_) => sites.all(|site| is_zero(&site[0]) || is_zero(&site[1])),
            Method::PrivateLora(_) => sites.all(|site| site.iter().any(is_zero)),
            Method::Ia3(_) => sites.all(|site| site[0].values.iter().all(|value| *value == 1.0)),
            Method::BitFit(_) | Method::Full => {
                self.params.iter().all(|param| match param.info.init {
                    Init::Weight(id) => *base.weight(id) == *param.values,
                    _ => is_zero(param),
                })
            }
        }
    }
}

/// `W += s B A`: what LoRA's product amounts to.
pub(super) fn add_update(
    kernel: &Kernel,
    (a, b): (&Param, &Param),
    scale: f32,
    weight: &mut [f32],
) {
    let (out, r, input) = (b.info.rows, b.info.cols, a.info.cols);
    let mut up = b.values.clone();
    kernel.scale(&mut up, scale);
    let (up, down) = (
        MatRef::row_major(&up, out, r),
        MatRef::row_major(&a.values, r, input),
    );
    let mut sum = MatMut::row_major(weight, out, input);
    kernel.gemm(up, down, &mut sum, Store::Accumulate);
}

/// Refuses a row length that nothing can be divided by.
pub(super) fn check_lengths(
    lengths: &[f32],
    layer: usize,
    target: Target,
) -> Result<(), MethodError> {
    match lengths.iter().position(|n| *n == 0.0 || !n.is_finite()) {
        None => Ok(()),
        Some(row) => Err(MethodError::RowLength {
            layer,
            target,
            row,
            length: if lengths[row] == 0.0 {
                "zero"
            } else {
                "not finite"
            },
        }),
    }
}
