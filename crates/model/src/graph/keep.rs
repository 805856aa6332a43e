//! What the forward pass keeps for the backward pass, and in which form.
//!
//! With [`ActivationStorage::BFloat16`] a tensor that the backward pass reads is rounded by an
//! operator of its own, and the backward pass reads the rounded one. The forward pass goes on with
//! the value itself, so the loss of a step does not depend on the setting, and neither does a
//! layer that is computed twice: it starts from the same input both times.

use super::ActivationStorage;
use super::builder::{Builder, Taped};
use super::{Op, TensorId};

impl Builder<'_> {
    /// Rounds what backward reads of a forward operator, unless an earlier one already did.
    pub(super) fn keep(&mut self, entry: &Taped) {
        let storage = self.settings().map(|s| s.activation_storage);
        if storage != Some(ActivationStorage::BFloat16) {
            return;
        }
        // Inverse root mean squares are one value a row: not worth an operator.
        let read = match entry {
            Taped::Norm { x, .. } => vec![*x],
            Taped::Attention { q, k, v, probs, .. } => vec![*q, *k, *v, *probs],
            Taped::Silu { gate, up, .. } => vec![*gate, *up],
            Taped::Linear(taped) => taped.activations(),
            Taped::Embedding { .. } | Taped::Rope { .. } | Taped::Layer { .. } => Vec::new(),
        };
        for id in read {
            if self.kept[id.0 as usize].is_none() {
                let rounded = self.like(Op::RoundBf16, &[id]);
                self.kept[id.0 as usize] = Some(rounded);
            }
        }
    }

    /// What backward reads where forward had this tensor.
    pub(super) fn kept(&self, id: TensorId) -> TensorId {
        self.kept[id.0 as usize].unwrap_or(id)
    }

    /// Lets a tensor be rounded again: one that is read by a layer computed twice is kept as it is,
    /// and two forms of it would take more memory than one.
    pub(super) fn keep_later(&mut self, id: TensorId) {
        self.kept[id.0 as usize] = None;
    }
}
