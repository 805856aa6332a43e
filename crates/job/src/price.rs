//! What a job takes of a machine's memory, told from what everybody may know before anything is
//! loaded: the model's shape, the lengths of the inputs, and the specification.

use std::fmt;

use assay_ledger::Terms;
use assay_model::{BatchShape, Footprint, Purpose, state_values};
use assay_proof::{Program, ProgramError, Programs, Task};

use crate::error::BuildError;
use crate::kind::{Lengths, Sizes, agreed, kind, told};
use crate::language;
use crate::step::Step;

/// The state is held by the run, kept for a step that turns out invalid, and encoded on its way in
/// and out.
const STATE_COPIES: u64 = 4;
/// What reading makes of text: records, tokens and labels, for each byte of it.
const READ_TEXT: u64 = 4;
/// What reading a model takes, whatever its length.
const LOADING: u64 = 4 * assay_crypto::content::SLICE_BYTES as u64;

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
}

impl Price {
    /// All of it at its highest.
    pub fn total(&self) -> u64 {
        let parts = [self.inputs, self.model, self.state, self.step, self.loading];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// What a run of an order takes at least, told from its terms and the least that each of its inputs
    /// can be. It grows with every length.
    ///
    /// # Errors
    /// When no run can be made of such terms: no machine has the kind, or each will refuse alike to
    /// build the program.
    pub fn of_terms(terms: &Terms, inputs: &Lengths) -> Result<Self, BuildError> {
        let name = terms.kind.as_str();
        let kind = kind(name).ok_or_else(|| BuildError::UnknownKind(name.to_owned()))?;
        kind.price(&terms.spec, &told(&terms.model)?, &Sizes::told(inputs))
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
        };
        Ok(price.computed_here(&step, &watched).loaded())
    }

    /// With what a processor computes in; a device has that in its own memory.
    fn computed_here(self, step: &Footprint, watched: &Footprint) -> Self {
        if on_device() {
            return self;
        }
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

/// A number of bytes as people read it: `13.9 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 5] = [
            ("PiB", 1 << 50),
            ("TiB", 1 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor) {
            Some((unit, factor)) => write!(f, "{:.1} {unit}", self.0 as f64 / *factor as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// The registered kinds on a machine that gives a run so many bytes: what takes more is refused
/// with its price before any of it is built.
#[derive(Debug, Clone, Copy)]
pub struct Limited {
    /// Bytes a run may take.
    pub memory: u64,
}

impl Programs for Limited {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let (kind, model) = agreed(task)?;
        let sizes = Sizes::of(&language::by_name(task))?;
        let price = kind.price(&task.spec, &model, &sizes)?;
        if price.total() > self.memory {
            let memory = Bytes(self.memory);
            return Err(ProgramError::TooLarge(format!(
                "it takes {price}, and this machine gives {memory}"
            )));
        }
        kind.program(task).map_err(ProgramError::from)
    }
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
