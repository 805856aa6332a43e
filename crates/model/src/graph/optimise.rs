//! The end of a training step: clipping and AdamW.

use super::TrainSettings;
use super::builder::{Builder, Inputs};
use super::{Op, TensorId};
use crate::adapter::Group;
use crate::target::Target;

impl Builder<'_> {
    /// AdamW on every trained tensor, given its index and gradient; returns the next running
    /// powers.
    pub(super) fn optimise(
        &mut self,
        settings: &TrainSettings,
        inputs: &Inputs,
        gradients: Vec<(usize, TensorId)>,
    ) -> TensorId {
        let optimizer = settings.optimizer;
        let clip = settings.max_grad_norm.and_then(|max_norm| {
            let squares = gradients.iter().fold(None, |sum, (i, gradient)| {
                self.place(*i);
                let accumulate = sum.is_some();
                let read: Vec<TensorId> = [*gradient].into_iter().chain(sum).collect();
                Some(self.emit(Op::SumSquares { accumulate }, &read, &[(1, 1)])[0])
            })?;
            self.place(usize::MAX);
            Some(self.like(Op::ClipFactor { max_norm }, &[squares]))
        });
        let fast = settings.loraplus_lr_ratio.map(|factor| {
            let op = Op::Scale { factor };
            self.like(op, &[inputs.rate])
        });
        let powers = self.like(Op::NextPowers(optimizer), &[inputs.powers]);
        for (i, mut gradient) in gradients {
            self.place(i);
            if let Some(factor) = clip {
                gradient = self.like(Op::ScaleBy, &[gradient, factor]);
            }
            let (mut settings, mut rate) = (optimizer, inputs.rate);
            match self.infos[i].group {
                Group::Plain => settings.weight_decay = 0.0,
                Group::DecayedUp => rate = fast.unwrap_or(rate),
                Group::Decayed | Group::Frozen => {}
            }
            let (param, first, second) = (self.params[i], inputs.first[i], inputs.second[i]);
            let shape = self.shape_of(param);
            let read = [param, gradient, first, second, powers, rate];
            self.emit(Op::AdamW(settings), &read, &[shape; 3]);
        }
        self.place(usize::MAX);
        powers
    }

    /// The nodes that follow are about tensor `i`; about none, if there is no such tensor. They are
    /// in no layer all the same: whoever holds the layers has nothing to do with them.
    fn place(&mut self, i: usize) {
        let site = self
            .infos
            .get(i)
            .and_then(|info| Target::site_of(&info.name));
        self.site = site.map(|(layer, target)| (layer as u32, target));
    }
}
