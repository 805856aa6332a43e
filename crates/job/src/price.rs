//! What a job takes of a machine's memory, told from what everybody may know before anything is
//! loaded: the model's shape, the lengths of the inputs, and the specification.

use std::fmt;

use assay_estimator as estimator;
use assay_ledger::rules;
use assay_model::{BatchShape, Footprint, Purpose, state_values};

use crate::build_error::BuildError;
use crate::bytes::Bytes;
use crate::inputs::{Inputs, Lengths, MODEL, model};
use crate::step::Step;

/// The state is held by the run, kept for a step that turns out invalid, and encoded on its way in
/// and out.
const STATE_COPIES: u64 = 4;
/// What reading makes of text: records, tokens and labels, for each byte of it.
const READ_TEXT: u64 = 4;
/// What reading a model takes, whatever its length.
const LOADING: u64 = 4 * assay_crypto::content::SLICE_BYTES as u64;

/// The bytes of inputs on which a run's memory depends. A model's weights are not among them: they are
/// read where they lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// What of the model's archive is in memory before the run begins.
    pub resident: u64,
    /// What is read as text: the files of the model that are no weights, and the other inputs.
    pub texts: u64,
}

impl Sizes {
    /// Of inputs that are here.
    ///
    /// # Errors
    /// When there is a model, and its archive cannot be read.
    pub fn of(inputs: &Inputs) -> Result<Self, BuildError> {
        let texts = inputs.iter().filter(|(name, _)| *name != MODEL);
        let texts = texts.map(|(_, handle)| handle.length());
        let (resident, settings) = match inputs.get(MODEL) {
            Some(archive) => (archive.resident(), model(inputs)?.settings_bytes()),
            None => (0, 0),
        };
        Ok(Self {
            resident,
            texts: texts.fold(settings, u64::saturating_add),
        })
    }

    /// The least that inputs of these lengths of this kind can have.
    pub(crate) fn told(kind: &str, lengths: &Lengths) -> Self {
        let archive = rules::on_model(kind);
        let texts = lengths
            .iter()
            .filter(|(name, _)| !archive || *name != MODEL);
        Self {
            resident: 0,
            texts: texts.fold(0, |sum, (_, length)| sum.saturating_add(*length)),
        }
    }

    /// Of inputs of this kind that are here: one that works on no language model reads all of them whole,
    /// what it calls its model too.
    ///
    /// # Errors
    /// As [`Sizes::of`].
    pub(crate) fn of_kind(kind: &str, inputs: &Inputs) -> Result<Self, BuildError> {
        if rules::on_model(kind) {
            return Self::of(inputs);
        }
        let lengths = inputs.iter();
        let lengths = lengths.map(|(name, handle)| (name.clone(), handle.length()));
        Ok(Self::told(kind, &lengths.collect()))
    }

    /// With so many bytes more that are read.
    #[must_use]
    pub(crate) fn with(self, more: u64) -> Self {
        let texts = self.texts.saturating_add(more);
        Self { texts, ..self }
    }
}

/// Bytes that a run of a job takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Price {
    /// The inputs that are in memory, and what is read from texts.
    pub inputs: u64,
    /// The model as it is held, and what of it is packed for products.
    pub model: u64,
    /// What training changes, with the optimiser's moments.
    pub state: u64,
    /// Activations, logits and gradients of one step, and of one evaluation on the way.
    pub step: u64,
    /// More than all that while the model is loaded.
    pub loading: u64,
    /// No bytes, and no part of the total: products that are added up in one step, and in one batch of an
    /// evaluation on the way.
    #[serde(skip)]
    pub work: u64,
    /// No part of the total: all of it on a machine that computes on its processors and has the model on
    /// its disk. It is the same whichever machine tells it, so that the terms of an order can.
    #[serde(skip)]
    pub anywhere: u64,
}

impl Price {
    /// All of it at its highest.
    pub fn total(&self) -> u64 {
        let parts = [self.inputs, self.model, self.state, self.step, self.loading];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Prices a step of a small model, whose rows are read from one input of this length.
    pub(crate) fn of_rows(step: &estimator::Footprint, width: u64, inputs: &Sizes) -> Self {
        let row = 4 * (width + 1);
        let rows = inputs.texts / row.max(1);
        let price = Self {
            inputs: inputs.texts.saturating_add(rows.saturating_mul(step.row)),
            model: 0,
            state: step.state.saturating_mul(STATE_COPIES),
            step: step.step,
            loading: 0,
            work: step.products,
            anywhere: 0,
        };
        let anywhere = price.total();
        Self { anywhere, ..price }
    }

    /// Prices a step on a model in an archive, and the batches on which a run scores itself.
    pub(crate) fn of(
        priced: &Step,
        watched: Option<BatchShape>,
        inputs: &Sizes,
    ) -> Result<Self, BuildError> {
        let (config, method) = (&priced.model, &priced.method);
        let step = priced.footprint()?;
        let watched = match watched {
            Some(shape) => Step {
                shape,
                purpose: Purpose::Loss,
                ..priced.clone()
            }
            .footprint()?,
            None => Footprint::default(),
        };
        let state = method
            .as_ref()
            .map_or(0, |method| state_values(config, method));
        let price = Self {
            inputs: (inputs.resident).saturating_add(inputs.texts.saturating_mul(1 + READ_TEXT)),
            model: step.weights,
            state: state.saturating_mul(4 * STATE_COPIES),
            step: step.operators.saturating_add(watched.operators),
            loading: 0,
            work: step.work.saturating_add(watched.work),
            anywhere: 0,
        };
        let processor = price.on_processor(&step, &watched).loaded();
        let anywhere = processor.total().saturating_sub(inputs.resident);
        // A device has in its own memory what a processor computes in.
        let here = match on_device() {
            true => price.loaded(),
            false => processor,
        };
        Ok(Self { anywhere, ..here })
    }

    /// With what a processor computes in.
    fn on_processor(self, step: &Footprint, watched: &Footprint) -> Self {
        let packed = step.packed.max(watched.packed);
        let buffers = step.step.saturating_add(watched.step);
        Self {
            model: self.model.saturating_add(packed),
            step: self.step.saturating_add(buffers),
            ..self
        }
    }

    /// With what loading has at once and a step has not: a slice of the archive, sealed and open, and
    /// a part of a tensor. The tensor that is turned into another precision is among the weights.
    fn loaded(self) -> Self {
        let loading = LOADING.saturating_sub(self.step);
        Self { loading, ..self }
    }
}

#[cfg(not(feature = "cuda"))]
fn on_device() -> bool {
    false
}

#[cfg(feature = "cuda")]
fn on_device() -> bool {
    assay_kernel::Kernel::detect().is_ok_and(|kernel| kernel.device().is_some())
}

impl fmt::Display for Price {
    /// The total, and in brackets what it is for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, model) = (Bytes(self.step), Bytes(self.model));
        let (state, inputs) = (Bytes(self.state), Bytes(self.inputs));
        write!(
            f,
            "{} ({step} for a step, {model} for the model, {state} for what is trained, \
             {inputs} for the inputs)",
            Bytes(self.total())
        )
    }
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
