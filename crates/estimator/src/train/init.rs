//! Where training begins.

use assay_kernel::random::Stream;

use crate::network::Layout;
use crate::spec::ModelSpec;

/// The purpose under which the first parameters are drawn, tensor by tensor.
const PARAMETERS: u32 = 2;

/// The first parameters of a model: zeros where the loss has one minimum and begins anywhere alike
/// (regressions); else every tensor uniform within `1 / sqrt(n)` of zero, where n values make one output,
/// as PyTorch's layers begin.
pub(super) fn parameters(layout: &Layout, seed: &[u8; 32]) -> Vec<f32> {
    let mut values = vec![0.0; layout.len()];
    if matches!(layout.model, ModelSpec::Mlp { .. } | ModelSpec::Cnn { .. }) {
        for (index, info) in layout.params.iter().enumerate() {
            let bound = 1.0 / (info.fan_in as f32).sqrt();
            let mut stream = Stream::new(seed, PARAMETERS, index as u64);
            values[info.range.clone()].fill_with(|| stream.uniform(-bound, bound));
        }
    }
    values
}
