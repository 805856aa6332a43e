//! A pass through the layers, there and back.

use std::ops::Range;

use assay_kernel::{Kernel, all_finite};

use super::layer::Kept;
use super::layout::Layout;

/// The buffers of one pass; they keep their room from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    /// The input, and the output of every layer.
    values: Vec<Vec<f32>>,
    kept: Vec<Kept>,
    gradients: [Vec<f32>; 2],
}

/// The parameters of each layer, in order.
fn ranges(layout: &Layout) -> Vec<Range<usize>> {
    let mut at = 0;
    let each = layout.layers.iter().map(|layer| {
        let from = at;
        at += layer.parameters() as usize;
        from..at
    });
    each.collect()
}

impl Tape {
    /// Buffers for a model.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            values: vec![Vec::new(); layout.layers.len() + 1],
            kept: vec![Kept::new(); layout.layers.len()],
            gradients: Default::default(),
        }
    }

    /// The rows that go in, one after the other.
    pub(crate) fn input(&mut self) -> &mut Vec<f32> {
        &mut self.values[0]
    }

    /// Computes the outputs of every layer.
    ///
    /// # Errors
    /// The first layer whose output is not finite.
    pub(crate) fn forward(
        &mut self,
        kernel: &Kernel,
        layout: &Layout,
        params: &[f32],
        rows: usize,
    ) -> Result<&mut Vec<f32>, usize> {
        let ranges = ranges(layout);
        for (i, (layer, range)) in layout.layers.iter().zip(ranges).enumerate() {
            let (before, after) = self.values.split_at_mut(i + 1);
            let (x, out) = (&before[i], &mut after[0]);
            layer.forward(kernel, rows, &params[range], x, out, &mut self.kept[i]);
            if !all_finite(out) {
                return Err(i);
            }
        }
        let last = layout.layers.len();
        Ok(&mut self.values[last])
    }

    /// Computes the gradient of every parameter, once the gradient of the last layer's output has taken
    /// that output's place.
    pub(crate) fn backward(
        &mut self,
        kernel: &Kernel,
        layout: &Layout,
        params: &[f32],
        rows: usize,
        grad: &mut [f32],
    ) {
        let ranges = ranges(layout);
        let [mut dy, mut dx] = std::mem::take(&mut self.gradients);
        let last = layout.layers.len();
        std::mem::swap(&mut dy, &mut self.values[last]);
        let first = layout
            .layers
            .iter()
            .position(|layer| layer.parameters() > 0);
        for (i, (layer, range)) in layout.layers.iter().zip(ranges).enumerate().rev() {
            // Below the first layer with parameters nobody reads a gradient.
            let wanted = first.is_some_and(|first| i > first);
            let input = (self.values[i].as_slice(), &mut self.kept[i]);
            let (params, grad) = (&params[range.clone()], &mut grad[range]);
            let to = wanted.then_some(&mut dx);
            layer.backward(kernel, rows, params, input, &dy, grad, to);
            std::mem::swap(&mut dy, &mut dx);
        }
        self.gradients = [dy, dx];
    }
}
